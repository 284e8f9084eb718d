"""`aidn-run why STAGE [recipe=NAME ...] [--run RUN]`: why a stage would run, or ran."""

import json
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aidn_pipeline.cli.arguments import parse
from aidn_pipeline.cli.cells import called, shortened, together
from aidn_pipeline.cli.grid import grid
from aidn_pipeline.cli.subject import Subject, one_name, subject
from aidn_pipeline.cli.text import ago, printable, seconds
from aidn_pipeline.config.origins import shown
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.engine.reasons import Difference, show
from aidn_pipeline.errors import UsageError
from aidn_pipeline.facade.accepting import is_acceptable
from aidn_pipeline.facade.explaining import (
    Explanation,
    History,
    Upstream,
    cells_of,
    explained,
    history,
    parts_of,
    typed,
)
from aidn_pipeline.facade.runs import find_run
from aidn_pipeline.facade.workspace import Workspace, empty_store

FLAGS: Mapping[str, Any] = {"--run": "value", "--json": "switch"}
CELL = re.compile(r"\[[^\[\]]*\]")
SHORT = 11
"""Characters of a digest that are shown."""


def main(given: Sequence[str]) -> int:
    """Prints it."""
    if any(word == "--run" or word.startswith("--run=") for word in given):
        return _of_run(given)
    found = subject(given, FLAGS, verb="why")
    stage = one_name(found, verb="why", noun="stage", example="train recipe=digits_train")
    builder = found.builder
    spec, index, project = builder.spec(), builder.index, builder.workspace.project
    smoke = bool(spec.run.get("smoke"))
    with empty_store() if smoke else builder.workspace.readable() as store:
        names = cells_of(spec, stage)
        explanations = list(explained(spec, store, index, project, names))
        kept = {one.row.name for one in explanations if is_acceptable(one, store, index)}
    told = [
        (_with_choices(one, builder.overrides), parts_of(one.differences)) for one in explanations
    ]
    if found.arguments.has("--json"):
        objects = [one.to_json(parts) for one, parts in told]
        print(json.dumps(objects[0] if len(objects) == 1 else {"format": 1, "stages": objects}))
        return 0
    by_name = {one.row.name: (one, parts) for one, parts in told}
    alike = {name: _gist(one) for name, (one, _) in by_name.items()}
    blocks = []
    for cells in together(by_name, alike):
        first, parts = by_name[cells[0]]
        lines = [*_told(first, parts, called(cells)), *_next(first, found, kept)]
        blocks.append("\n".join(lines))
    print(printable("\n\n".join(blocks)))
    return 0


def _with_choices(one: Explanation, overrides: Sequence[str]) -> Explanation:
    """With `model=cnn` as the place of a component that was chosen by it, not its preset's file."""
    found = [typed(d, overrides) if d.name.endswith(".use") else d for d in one.differences]
    return replace(one, differences=tuple(found))


def _gist(one: Explanation) -> object:
    """What is the same for cells that are told of together."""
    changes = tuple(str(change) for change in one.differences)
    needed = [(u.port, u.action, CELL.sub("", u.reason)) for u in one.upstream]
    return (one.row.action, one.row.progress, one.missing, changes, tuple(needed))


def _told(one: Explanation, parts: Mapping[str, Sequence[str]], name: str) -> Iterator[str]:
    """About a stage, or about the first of cells that are alike."""
    row = one.row
    yield f"{name}: {_says(one)}"
    if one.record is not None and (said := one.record.accepted) and not one.record.is_withdrawn:
        yield f"  accepted by {said['by']}, {ago(time.time() - said['at'])}: {said['reason']}"
        yield from (f"    {change}" for change in said["changes"])
    if row.action == "skip":
        return
    yield from _against(one.before)
    yield from grid(list(_rows(one.differences, parts, one.upstream)), indent="  ")
    if one.missing:
        why = "removed by gc" if one.collected else "not in the store"
        yield f"  its outputs {', '.join(one.missing)}: {why}"
    if needed := one.pending:
        yield "what it needs"
        yield from grid(_needs(needed, folded=name != row.name), indent="  ")


def _needs(needed: Sequence[Upstream], *, folded: bool) -> list[list[str]]:
    """What a stage needs that would run; cells that do so for the same reason are one row.

    Args:
        needed: by the stage, or by the first of cells that are told of together.
        folded: whether it is such a cell.
    """
    ports: dict[str, dict[str, None]] = {}
    by_stage: dict[str, Upstream] = {}
    for one in needed:
        stage, _, port = one.reference.removesuffix("?").rpartition(".")
        ports.setdefault(stage, {})[port] = None
        by_stage[stage] = one
    alike = {name: (u.action, CELL.sub("", u.reason)) for name, u in by_stage.items()}
    rows = []
    for names in together(by_stage, alike):
        first = by_stage[names[0]]
        name = called(names) if len(names) > 1 or not folded else CELL.sub("", names[0])
        reason = shortened(first.reason)
        rows.append(
            [
                f"{name}.{'+'.join(ports[names[0]])}",
                first.action,
                CELL.sub("", reason) if folded else reason,
            ]
        )
    return rows


