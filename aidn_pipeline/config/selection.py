"""Which stages a run is about, and which of them are made anew although a result exists.

    run.from=[STAGE]     that stage and all after it, made anew
    run.until=[STAGE]    it and what it needs; nothing after it
    run.only=[STAGE]     it alone; what it needs must be there
    run.no_cache=true    everything made anew, trials too

The name of a matrix stands for all of its cells.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.core.wiring import needs
from aidn_pipeline.errors import UnknownKey, UsageError

UNASKED = "not asked for: "
"""Begins why a stage is not run that would be, without `run.until` or `run.only`."""
NAMING = ("force", "from", "until", "only")
"""Keys of `run` that name stages."""
SHOWN = 6
"""Names that are told of at once."""


def selected(spec: PipelineSpec) -> PipelineSpec:
    """The pipeline of which the stages that were not asked for are skipped.

    Raises:
        UnknownKey: for a stage that is not there, with the nearest name.
        UsageError: if keys of `run` contradict each other, or what is asked for is skipped.
    """
    named = {key: _named(spec, key) for key in NAMING}
    if named["only"] and named["until"]:
        raise UsageError(
            "a run has either `run.only` or `run.until`",
            where=f"{_place(spec, 'only')} and {_place(spec, 'until')}",
            remedy="`--until STAGE` also runs what the stage needs, `--only STAGE` runs it alone",
        )
    ending = "only" if named["only"] else "until"
    wanted = named[ending]
    kept = {*wanted, *above(spec, wanted)} if wanted else set(spec.stages)
    _refuse_skipped(spec, wanted, ending)
    for key in ("force", "from"):
        _refuse_outside(spec, key, named[key], set(wanted) if named["only"] else kept, ending)
    reason = f"{UNASKED}run.{ending}={_written(spec.run.get(ending, ()))}"
    stages = {
        name: stage if name in kept or stage.skip else replace(stage, skip=reason)
        for name, stage in spec.stages.items()
    }
    chosen = replace(spec, stages=stages)
    return replace(chosen, notes=(*spec.notes, *_notes(chosen)))


def forced(spec: PipelineSpec) -> frozenset[str]:
    """Names of the stages of a pipeline, as `selected` gives it, that are made anew."""
    found = set(_named(spec, "force"))
    if begins := _named(spec, "from"):
        found |= {*begins, *after(spec, begins)}
    if spec.run.get("no_cache"):
        found |= spec.stages.keys()
    # What a stage needs that is run alone must be there.
    asked = set(_named(spec, "only")) or spec.stages.keys()
    return frozenset(name for name in found & asked if not spec.stages[name].skip)


def needed_alone(spec: PipelineSpec) -> list[str]:
    """What the stages need that are run alone: the results of these must be there."""
    alone = _named(spec, "only")
    return [name for name in above(spec, alone) if name not in alone]


def above(spec: PipelineSpec, names: Iterable[str]) -> list[str]:
    """Every stage that some stages need, directly or through others, in the pipeline's order."""
    found, rest = set[str](), list(names)
    while rest:
        new = {n for n in needs(spec.stages[rest.pop()]) if n in spec.stages} - found
        found |= new
        rest += sorted(new)
    return [name for name in spec.stages if name in found]


def after(spec: PipelineSpec, names: Collection[str]) -> set[str]:
    """Every stage that needs one of some stages, directly or through others."""
    followers: dict[str, list[str]] = {}
    for name, stage in spec.stages.items():
        for needed in needs(stage):
            followers.setdefault(needed, []).append(name)
    found, rest = set[str](), list(names)
    while rest:
        new = set(followers.get(rest.pop(), ())) - found
        found |= new
        rest += sorted(new)
    return found


def _named(spec: PipelineSpec, key: str) -> list[str]:
    """The stages that a key of `run` names."""
    asked = spec.run.get(key, ())
    if not asked:
        return []
    bases: dict[str, list[str]] = {}
    for name in spec.stages:
        bases.setdefault(name, []).append(name)
        if (base := name.partition("[")[0]) != name:
            bases.setdefault(base, []).append(name)
    for name in asked:
        if name not in bases:
            raise UnknownKey(
                f"there is no stage {name!r}, which `run.{key}` names",
                where=_place(spec, key),
                remedy=nearest(name, list(bases), noun="stages"),
            )
    return list(dict.fromkeys(found for name in asked for found in bases[name]))


def _refuse_skipped(spec: PipelineSpec, wanted: Collection[str], key: str) -> None:
    if wanted and all(spec.stages[name].skip for name in wanted):
        first = next(iter(wanted))
        raise UsageError(
            f"stage {first!r} is not run in this recipe: {spec.stages[first].skip}",
            where=_place(spec, key),
            remedy="change its `when`, or name another stage",
        )


def _refuse_outside(
    spec: PipelineSpec, key: str, names: Collection[str], kept: Collection[str], ending: str
) -> None:
    outside = [name for name in names if name not in kept]
    if outside:
        raise UsageError(
            f"`run.{key}` names {outside[0]!r}, which `run.{ending}` leaves out",
            where=f"{_place(spec, key)} and {_place(spec, ending)}",
            remedy=f"drop one of the two, or name {outside[0]} in `--{ending}`",
        )


def _notes(spec: PipelineSpec) -> Iterator[str]:
    anew = forced(spec)
    if spec.run.get("no_cache"):
        yield "run.no_cache: nothing is reused, trials neither; equal bytes are stored once"
    elif spec.run.get("from"):
        yield f"run.from={_written(spec.run['from'])}: made anew are {_few(spec, anew)}"
    for key in ("until", "only"):
        if spec.run.get(key):
            left = {n for n, stage in spec.stages.items() if stage.skip.startswith(UNASKED)}
            yield f"run.{key}={_written(spec.run[key])}: not run are {_few(spec, left)}"


def _few(spec: PipelineSpec, names: Collection[str]) -> str:
    """Names in order, cells under the name of their matrix."""
    found = list(dict.fromkeys(n.partition("[")[0] for n in spec.stages if n in names))
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more if found else "none"


def _written(names: Iterable[str]) -> str:
    return f"[{', '.join(names)}]"


def _place(spec: PipelineSpec, key: str) -> str:
    return spec.origins.get(f"run.{key}", f"run.{key}")
