"""What a recipe came to, as YAML: every value, and beside it where it was said."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.emit import INDENT, KEY, quoted
from aidn_pipeline.core.pipeline import PipelineSpec, StageSpec

COLUMN = 44
"""Where comments begin, if the line is not longer."""
UNSAID = "default"
"""Of a value that nobody wrote: the component has it."""


def annotated(spec: PipelineSpec) -> str:
    """The resolved pipeline: each value with its file and line, its override, or `default`.

    What is read from the text is the pipeline's configuration as a run records it. It is no
    recipe: values stand where they are used, not in their groups.
    """
    stages = {
        name: {
            **stage.stage,
            **({"inputs": _inputs(stage)} if stage.inputs else {}),
        }
        for name, stage in spec.stages.items()
    }
    values = {"name": spec.name, "seed": spec.seed, "run": dict(spec.run)}
    lines = [
        f"{line:<{COLUMN}}  # {_origin(path, spec.origins)}" if path else line
        for line, path in (
            *_mapping({k: v for k, v in values.items() if v != {}}, "", ""),
            *_stages(stages, spec),
        )
    ]
    return "\n".join(lines) + "\n"


def _stages(
    stages: Mapping[str, Mapping[str, Any]], spec: PipelineSpec
) -> Iterator[tuple[str, str]]:
    """As `_mapping`; of the cells of a matrix the first is whole, others say what differs."""
    yield ("stages:" if stages else "stages: {}"), ""
    bases = [name.partition("[")[0] for name in stages]
    first: dict[str, Mapping[str, Any]] = {}
    for name, values in stages.items():
        base = name.partition("[")[0]
        key = name if KEY.match(name) else quoted(name)
        skip = f"  # skip: {spec.stages[name].skip}" if spec.stages[name].skip else ""
        anchor = re.sub(r"\W", "_", base)
        rest = values
        if base in first and first[base].keys() == values.keys():
            yield f"{INDENT}{key}:{skip}", ""
            yield f"{INDENT * 2}<<: *{anchor}", ""
            rest = {k: v for k, v in values.items() if v != first[base][k]}
        else:
            several = base not in first and bases.count(base) > 1
            yield f"{INDENT}{key}:{f' &{anchor}' if several else ''}{skip}", ""
            first.setdefault(base, values)
        yield from _mapping(rest, f"stages.{name}", INDENT * 2)


def _inputs(stage: StageSpec) -> dict[str, Any]:
    texts = {port: [str(ref) for ref in refs] for port, refs in stage.inputs.items()}
    return {port: refs[0] if len(refs) == 1 else refs for port, refs in texts.items()}


def _mapping(values: Mapping[str, Any], path: str, indent: str) -> Iterator[tuple[str, str]]:
    """Lines, each with the path of its value; a line without one only opens a block."""
    for key, value in values.items():
        here = f"{path}.{key}".strip(".")
        name = key if KEY.match(key) else quoted(key)
        if isinstance(value, Mapping) and value:
            yield f"{indent}{name}:", ""
            yield from _mapping(value, here, indent + INDENT)
        else:
            yield f"{indent}{name}: {_inline(value)}", here


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        inside = (f"{k if KEY.match(k) else quoted(k)}: {_inline(v)}" for k, v in value.items())
        return "{" + ", ".join(inside) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, str):
        return value if KEY.match(value) and value.lower() not in WORDS else quoted(value)
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    text = json.dumps(value)
    # To YAML 1e-08 is a text; with a point in it, it is a number.
    return text.replace("e", ".0e") if isinstance(value, float) and "." not in text else text


WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Texts that YAML takes for something else."""


def _origin(path: str, origins: Mapping[str, str]) -> str:
    return shown(origins.get(path, UNSAID))


def shown(origin: str) -> str:
    """An origin in one line; a file of ours below the folder of all of them."""
    found = " ".join(origin.split())
    file, colon, line = found.rpartition(":")
    ours = data_folder("recipes").parent
    if colon and Path(file).is_relative_to(ours):
        return f"{Path(file).relative_to(ours)}:{line}"
    return found