def _says(one: Explanation) -> str:
    row, before = one.row, one.before
    if row.action == "reuse":
        made = one.record.observed.get("run", "") if one.record else ""
        return f"would be reused, as run {made} made it" if made else "would be reused"
    if row.action == "skip":
        return f"would be skipped: {row.reason}"
    if row.action == "wait":
        return "would run, unless what it needs comes out unchanged"
    if row.action == "resume":
        return f"would be resumed: {row.progress}"
    if row.reason == "forced":
        return "would run: forced"
    if before is None:
        return "would run: it was not run before by this recipe"
    if one.missing:
        return "would run: outputs of it are missing"
    changed = len(one.differences)
    if changed:
        return f"would run: {changed} thing{'s' if changed > 1 else ''} changed"
    return f"would run: {row.reason}"


def _against(before: StageRecord | None) -> Iterator[str]:
    if before is None:
        return
    observed = before.observed
    words = [f"its last result is of run {observed['run']}" if "run" in observed else ""]
    if "started" in observed:
        words.append(ago(time.time() - observed["started"]))
    if "seconds" in observed:
        words.append(f"made in {seconds(observed['seconds'])}")
    if said := ", ".join(filter(None, words)):
        yield f"  {said}"


def _rows(
    found: Sequence[Difference],
    parts: Mapping[str, Sequence[str]],
    upstream: Sequence[Upstream] = (),
) -> Iterator[list[str]]:
    for one in found:
        values = f"{show(one.old)} -> {show(one.new)}"
        match one.kind:
            case "config" | "seed":
                yield [one.name, values, shown(one.origin)]
            case "package":
                yield [f"package {one.name}", values, ""]
            case "file":
                yield [f"file {one.name}", "has other bytes", ""]
            case "input":
                yield [f"input {one.name}", _digests(one), _makers(one.name, upstream)]
            case "code" if one.files:
                for file in one.files:
                    yield [f"code of {one.name}", file, ", ".join(parts.get(file, ()))]
            case _:
                yield [f"code of {one.name}", f"version {values}", ""]


def _digests(one: Difference) -> str:
    old, new = one.old or "none", one.new or "none"
    if isinstance(old, str) and isinstance(new, str):
        return f"{old[:SHORT]} -> {new[:SHORT]}"
    both = [[v] if isinstance(v, str) else list(v) for v in (old, new)]
    differ = sum(a != b for a, b in zip(*both, strict=False))
    return f"{len(both[0])} -> {len(both[1])} artifacts, {differ} with other bytes"


def _makers(port: str, upstream: Sequence[Upstream]) -> str:
    found = [u.reference for u in upstream if u.port == port]
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"made by {found[0]}{more}" if found else ""


def _next(one: Explanation, found: Subject, acceptable: Collection[str]) -> Iterator[str]:
    if one.row.action in ("reuse", "skip"):
        return
    if one.pending:
        stage = one.pending[0].reference.rpartition(".")[0]
        yield f"next: {found.command('why', stage)}"
        return
    yield f"next: {found.command()}"
    if one.row.name in acceptable:
        yield "      or, if that makes no difference to its result:"
        yield f"      {found.command('accept', one.row.name, '--reason', 'TEXT')}"


def _of_run(given: Sequence[str]) -> int:
    arguments = parse(given, FLAGS, verb="why")
    if len(arguments.words) != 1:
        raise UsageError(
            "why takes one stage of a run",
            where=" ".join(["aidn-run why", *given]),
            remedy="write `aidn-run why train --run last`",
        )
    workspace = Workspace.around()
    with workspace.readable() as store:
        record = find_run(store, arguments.one("--run") or "")
        told = history(record, store, arguments.words[0])
    parts = parts_of(told.differences)
    if arguments.has("--json"):
        print(json.dumps(told.to_json(parts)))
        return 0
    print(printable("\n".join(_past(told, parts))))
    return 0


def _past(told: History, parts: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield f"{told.stage} in run {told.run}: {_did(told)}"
    if told.record is not None and (said := told.record.accepted):
        yield f"  accepted by {said['by']}: {said['reason']}"
        yield from (f"    {change}" for change in said["changes"])
        if taken := said.get("withdrawn"):
            yield f"    withdrawn by {taken['by']}, {ago(time.time() - taken['at'])}"
    if told.differences:
        before = told.before.observed.get("run") if told.before else None
        yield f"  against the result of run {before}" if before else "  against the result before"
    yield from grid(list(_rows(told.differences, parts)), indent="  ")


def _did(told: History) -> str:
    count = len(told.differences)
    changed = f"{count} thing{'s' if count > 1 else ''} changed"
    if told.action == "reuse":
        return f"reused, as run {told.made_by} made it" if told.made_by else "reused"
    if told.action == "skip":
        return "skipped"
    if told.record is None:
        return f"{told.action or 'not reached'}, and gave nothing"
    word = "resumed" if told.action == "resume" else "run"
    if told.forced:
        return f"{word}: forced"
    if told.before is None:
        return f"{word}: it was not run before by this recipe"
    if count:
        return f"{word}: {changed}"
    return f"{word}: its outputs were missing, or it was interrupted before"
