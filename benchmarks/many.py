"""A project of many trivial stages, by `matrix`, for the benchmarks."""

from pathlib import Path

STAGE = '''"""A stage that does next to nothing."""

from aidn_pipeline import File, StageContext, component


@component("stage", "touch")
def touch(ctx: StageContext, *, number: int = 0) -> File:
    """Writes a number."""
    return ctx.save(File, b"%d" % number)
'''
RECIPE = """# @package _global_
# Many stages.
name: many
seed: 0
run: {{durability: process}}
stages:
  touch: {{use: touch, matrix: {{number: {{range: {count}}}}}}}
"""


def write_project(folder: Path, count: int) -> None:
    """Writes a project whose recipe `many` has that many stages."""
    (folder / "recipes").mkdir(parents=True)
    (folder / "touches").mkdir()
    (folder / "pyproject.toml").write_text('[tool.aidn]\npackages = ["touches"]\n')
    (folder / "touches" / "__init__.py").write_text("")
    (folder / "touches" / "touch.py").write_text(STAGE)
    (folder / "recipes" / "many.yaml").write_text(RECIPE.format(count=count))
