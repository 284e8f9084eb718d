"""A pipeline as nodes and edges: stages with what a run would do, cells of one stage folded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aidn_pipeline.cli.cells import base_of, called, shortened
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.core.wiring import order
from aidn_pipeline.engine.plan import Plan

RANK = ("run", "resume", "wait", "reuse", "skip")
"""Of a node with cells in several states the first of these is its color."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A stage, or all cells of one.

    Attributes:
        name: of the stage, or one that stands for all of its cells.
        component: of the stage.
        states: how many cells would do what.
        reason: why, of the first that does most.
        stages: names of the cells.
        progress: how far an interrupted one got.
    """

    name: str
    component: str
    states: Mapping[str, int]
    reason: str
    stages: tuple[str, ...]
    progress: str = ""

    @property
    def state(self) -> str:
        """What most has to be done of what its cells do."""
        return next((state for state in RANK if state in self.states), "run")

    @property
    def label(self) -> str:
        """What its cells do: `run`, or `2 run, 10 reuse`."""
        if len(self.states) == 1:
            return f"{self.state} {self.progress}".strip() if len(self.stages) == 1 else self.state
        return ", ".join(f"{n} {state}" for state, n in self.states.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Nodes in an order in which a run could look at them, and what each of them needs.

    Attributes:
        name: of the recipe.
        nodes: by position.
        needs: positions of the nodes that a node needs with the ports it takes of them.
    """

    name: str
    nodes: tuple[Node, ...]
    needs: tuple[Mapping[int, tuple[str, ...]], ...]

    @property
    def edges(self) -> int:
        """How many there are."""
        return sum(map(len, self.needs))

    def layers(self) -> list[list[int]]:
        """Nodes by the length of the longest way to them; neighbors near each other."""
        depth: list[int] = []
        for needed in self.needs:
            depth.append(1 + max((depth[n] for n in needed), default=-1))
        found: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
        for at, level in enumerate(depth):
            found[level].append(at)
        return found

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "format": 1,
            "recipe": self.name,
            "nodes": [
                {
                    "name": node.name,
                    "component": node.component,
                    "action": node.state,
                    "actions": dict(node.states),
                    "reason": node.reason,
                    "stages": list(node.stages),
                }
                for node in self.nodes
            ],
            "edges": [
                {"from": self.nodes[n].name, "to": node.name, "ports": list(ports)}
                for node, needed in zip(self.nodes, self.needs, strict=True)
                for n, ports in needed.items()
            ],
        }


def graph_of(spec: PipelineSpec, plan: Plan, *, cells: bool = False) -> Graph:
    """The graph of a planned pipeline.

    Args:
        spec: the pipeline.
        plan: what a run would do.
        cells: every cell is a node by itself.
    """
    groups: dict[str, list[str]] = {}
    for name in order(spec.stages):
        groups.setdefault(name if cells else base_of(name), []).append(name)
    place = {name: key for key, names in groups.items() for name in names}
    ordered = _ordered(spec, groups, place)
    if ordered is None:
        # Cells of two stages that need each other in turns cannot be folded.
        return graph_of(spec, plan, cells=True)
    at = {key: number for number, key in enumerate(ordered)}
    rows = {row.name: row for row in plan.rows}
    nodes, needs = [], list[Mapping[int, tuple[str, ...]]]()
    for key in ordered:
        mine = [rows[name] for name in groups[key]]
        states: dict[str, int] = {}
        for row in mine:
            states[row.action] = states.get(row.action, 0) + 1
        states = {state: states[state] for state in RANK if state in states}
        first = next(row for row in mine if row.action == next(iter(states)))
        nodes.append(
            Node(
                name=called(groups[key]),
                component=first.component,
                states=states,
                reason=shortened(first.reason),
                stages=tuple(groups[key]),
                progress=first.progress,
            )
        )
        needs.append(_needs(spec, groups[key], place, at))
    return Graph(name=spec.recipe or spec.name, nodes=tuple(nodes), needs=tuple(needs))


def _needs(
    spec: PipelineSpec, names: Sequence[str], place: Mapping[str, str], at: Mapping[str, int]
) -> Mapping[int, tuple[str, ...]]:
    found: dict[int, dict[str, None]] = {}
    for name in names:
        for refs in spec.stages[name].inputs.values():
            for ref in refs:
                if ref.stage in place:
                    found.setdefault(at[place[ref.stage]], {})[ref.port] = None
    return {number: tuple(ports) for number, ports in sorted(found.items())}


def _ordered(
    spec: PipelineSpec, groups: Mapping[str, Sequence[str]], place: Mapping[str, str]
) -> list[str] | None:
    """Keys of the groups so that each comes after what it needs; None if they need each other."""
    needs = {
        key: {
            place[ref.stage]
            for name in names
            for refs in spec.stages[name].inputs.values()
            for ref in refs
            if ref.stage in place
        }
        for key, names in groups.items()
    }
    done: dict[str, None] = {}
    waiting = list(groups)
    while waiting:
        ready = [key for key in waiting if needs[key] <= done.keys()]
        if not ready:
            return None
        done.update(dict.fromkeys(ready))
        waiting = [key for key in waiting if key not in done]
    return list(done)
