"""A run told in parts: its plan, parameters, trials, metrics, curves, artifacts and model."""

import json
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aidn_pipeline.cli.cells import base_of, values_of
from aidn_pipeline.cli.plot import plot
from aidn_pipeline.cli.telling import after, failed_stage
from aidn_pipeline.cli.text import (
    number,
    pairs,
    printable,
    read_from,
    seconds,
    size,
    sparkline,
    table,
)
from aidn_pipeline.core.artifact import Metrics, ModelVersion, Params, Report
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.engine.outcome import run_status
from aidn_pipeline.engine.plan import accepted_as
from aidn_pipeline.facade.models import model_of_run
from aidn_pipeline.facade.rerun import rerun_recorded
from aidn_pipeline.facade.runs import bundle_of, stage_records, stage_results
from aidn_pipeline.facade.workspace import Workspace
from aidn_pipeline.store.logs import last_lines, log_file
from aidn_pipeline.store.store import Store
from aidn_pipeline.tracking.segment import merge, read_segment

WIDTH = 78
TRIALS = 10
"""The best trials that are listed."""
LAST = 5
"""Lines of a failed stage's output that are shown."""
NAMED = ("loss", "rmse", "mae")
"""Ends of the names of what training and validation share, the most telling first."""

Stages = Mapping[str, StageRecord]


def told(record: Mapping[str, Any], store: Store, workspace: Workspace) -> Iterator[str]:
    """The lines about a run."""
    status, stages = run_status(store, record), stage_records(record, store)
    yield from _head(record, status, store)
    yield from _part("plan", _plan(record, stages, status))
    yield from _part("output", _output(record, store))
    yield from _part("parameters", _parameters(record, stages, store))
    yield from _part("trials", _trials(stages, store))
    yield from _part("metrics", _metrics(stages, store))
    yield from _part("curves", _curves(stages, store))
    yield from _part("model", _model(record, store, workspace))
    yield ""
    yield from after(record, status, store, workspace.project, shown=True)


def _part(title: str, lines: Iterator[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield from ["", title, *(f"  {line}".rstrip() for line in found)]


def _head(record: Mapping[str, Any], status: str, store: Store) -> Iterator[str]:
    facts = record["facts"]
    yield f"run {record['run']}  {record['recipe']}  {status}"
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record["started"]))
    rows = {"started": f"{started}, took {seconds(facts.get('seconds'))}"}
    if facts.get("overrides"):
        rows["changes"] = "  ".join(facts["overrides"])
    if options := facts.get("config", {}).get("run"):
        rows["options"] = "  ".join(f"{key}={written(value)}" for key, value in options.items())
    if variables := facts.get("environment"):
        rows["reads"] = "  ".join(read_from(variables))
    if "rerun" in facts:
        rows["rerun"] = str(rerun_recorded(record, stage_results(record, store)))
        rows["changed"] = "\n".join(facts["rerun"]["changed"])
    if "debug" in facts:
        rows["for"] = f"debug of {facts['debug']}"
    if facts.get("error"):
        rows |= {"error": facts["error"]["problem"], "fix": facts["error"]["remedy"]}
    for name, text in rows.items():
        for line in text.splitlines():
            yield textwrap.fill(
                line,
                WIDTH,
                initial_indent=f"  {name:<9}",
                subsequent_indent=" " * 11,
                break_long_words=False,
                break_on_hyphens=False,
            )


