"""Secrets that a run will need, looked for before its first stage starts. No value is read."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.core.secret import locate, names_in
from aidn_pipeline.engine.fingerprint import components
from aidn_pipeline.engine.plan import Plan
from aidn_pipeline.errors import ConfigProblems, SecretUnavailable


def needed_secrets(spec: PipelineSpec, index: Index) -> dict[str, dict[str, str]]:
    """Names of secrets by stage, each with the place in the recipe where it is named."""
    found: dict[str, dict[str, str]] = {}
    for stage in spec.stages.values():
        component = index.find("stage", stage.stage["use"])
        for path, inner, values, _ in components(index, component, stage.stage):
            for item in inner.fields:
                if not holds_secret(item.type):
                    continue
                place = ".".join(p for p in ("stages", stage.name, path, item.name) if p)
                for name in _names(values.get(item.name, item.default)):
                    origin = spec.origins.get(place, place)
                    found.setdefault(stage.name, {}).setdefault(name, origin)
    return found


def refuse_unavailable(needed: Mapping[str, Mapping[str, str]], stages: Collection[str]) -> None:
    """Checks that every secret of the stages that will run is there.

    Args:
        needed: as `needed_secrets` gives it.
        stages: names of those that will run.

    Raises:
        SecretUnavailable: for the one that is not.
        ConfigProblems: if several are not.
    """
    problems: dict[str, SecretUnavailable] = {}
    for stage in stages:
        for name, origin in needed.get(stage, {}).items():
            try:
                locate(name)
            except SecretUnavailable as error:
                where = f"{origin}; looked for {error.where}"
                problems[name] = SecretUnavailable(error.problem, where=where, remedy=error.remedy)
    if len(problems) > 1:
        raise ConfigProblems(list(problems.values()))
    for problem in problems.values():
        raise problem


def to_be_run(plan: Plan) -> list[str]:
    """Names of the stages that a plan neither reuses nor skips."""
    return [row.name for row in plan.rows if row.action not in ("reuse", "skip")]


def holds_secret(kind: Any) -> bool:
    """Whether a field of this type may hold a secret."""
    if isinstance(kind, dict):
        return any(holds_secret(inner) for key, inner in kind.items() if key != "literal")
    if isinstance(kind, list):
        return any(map(holds_secret, kind))
    return bool(kind == "secret")


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from names_in(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _names(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _names(item)
