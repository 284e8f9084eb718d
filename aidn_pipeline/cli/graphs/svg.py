"""A graph as SVG: stages in columns, from left to right; no other tool is needed to draw it.

Edges that pass a column get a place of their own in it, so that none runs through a box. Every text
is escaped, and nothing in the file is a script or is loaded from elsewhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from aidn_pipeline.cli.graphs.shape import Graph, Node

LINE, PADDING, GAP_X, GAP_Y, MARGIN = 17, 9, 64, 18, 24
BOX_HEIGHT = 2 * LINE + 2 * PADDING
PASSING = 12
"""Height of the place of an edge that passes a column."""
CHARACTER = 7.9
"""Width of a character of a name, in the fonts that may be there."""
LEAST, MOST = 96, 300
"""Width of a box."""
SWEEPS = 6
"""How often columns are ordered by their neighbors, there and back."""
COLORS = {
    "run": ("#fff3d6", "#b26a00", ""),
    "resume": ("#fde4f2", "#a8326f", ""),
    "wait": ("#eeeeee", "#777777", "4 3"),
    "reuse": ("#e2f3e5", "#2e7d3a", ""),
    "skip": ("#ffffff", "#aaaaaa", "2 3"),
}
STYLE = (
    "text{font:13px -apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#1c1c1c}"
    ".n{font-weight:600}.s{font-size:11px;fill:#555}.e{fill:none;stroke:#8a8f98;stroke-width:1.4}"
)

ARROW = (
    '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto"><path d="M0 0 8 4 0 8z" fill="#8a8f98"/></marker></defs>'
)


@dataclass(slots=True)
class _Slot:
    """A place in a column: of a node, or of an edge that passes it.

    Attributes:
        node: position of the node; -1 for an edge.
        before: slots of the column before that lead here.
        after: slots of the next column that this leads to.
    """

    node: int
    before: list["_Slot"] = field(default_factory=list)
    after: list["_Slot"] = field(default_factory=list)
    row: int = 0
    y: float = 0.0

    @property
    def height(self) -> int:
        return BOX_HEIGHT if self.node >= 0 else PASSING


def drawn(graph: Graph) -> str:
    """The text of an SVG file."""
    columns, slots = _columns(graph)
    _order(columns)
    _place(columns)
    widths = [
        max((_width(graph.nodes[s.node]) for s in c if s.node >= 0), default=0) for c in columns
    ]
    lefts = [MARGIN + sum(widths[:i]) + GAP_X * i for i in range(len(columns))]
    bottom = max((s.y + s.height for c in columns for s in c), default=0)
    width = int(MARGIN * 2 + sum(widths) + GAP_X * max(0, len(columns) - 1))
    legend = bottom + MARGIN
    height = int(legend + LINE + MARGIN)
    width = max(width, 420)
    size = f'width="{width}" height="{height}"'
    view = f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(graph.name)}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view}>',
        f"<title>{_text(graph.name)}</title>",
        f"<style>{STYLE}</style>",
        ARROW,
        f'<rect {size} fill="#ffffff"/>',
        *_edges(graph, slots, columns, lefts, widths),
        *_boxes(graph, columns, lefts),
        *_legend(graph, legend),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _columns(graph: Graph) -> tuple[list[list[_Slot]], dict[int, _Slot]]:
    layers = graph.layers()
    level = {n: i for i, layer in enumerate(layers) for n in layer}
    slots = {n: _Slot(n) for n in level}
    columns = [[slots[n] for n in layer] for layer in layers]
    for at, needed in enumerate(graph.needs):
        for n in needed:
            last = slots[n]
            for between in range(level[n] + 1, level[at]):
                passing = _Slot(-1)
                columns[between].append(passing)
                _join(last, passing)
                last = passing
            _join(last, slots[at])
    return columns, slots


def _join(one: _Slot, other: _Slot) -> None:
    one.after.append(other)
    other.before.append(one)


def _order(columns: list[list[_Slot]]) -> None:
    """Orders each column by where its neighbors stand, which leaves few crossings."""
    for column in columns:
        for row, slot in enumerate(column):
            slot.row = row
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        for column in columns if forward else reversed(columns):
            column.sort(key=lambda slot: _mean(slot.before if forward else slot.after, slot.row))
            for row, slot in enumerate(column):
                slot.row = row


def _mean(neighbors: Sequence[_Slot], default: int) -> float:
    return sum(n.row for n in neighbors) / len(neighbors) if neighbors else float(default)


def _place(columns: list[list[_Slot]]) -> None:
    """Heights: each slot near the middle of its neighbors, none over another."""
    for column in columns:
        y = 0.0
        for slot in column:
            slot.y = y
            y += slot.height + GAP_Y
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        for column in columns if forward else reversed(columns):
            wanted = [_middle(slot, slot.before if forward else slot.after) for slot in column]
            _settle(column, wanted)
    top = min((slot.y for column in columns for slot in column), default=0.0)
    for column in columns:
        for slot in column:
            slot.y += MARGIN - top


def _middle(slot: _Slot, neighbors: Sequence[_Slot]) -> float:
    if not neighbors:
        return slot.y
    return sum(n.y + n.height / 2 for n in neighbors) / len(neighbors) - slot.height / 2


def _settle(column: Sequence[_Slot], wanted: Sequence[float]) -> None:
    """The wanted places, pushed apart in blocks around their mean."""
    blocks: list[tuple[float, list[_Slot], float]] = []
    for slot, y in zip(column, wanted, strict=True):
        block = (y, [slot], float(slot.height + GAP_Y))
        while blocks and blocks[-1][0] + blocks[-1][2] > block[0]:
            top, slots, height = blocks.pop()
            count, more = len(slots), len(block[1])
            start = (top * count + (block[0] - height) * more) / (count + more)
            block = (start, [*slots, *block[1]], height + block[2])
        blocks.append(block)
    for top, slots, _ in blocks:
        y = top
        for slot in slots:
            slot.y = y
            y += slot.height + GAP_Y


def _width(node: Node) -> float:
    longest = max(len(node.name) * CHARACTER, len(node.label) * CHARACTER * 0.82)
    return min(MOST, max(LEAST, longest + 2 * PADDING + 4))


def _edges(
    graph: Graph,
    slots: Mapping[int, _Slot],
    columns: Sequence[Sequence[_Slot]],
    lefts: Sequence[float],
    widths: Sequence[float],
) -> Iterator[str]:
    level = {id(slot): i for i, column in enumerate(columns) for slot in column}
    for n, start in slots.items():
        for first in start.after:
            slot, i = first, level[id(start)]
            x, y = lefts[i] + _width(graph.nodes[n]), start.y + start.height / 2
            path = f"M{x:.0f} {y:.0f}"
            while True:
                i += 1
                left, middle = lefts[i], slot.y + slot.height / 2
                half = (left - x) / 2
                path += (
                    f"C{x + half:.0f} {y:.0f} {left - half:.0f} {middle:.0f} "
                    f"{left:.0f} {middle:.0f}"
                )
                x, y = left, middle
                if slot.node >= 0:
                    break
                x += widths[i]
                path += f"H{x:.0f}"
                slot = slot.after[0]
            yield f'<path class="e" d="{path}" marker-end="url(#a)"/>'


def _boxes(
    graph: Graph,
    columns: Sequence[Sequence[_Slot]],
    lefts: Sequence[float],
) -> Iterator[str]:
    for column, left in zip(columns, lefts, strict=True):
        for slot in column:
            if slot.node < 0:
                continue
            node = graph.nodes[slot.node]
            fill, stroke, dashes = COLORS[node.state]
            width = _width(node)
            dash = f' stroke-dasharray="{dashes}"' if dashes else ""
            yield f"<g><title>{_text(f'{node.name}: {node.label}. {node.reason}')}</title>"
            yield (
                f'<rect x="{left:.0f}" y="{slot.y:.0f}" width="{width:.0f}" '
                f'height="{BOX_HEIGHT}" rx="6" fill="{fill}" stroke="{stroke}"{dash}/>'
            )
            x, room = left + PADDING, width - 2 * PADDING
            name = _cut(node.name, int(room / CHARACTER))
            label = _cut(node.label, int(room / (CHARACTER * 0.82)))
            top = slot.y + PADDING
            yield f'<text class="n" x="{x:.0f}" y="{top + 12:.0f}">{_text(name)}</text>'
            yield (
                f'<text class="s" x="{x:.0f}" y="{slot.y + PADDING + LINE + 11:.0f}">'
                f"{_text(label)}</text></g>"
            )


def _legend(graph: Graph, y: float) -> Iterator[str]:
    x = MARGIN
    for state, (fill, stroke, _) in COLORS.items():
        if any(state in node.states for node in graph.nodes):
            yield (
                f'<rect x="{x}" y="{y:.0f}" width="12" height="12" rx="3" fill="{fill}" '
                f'stroke="{stroke}"/>'
            )
            yield f'<text class="s" x="{x + 18}" y="{y + 10:.0f}">{state}</text>'
            x += 76


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: max(1, most - 1)]}…"


def _text(text: str) -> str:
    """Escaped, and without characters that XML does not allow."""
    allowed = "".join(c for c in text if c in "\t\n" or (c >= " " and c not in "\ufffe\uffff"))
    return escape(allowed, quote=False).encode("utf-8", "replace").decode("utf-8")
