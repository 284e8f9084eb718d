"""Ports and references: do the stages fit together, and in which order do they come?"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from heapq import heappop, heappush

from aidn_pipeline.core.index import ComponentSpec, Index, PortSpec
from aidn_pipeline.core.pipeline import PortRef, StageSpec
from aidn_pipeline.errors import WiringError


def order(stages: Mapping[str, StageSpec]) -> list[str]:
    """Stage names so that every stage comes after what it needs; ties keep the written order.

    Raises:
        WiringError: if there is a cycle; names its stages.
    """
    waiting = {name: set(needs(stage)) & stages.keys() for name, stage in stages.items()}
    names = list(stages)
    followers: dict[str, list[int]] = {name: [] for name in names}
    for at, name in enumerate(names):
        for needed in waiting[name]:
            followers[needed].append(at)
    ready = [at for at, name in enumerate(names) if not waiting[name]]
    done: list[str] = []
    while waiting:
        if not ready:
            first, second, *_ = cycle = _cycle(waiting)
            ports = stages[first].inputs.items()
            port = next(p for p, refs in ports if any(ref.stage == second for ref in refs))
            raise WiringError(
                f"the stages need each other in a circle: {' -> '.join(cycle)}",
                where=f"stages.{first}.inputs.{port}",
                remedy="wire one of them to an earlier stage",
            )
        first = names[heappop(ready)]
        done.append(first)
        del waiting[first]
        for at in followers[first]:
            waiting[names[at]].discard(first)
            if not waiting[names[at]]:
                heappush(ready, at)
    return done


def _cycle(waiting: Mapping[str, set[str]]) -> list[str]:
    path = [next(iter(waiting))]
    while True:
        following = min(waiting[path[-1]] & waiting.keys())
        if following in path:
            return [*path[path.index(following) :], following]
        path.append(following)


def needs(stage: StageSpec) -> list[str]:
    """Names of the stages this one refers to, missing ones included."""
    return [ref.stage for refs in stage.inputs.values() for ref in refs]


def problems(stages: Mapping[str, StageSpec], index: Index) -> Iterator[WiringError]:
    """Everything wrong with the ports; cycles are left to `order`."""
    for name, stage in stages.items():
        spec = index.find("stage", stage.stage["use"], where=f"stages.{name}.use")
        yield from _unknown_ports(name, stage, spec)
        for port in spec.inputs:
            refs = stage.inputs.get(port.name, ())
            if not refs and not port.optional:
                yield WiringError(
                    f"stage {name!r} needs a {port.kind} on its port {port.name!r}",
                    where=f"stages.{name}.inputs.{port.name}",
                    remedy="add `inputs: {"
                    f"{port.name}: {_offers(port.kind, name, stages, index)[0]}}}`",
                )
            if len(refs) > 1 and not port.many:
                yield WiringError(
                    f"port {port.name!r} of stage {name!r} takes one reference, not {len(refs)}",
                    where=f"stages.{name}.inputs.{port.name}",
                    remedy=f"wire it to one, such as `{refs[0]}`",
                )
            for ref in refs:
                yield from _wrong_reference(name, port, ref, stages, index)


def _offers(kind: str, name: str, stages: Mapping[str, StageSpec], index: Index) -> list[str]:
    """References to outputs of a kind, of the stages beside one; how one is written if none is."""
    found = [
        f"{other}.{port.name}"
        for other, stage in stages.items()
        for port in index.find("stage", stage.stage["use"]).outputs
        if port.kind == kind and other != name
    ]
    return found[:3] or [f"STAGE.{kind}"]


def _unknown_ports(name: str, stage: StageSpec, spec: ComponentSpec) -> Iterator[WiringError]:
    known = [port.name for port in spec.inputs]
    for port in stage.inputs:
        if port not in known:
            near = get_close_matches(port, known, 1)
            yield WiringError(
                f"stage {name!r} ({spec.name}) has no input port {port!r}",
                where=f"stages.{name}.inputs.{port}",
                remedy=f"did you mean `{near[0]}`?" if near else f"its ports: {', '.join(known)}",
            )


def _wrong_reference(
    name: str, port: PortSpec, ref: PortRef, stages: Mapping[str, StageSpec], index: Index
) -> Iterator[WiringError]:
    where = f"stages.{name}.inputs.{port.name}"
    source = stages.get(ref.stage)
    if source is None:
        if ref.optional and port.optional:
            return
        near = get_close_matches(ref.stage, list(stages), 1)
        yield WiringError(
            f"stage {name!r} refers to {ref}, but there is no stage {ref.stage!r}",
            where=where,
            remedy=f"did you mean `{near[0]}.{ref.port}`?"
            if near
            else f"stages: {', '.join(stages)}",
        )
        return
    spec = index.find("stage", source.stage["use"], where=f"stages.{ref.stage}.use")
    output = spec.output(ref.port)
    if output is None:
        offered = ", ".join(f"{ref.stage}.{p.name}" for p in spec.outputs)
        yield WiringError(
            f"stage {ref.stage!r} ({spec.name}) has no output port {ref.port!r}",
            where=where,
            remedy=f"it offers: {offered}",
        )
    elif output.kind != port.kind:
        fitting = [f"{ref.stage}.{p.name}" for p in spec.outputs if p.kind == port.kind]
        fitting = fitting or _offers(port.kind, name, stages, index)
        remedy = f"wire it to a {port.kind}: {' or '.join(f'`{one}`' for one in fitting[:3])}"
        yield WiringError(
            f"stage {name!r} wants a {port.kind} on {port.name!r}, but {ref} is a {output.kind}",
            where=where,
            remedy=remedy,
        )
