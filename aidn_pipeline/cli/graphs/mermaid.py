"""A graph as Mermaid, which GitHub draws in Markdown."""

from collections.abc import Iterator

from aidn_pipeline.cli.graphs.shape import Graph

MOST_EDGES = 500
"""GitHub draws no more."""
MOST_TEXT = 50_000
"""Characters that GitHub takes."""
STYLES = {
    "run": "fill:#fff3d6,stroke:#b26a00,color:#3d2500",
    "resume": "fill:#fde4f2,stroke:#a8326f,color:#4a0f2e",
    "wait": "fill:#eeeeee,stroke:#777777,color:#333333,stroke-dasharray:4 3",
    "reuse": "fill:#e2f3e5,stroke:#2e7d3a,color:#113a18",
    "skip": "fill:#ffffff,stroke:#aaaaaa,color:#888888,stroke-dasharray:2 3",
}


def drawn(graph: Graph) -> str:
    """The text of a diagram."""
    return "\n".join(_lines(graph)) + "\n"


def refused(text: str, graph: Graph) -> str:
    """Why GitHub would not draw it; empty if it does."""
    if graph.edges > MOST_EDGES:
        return f"GitHub draws no more than {MOST_EDGES} edges, and this has {graph.edges}"
    if len(text) > MOST_TEXT:
        return f"GitHub takes no more than {MOST_TEXT:,} characters, and this has {len(text):,}"
    return ""


def _lines(graph: Graph) -> Iterator[str]:
    yield "flowchart LR"
    for at, node in enumerate(graph.nodes):
        yield f'  n{at}["{_escaped(node.name)}<br/><small>{_escaped(node.label)}</small>"]'
    for at, needed in enumerate(graph.needs):
        for n in needed:
            yield f"  n{n} --> n{at}"
    for state, style in STYLES.items():
        some = [f"n{at}" for at, node in enumerate(graph.nodes) if node.state == state]
        if some:
            yield f"  classDef {state} {style}"
            yield f"  class {','.join(some)} {state}"


def _escaped(text: str) -> str:
    """A text inside of quotes: no character of it is markup."""
    plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _.,-=/"
    return "".join(c if c in plain else f"#{ord(c)};" for c in text)