def written(value: Any) -> str:
    """A value of an option as it may be typed."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(written, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _plan(record: Mapping[str, Any], stages: Stages, status: str) -> Iterator[str]:
    facts, rows = record["facts"], []
    actions = facts.get("actions", {})
    for name in facts.get("order", list(stages)):
        stage = stages.get(name)
        if stage is None:
            ended = name == failed_stage(record)
            action = status if ended and status != "running" else actions.get(name, "-")
            rows.append([name, action, "", "", ""])
            continue
        took = seconds(stage.observed.get("seconds"))
        for n, (port, artifact) in enumerate(stage.outputs.items()):
            first = [name, actions.get(name, ""), took] if n == 0 else ["", "", ""]
            rows.append([*first, port, artifact.digest[3:11], size(artifact.size)])
    header = ["stage", "action", "made in", "artifact", "id", "size"]
    yield from table(rows, header=header).splitlines()
    for name, stage in stages.items():
        if said := accepted_as(stage):
            yield f"{name} {said}{', withdrawn since' if stage.is_withdrawn else ''}"


def _output(record: Mapping[str, Any], store: Store) -> Iterator[str]:
    """Where the stages of the run wrote what they printed; of a failed one the last lines."""
    observed = record["facts"].get("observed", {})
    for name in record["facts"].get("order", ()):
        log = log_file(store.root, record["run"], name)
        if not log.is_file():
            continue
        peak = observed.get(name, {}).get("peak_memory")
        told = [size(log.stat().st_size), *([f"peak of its memory {size(peak)}"] if peak else [])]
        yield f"{name}: {', '.join(told)}"
        yield f"  {log}"
        if name == failed_stage(record):
            yield from (f"  | {printable(line)}" for line in last_lines(log, LAST))


def _parameters(record: Mapping[str, Any], stages: Stages, store: Store) -> Iterator[str]:
    """Every component with what is set of it; what was searched has the values that were found."""
    config = record["facts"].get("config", {}).get("stages", {})
    trained = [fields["trainer"].get("use") for fields in config.values() if "trainer" in fields]
    rows: dict[str, dict[str, list[str]]] = {}
    for name in record["facts"].get("order", config):
        fields = dict(config.get(name, {}))
        if isinstance(fields.get("trial"), Mapping) and fields["trial"].get("use") in trained:
            # The trainer of the trials is told of once, with what was found for it.
            del fields["trial"]
        found = stages[name].hashed.get("fields", {}) if name in stages else {}
        base = base_of(name)
        axes = [f"{base}.{axis}" for axis in values_of(name)]
        for path, use, values in _components(base, _over(fields, found)):
            said = {k: _short(v) for k, v in values.items() if _tells(v) or f"{path}.{k}" in axes}
            if said or (use != path.rpartition(".")[2] and use != base):
                _add(rows.setdefault(f"{path}: {use}" if use != path else path, {}), said)
    for params in _values(stages, store, Params):
        _add(rows.setdefault("found by the sweep", {}), {k: _short(v) for k, v in params.items()})
    margin = max(map(len, rows), default=0) + 2
    for path, values in rows.items():
        told = {key: ", ".join(some) for key, some in values.items()}
        yield from pairs(told, label=f"{path:<{margin}}", width=WIDTH).splitlines() or [path]


def _tells(value: Any) -> bool:
    # Which cells were gathered is told by the metrics of each.
    cells = isinstance(value, list) and any(isinstance(item, Mapping) for item in value)
    return value not in (None, {}, [], False) and not cells


def _add(row: dict[str, list[str]], said: Mapping[str, str]) -> None:
    """Cells of a stage share a row; where they differ, it has the values of all."""
    for key, value in said.items():
        if value not in row.setdefault(key, []):
            row[key].append(value)


def _over(fields: Any, found: Any) -> Any:
    if isinstance(fields, Mapping) and isinstance(found, Mapping):
        return {k: _over(v, found[k]) if k in found else v for k, v in fields.items()}
    if isinstance(found, Mapping) or found == "searched":
        return fields
    return found


def _components(path: str, value: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Components by their path: each one's name and its plain fields."""
    if isinstance(value, Mapping) and "use" in value:
        inner = [k for k, v in value.items() if isinstance(v, Mapping) and "use" in v]
        skipped = ("use", "inputs", "space", *inner)
        yield path, value["use"], {k: v for k, v in value.items() if k not in skipped}
        for key in inner:
            yield from _components(f"{path}.{key}", value[key])


def _short(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Mapping):
        return ", ".join(_entry(k, v) for k, v in value.items())
    return value if isinstance(value, str) else json.dumps(value)


def _entry(key: str, value: Any) -> str:
    if value == {"use": key}:
        return key
    return f"{key} {_short(value)}" if isinstance(value, Mapping) else f"{key}={_short(value)}"


