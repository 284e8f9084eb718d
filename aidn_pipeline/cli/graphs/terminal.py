"""A graph for the terminal: one line for each stage, lines from what it needs down to it.

A lane belongs to a stage that something below still needs.
"""

from collections.abc import Iterator, Sequence

from aidn_pipeline.cli.graphs.shape import RANK, Graph, Node
from aidn_pipeline.cli.text import printable

SIGNS = {"run": "●", "resume": "◐", "wait": "○", "reuse": "✓", "skip": "-"}
PLAIN = {"run": "*", "resume": "%", "wait": "o", "reuse": "=", "skip": "-"}
ASCII = str.maketrans("│─├┤┬┴┼╭╮╰╯", "|-++++++++'")
WIDTH = 79
MOST_LANES = 16
"""Lanes that are drawn; where more would be needed a list says it better."""
MORE = " and 9999 more"


def drawn(graph: Graph, *, unicode: bool) -> list[str]:
    """Lines of a graph.

    Args:
        graph: what is drawn.
        unicode: whether the terminal has the signs.
    """
    lanes = _lanes(graph)
    margins = list(_margins(graph, lanes)) if lanes is not None else [[""]] * len(graph.nodes)
    left = max((len(line) for lines in margins for line in lines), default=0)
    name = max((len(printable(node.name)) for node in graph.nodes), default=0)
    state = max((len(node.label) for node in graph.nodes), default=0)
    found = []
    for at, node in enumerate(graph.nodes):
        *above, line = margins[at]
        signs = SIGNS if unicode else PLAIN
        line = line.replace("@", signs[node.state]) if lanes is not None else signs[node.state]
        found += [text.rstrip() for text in above]
        text = f"{line:<{left}}  {printable(node.name):<{name}}  {node.label:<{state}}  "
        found.append(f"{text}{_needs(graph, at, room=WIDTH - len(text))}".rstrip())
    return found if unicode else [line.translate(ASCII).replace("←", "<-") for line in found]


def counts(graph: Graph) -> str:
    """The last line: how many stages, and what a run would do with them."""
    states: dict[str, int] = {}
    for node in graph.nodes:
        for state, number in node.states.items():
            states[state] = states.get(state, 0) + number
    total = sum(states.values())
    told = ", ".join(f"{states[state]} {state}" for state in RANK if state in states)
    return f"{total} stage{'' if total == 1 else 's'}: {told}" if total else "no stages"


def _needs(graph: Graph, at: int, *, room: int) -> str:
    """What a node needs, as far as there is room for it; never less than the first."""
    told = [f"{_base(graph.nodes[n])}.{'+'.join(ports)}" for n, ports in graph.needs[at].items()]
    count = len(told)
    room -= len("← ")
    if len(", ".join(told)) > room:
        room -= len(MORE)
    while count > 1 and len(", ".join(told[:count])) > room:
        count -= 1
    more = f" and {len(told) - count} more" if count < len(told) else ""
    return printable(f"← {', '.join(told[:count])}{more}") if told else ""


def _base(node: Node) -> str:
    return node.name.partition("[")[0] if len(node.stages) > 1 else node.name


def _lanes(graph: Graph) -> list[int] | None:
    """The lane of each node; None if there would be too many."""
    last = {n: at for at, needed in enumerate(graph.needs) for n in needed}
    taken: dict[int, int] = {}
    lanes = []
    for at, needed in enumerate(graph.needs):
        free = [taken[n] for n in needed if last[n] == at]
        for n in needed:
            if last[n] == at:
                del taken[n]
        used = set(taken.values())
        lane = min(free) if free else next(i for i in range(len(used) + 1) if i not in used)
        if lane >= MOST_LANES:
            return None
        lanes.append(lane)
        if at in last:
            taken[at] = lane
    return lanes


def _margins(graph: Graph, lanes: Sequence[int]) -> Iterator[list[str]]:
    """For each node the lines left of its name: perhaps one that leads to it, and its own."""
    last = {n: at for at, needed in enumerate(graph.needs) for n in needed}
    open_: dict[int, int] = {}
    for at, needed in enumerate(graph.needs):
        mine = lanes[at]
        joined = {open_[n]: last[n] == at for n in needed}
        others = {lane: ends for lane, ends in joined.items() if lane != mine}
        lines = []
        if others:
            lines.append(_joint(set(open_.values()), others, mine, mine in joined))
        for n in needed:
            if last[n] == at:
                del open_[n]
        running = set(open_.values())
        width = max([mine, *running]) + 1
        lines.append(
            " ".join("@" if i == mine else "│" if i in running else " " for i in range(width))
        )
        if at in last:
            open_[at] = mine
        yield lines


def _joint(running: set[int], others: dict[int, bool], mine: int, from_above: bool) -> str:
    """The line that leads from other lanes into a node's own."""
    first, end = min([mine, *others]), max([mine, *others])
    line = ""
    for i in range(max([end, *running]) + 1):
        between = first < i < end
        if i == mine:
            # Down from here; left and right as the others lie.
            left, right = i > first, i < end
            sign = {(True, True): "┬", (True, False): "╮", (False, True): "╭"}[left, right]
            if from_above:
                sign = {(True, True): "┼", (True, False): "┤", (False, True): "├"}[left, right]
        elif i in others:
            ends = others[i]
            if between:
                sign = "┴" if ends else "┼"
            elif i == first:
                sign = "╰" if ends else "├"
            else:
                sign = "╯" if ends else "┤"
        elif between:
            sign = "│" if i in running else "─"
        else:
            sign = "│" if i in running else " "
        line += sign
        line += "─" if first <= i < end else " "
    return line.rstrip()
