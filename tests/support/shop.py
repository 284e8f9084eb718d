"""A small project for tests that do a run again, in part or under a lock: no stage needs torch."""

from pathlib import Path

from support.mill import SETTINGS, STAGES, rows, write_files

ROUNDING = '''\
"""What several stages share."""

DIGITS = 6


def rounded(value: float) -> float:
    """A figure as it is told."""
    return round(value, DIGITS)


def unused(value: float) -> float:
    """Nobody calls it."""
    return value
'''
RECIPE = """\
# @package _global_
# A table, a search, a version. A second or two.
defaults:
  - /source: table
  - _self_

name: shop
seed: 3
source: {path: rows.csv, label: label}
stages:
  snapshot: {use: snapshot, source: "${source}"}
  split: {use: split, inputs: {dataset: snapshot.dataset}}
  judge: {use: column_mean, inputs: {dataset: split.dataset}, column: x}
  search: {use: search, inputs: {metrics: judge.metrics}, values: [1, 2]}
  count:
    use: count
    inputs: {metrics: judge.metrics}
    matrix: {by: [5, 7]}
  weigh: {use: weigh, inputs: {metrics: "count[by=5].metrics", params: search.params}}
  register:
    use: register
    inputs: {checkpoint: weigh.checkpoint, metrics: "count[by=5].metrics"}
    name: shop
  pack: {use: pack, inputs: {version: register.version, dataset: split.dataset}}
"""
IMPORT = "from aidn_pipeline.core.stage import Job\n"


def write_shop(folder: Path) -> Path:
    """Writes the project; returns its root."""
    stages = STAGES.replace(IMPORT, f"{IMPORT}from mill.rounding import rounded\n")
    stages = stages.replace("round(sum(values) / len(values), 6)", "rounded(sum(values) / 9)")
    files = {
        "pyproject.toml": SETTINGS,
        "mill/__init__.py": "",
        "mill/rounding.py": ROUNDING,
        "mill/stages.py": stages,
        "recipes/shop.yaml": RECIPE,
        "rows.csv": rows(),
    }
    return write_files(folder, files)


def edit(file: Path, old: str, new: str) -> None:
    """Changes a text in a file; it must be there."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