def _values(stages: Stages, store: Store, kind: type[Any]) -> Iterator[Mapping[str, Any]]:
    for stage in stages.values():
        for artifact in stage.outputs.values():
            if isinstance(artifact, kind) and store.has(artifact):
                yield store.read_json(artifact)


def _trials(stages: Stages, store: Store) -> Iterator[str]:
    for stage in stages.values():
        artifact = stage.outputs.get("trials")
        if not isinstance(artifact, Report) or not store.has(artifact):
            continue
        found = store.read_json(artifact)
        metric, sign = found["objective"]["metric"], found["objective"]["mode"] == "max"
        ended = [t for t in found["trials"] if t["value"] is not None]
        ended.sort(key=lambda t: t["value"], reverse=sign)
        other = [t for t in found["trials"] if t["value"] is None]
        rows = [
            [
                str(t["number"] + 1),
                number(t["value"]) if t["value"] is not None else t["error"] or "-",
                t["state"],
                str(t["epochs"]),
                "  ".join(f"{k} {_short(v)}" for k, v in t["params"].items()),
            ]
            for t in [*ended, *other][:TRIALS]
        ]
        yield from table(rows, header=["trial", metric, "state", "epochs", "params"]).splitlines()
        if len(found["trials"]) > TRIALS:
            yield f"and {len(found['trials']) - TRIALS} more"


def _metrics(stages: Stages, store: Store) -> Iterator[str]:
    rows = []
    for name, stage in stages.items():
        for values in _values({name: stage}, store, Metrics):
            plain = {k: v for k, v in values.items() if not k.startswith("baseline_")}
            for n, (metric, value) in enumerate(sorted(plain.items())):
                base = values.get(f"baseline_{metric}")
                beside = f"baseline {number(base)}" if base is not None else ""
                rows.append([name if n == 0 else "", metric, number(value), beside])
    if rows:
        yield from table(rows).splitlines()


def _curves(stages: Stages, store: Store) -> Iterator[str]:
    plotted = set[str]()
    for name, stage in stages.items():
        points = stage.observed.get("points", ())
        digests = [p["digest"] for p in points if store.objects.has(p["digest"], p["size"])]
        curves = merge([read_segment(store.objects.verified(digest)) for digest in digests])
        moving = {
            key: points for key, points in curves.items() if len({value for _, value in points}) > 1
        }
        if not moving:
            continue
        yield f"{name}:"
        # Of several cells the first is plotted, the others are a line for each curve.
        drawn = _pair(list(moving)) if base_of(name) not in plotted else []
        plotted.add(base_of(name))
        if drawn:
            yield from (f"  {line}" for line in plot({k: moving[k] for k in drawn}, unit="epoch"))
        rows = [
            [
                key,
                sparkline([v for _, v in points]),
                f"{number(points[0][1])} -> {number(points[-1][1])}",
            ]
            for key, points in moving.items()
            if key not in drawn
        ]
        yield from (f"  {line}" for line in table(rows).splitlines())


def _pair(names: Sequence[str]) -> list[str]:
    """What is plotted: validation and training of one figure, else the first."""
    for end in NAMED:
        found = [name for name in (f"val_{end}", f"train_{end}") if name in names]
        if found:
            return found
    return [names[0]]


def _model(record: Mapping[str, Any], store: Store, workspace: Workspace) -> Iterator[str]:
    stages = stage_results(record, store)
    model = model_of_run(stages, store)
    if model is None:
        return
    rows = [[str(model), f"checkpoint {model.digest[3:11]}"]]
    for result in stages.values():
        for artifact in result.outputs.values():
            if isinstance(artifact, ModelVersion) and (gate := store.read_json(artifact)["gate"]):
                bounds = (
                    f"{metric} {side} {number(bound)}"
                    for metric, limits in gate.items()
                    for side, bound in limits.items()
                    if bound is not None
                )
                rows.append(["gate", f"met: {'  '.join(bounds)}"])
    bundle = bundle_of(model, workspace)
    rows.append(["bundle", str(bundle.relative_to(workspace.project.root)) if bundle else "none"])
    yield from table(rows).splitlines()
