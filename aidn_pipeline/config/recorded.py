"""A pipeline back from the record of a run: what was composed then, whatever the files say now."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from aidn_pipeline.config.check import Checker
from aidn_pipeline.config.limits import AMOUNTS, read_amounts
from aidn_pipeline.config.recipe import RUN_FIELDS
from aidn_pipeline.config.selection import UNASKED
from aidn_pipeline.config.text import read_value
from aidn_pipeline.config.tree import Node, put
from aidn_pipeline.core.describe import complete
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import Claim, PipelineSpec, PortRef, Retries, StageSpec
from aidn_pipeline.errors import ConfigProblems, UsageError

KEPT = ("durability", "executor", "wait", "resources", "until")
"""Keys of `run` that a rerun takes over; the others said what was to be made anew then."""
REFUSED = {
    "frozen": "a rerun is held against its run: `--strict`",
    "smoke": "a rerun is of the whole run: `--until STAGE` ends it earlier",
    "only": "a rerun makes what is missing: `--until STAGE` ends it earlier",
}


def wiring_of(spec: PipelineSpec) -> dict[str, Any]:
    """What a run records of each stage beside its configuration; defaults are left out."""
    return {name: beside for name, stage in spec.stages.items() if (beside := _beside(stage))}


def _beside(stage: StageSpec) -> dict[str, Any]:
    cells = {
        port: [None if ref.cell is None else [list(pair) for pair in ref.cell] for ref in refs]
        for port, refs in stage.inputs.items()
        if any(ref.cell is not None for ref in refs)
    }
    claim, retries = stage.resources, stage.retries
    said = {
        "cell": dict(stage.cell),
        "cells": cells,
        "skip": "" if stage.skip.startswith(UNASKED) else stage.skip,
        "on_failure": "" if stage.on_failure == "stop" else stage.on_failure,
        "resources": {} if claim == Claim() else asdict(claim),
        "timeout_s": stage.timeout_s or 0,
        "retries": {} if retries == Retries() else asdict(retries),
    }
    return {key: value for key, value in said.items() if value}


def recorded_spec(
    record: Mapping[str, Any], overrides: Sequence[str], index: Index
) -> PipelineSpec:
    """The pipeline of a run, as it was composed then.

    Args:
        record: of the run.
        overrides: of `run.*` alone: which stages, and what is made anew.
        index: the components as they are now.

    Raises:
        UsageError: if the record holds no configuration, or an override would change it.
        ConfigError: if a component of the run is gone, or no longer has a field of it.
    """
    facts, run = record["facts"], record["run"]
    config, wiring = facts.get("config"), facts.get("wiring", {})
    if config is None or ("wiring" not in facts and any("[" in n for n in config["stages"])):
        what = f"debug of {facts['debug']}" if "debug" in facts else "an earlier release"
        raise UsageError(
            f"the run {run} is of {what}, and does not hold all of its configuration",
            where=f"run {run}",
            remedy="run its recipe: `aidn-run show` of the run says which",
        )
    checker = Checker(index)
    # Records sort their keys; the order of the run is kept beside them.
    names = dict.fromkeys((*facts.get("order", ()), *config["stages"]))
    stages = {
        name: _stage(name, config["stages"][name], wiring.get(name, {}), run, checker)
        for name in names
        if name in config["stages"]
    }
    options, origins = _options(record, overrides, checker)
    if len(checker.problems) > 1:
        raise ConfigProblems(checker.problems)
    if checker.problems:
        raise checker.problems[0]
    return PipelineSpec(
        name=config["name"],
        recipe=record["recipe"],
        stages={name: stage for name, stage in stages.items() if stage is not None},
        seed=config["seed"],
        origins=origins,
        run=options,
        environment=facts.get("environment", {}),
    )


def _stage(
    name: str, value: Mapping[str, Any], beside: Mapping[str, Any], run: str, checker: Checker
) -> StageSpec | None:
    fields = {key: item for key, item in value.items() if key != "inputs"}
    # The components may be others by now. What is taken is the value itself: a file's nulls remove.
    if checker.component("stage", node_of(fields, f"run {run}", f"stages.{name}")) is None:
        return None
    claim, retries = beside.get("resources"), beside.get("retries")
    return StageSpec(
        name=name,
        stage=complete(checker.index, "stage", fields, where=f"stages.{name}"),
        inputs={
            port: tuple(_reference(refs, beside.get("cells", {}).get(port)))
            for port, refs in value["inputs"].items()
        },
        cell=beside.get("cell", {}),
        skip=beside.get("skip", ""),
        on_failure=beside.get("on_failure", "stop"),
        resources=Claim(**{**claim, "mutex": tuple(claim["mutex"])}) if claim else Claim(),
        timeout_s=beside.get("timeout_s"),
        retries=Retries(**{**retries, "on": tuple(retries["on"])}) if retries else Retries(),
    )


def _reference(texts: Sequence[str], cells: Sequence[Any] | None) -> list[PortRef]:
    found = []
    for text, cell in zip(texts, cells or [None] * len(texts), strict=True):
        ref = PortRef.parse(text)
        labels = None if cell is None else tuple((axis, label) for axis, label in cell)
        found.append(PortRef(ref.stage, ref.port, ref.optional, labels))
    return found


def node_of(value: Any, origin: str, path: str) -> Node:
    """A plain value as a resolved tree of one origin."""
    if isinstance(value, Mapping):
        inner: Any = {k: node_of(v, origin, f"{path}.{k}".strip(".")) for k, v in value.items()}
    elif isinstance(value, (list, tuple)):
        inner = [node_of(v, origin, f"{path}.{n}") for n, v in enumerate(value)]
    else:
        inner = value
    return Node(inner, origin, path=path)


def _options(
    record: Mapping[str, Any], overrides: Sequence[str], checker: Checker
) -> tuple[dict[str, Any], dict[str, str]]:
    """The keys of `run`, and which override gave each."""
    before = record["facts"]["config"].get("run", {})
    kept = {key: before[key] for key in KEPT if key in before}
    if before.get("only"):
        kept["until"] = before["only"]
    tree, origins = Node({}, "run"), dict[str, str]()
    for written in overrides:
        key, equals, value = written.lstrip("+").partition("=")
        first, _, name = key.strip().partition(".")
        if first != "run" or not name or not equals:
            raise UsageError(
                f"`{written}` would change the configuration, and a rerun has that of its run",
                where=f"override {written}",
                remedy="run the recipe with it, or leave it out; keys of `run.` may be given",
            )
        if name in REFUSED:
            raise UsageError(
                f"`run.{name}` does not go with a rerun",
                where=f"override {written}",
                remedy=REFUSED[name],
            )
        node = read_value(value.strip(), f"override {written}")
        tree = put(tree, name.split("."), Node(node.value, node.origin, node.text, f"run.{name}"))
        origins[f"run.{name}"] = node.origin
    written_keys = {key: node for key, node in tree.value.items() if key != "resources"}
    found = checker.fields(RUN_FIELDS, written_keys, tree)
    if budget := read_amounts(tree.get("resources"), AMOUNTS, checker):
        found["resources"] = budget
    return {**kept, **found}, origins
