"""`graph`: what needs what and what a run would do, in four forms that stay readable when large."""

import json
import re
from xml.etree import ElementTree as ET

import pytest
from support.toys import INDEX, pipeline, stage

from aidn_pipeline.cli.graphs import mermaid, svg, terminal
from aidn_pipeline.cli.graphs.shape import Graph, graph_of
from aidn_pipeline.core.pipeline import PipelineSpec, PortRef, StageSpec
from aidn_pipeline.engine.plan import make_plan
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.store.store import Store

SVG = "{http://www.w3.org/2000/svg}"


def diamond(by: int = 1) -> PipelineSpec:
    return pipeline(
        stage("start", "write"),
        stage("left", "count", {"file": "start.file"}, by=by),
        stage("right", "upper", {"file": "start.file"}),
        stage("gate", "gate", {"metrics": "left.metrics"}),
    )


def cells(number: int) -> PipelineSpec:
    """A start, cells of a stage after it, and one that gathers them."""
    names = [f"count[by={by}]" for by in range(number)]
    refs = tuple(PortRef(name, "file", cell=(("by", by),)) for by, name in enumerate(names))
    return pipeline(
        stage("start", "write"),
        *(
            stage(name, "count", {"file": "start.file"}, by=by, steps=1)
            for by, name in enumerate(names)
        ),
        StageSpec(name="all", stage={"use": "collect", "cells": []}, inputs={"files": refs}),
    )


@pytest.fixture
def drawn(tmp_path):
    """The graph of a pipeline of which another one was run before."""

    def draw(spec: PipelineSpec, before: PipelineSpec | None = None, **more: bool) -> Graph:
        with Store.open(tmp_path / "home", durability="process") as store:
            if before is not None:
                run_pipeline(before, store, INDEX, tmp_path)
            return graph_of(spec, make_plan(spec, store, INDEX, tmp_path), **more)

    return draw


def edges(graph: Graph) -> set[tuple[str, str]]:
    return {(edge["from"], edge["to"]) for edge in graph.to_json()["edges"]}


def test_nodes_have_the_states_of_the_plan(drawn):
    graph = drawn(diamond(by=2), diamond())
    assert {node.name: node.state for node in graph.nodes} == {
        "start": "reuse",
        "left": "run",
        "right": "reuse",
        "gate": "wait",
    }


def test_cells_of_a_stage_are_one_node_with_their_states(drawn):
    graph = drawn(cells(5), cells(3))
    (folded,) = (node for node in graph.nodes if len(node.stages) > 1)
    assert folded.name == "count[by=0..4]"
    assert folded.label == "2 run, 3 reuse"
    assert edges(graph) == {("start", "count[by=0..4]"), ("count[by=0..4]", "all")}


def test_cells_stand_by_themselves_if_asked_for(drawn):
    assert len(drawn(cells(5), cells=True).nodes) == 7


def test_the_terminal_shows_the_lanes_of_what_is_still_needed(drawn):
    lines = terminal.drawn(drawn(diamond(by=2), diamond()), unicode=True)
    assert lines == [
        "✓    start  reuse",
        "├─╮",
        "│ ●  left   run    ← start.file",
        "✓ │  right  reuse  ← start.file",
        "  ○  gate   wait   ← left.metrics",
    ]


def test_a_terminal_without_the_signs_gets_plain_ones(drawn):
    text = "\n".join(terminal.drawn(drawn(diamond(by=2), diamond()), unicode=False))
    assert text.isascii()
    assert "| *  left" in text


@pytest.mark.parametrize("number", [5, 40])
def test_every_stage_has_a_line_and_names_what_it_needs(number, drawn):
    graph = drawn(cells(number), cells=True)
    lines = terminal.drawn(graph, unicode=True)
    for at, node in enumerate(graph.nodes):
        (line,) = (li for li in lines if f" {node.name} " in f"{li} ")
        assert ("←" in line) == bool(graph.needs[at])


def test_lines_fit_in_a_terminal_although_much_is_gathered(drawn):
    lines = terminal.drawn(drawn(cells(40), cells=True), unicode=True)
    assert max(map(len, lines)) <= 80


def test_mermaid_has_every_node_edge_and_state(drawn):
    graph = drawn(diamond(by=2), diamond())
    text = mermaid.drawn(graph)
    assert text.startswith("flowchart LR\n")
    assert set(re.findall(r"n(\d+) --> n(\d+)", text)) == {("0", "1"), ("0", "2"), ("1", "3")}
    assert re.findall(r"class ([\w,]+) (\w+)", text) == [
        ("n1", "run"),
        ("n3", "wait"),
        ("n0,n2", "reuse"),
    ]
    assert mermaid.refused(text, graph) == ""


def test_no_name_is_markup_in_mermaid_or_svg(drawn):
    name = '<img src=x onerror="alert(1)">&\x1b]'
    graph = drawn(pipeline(stage(name, "write")))
    assert "#60;img src=x onerror=#34;alert#40;1#41;#34;#62;#38;" in mermaid.drawn(graph)
    tree = ET.fromstring(svg.drawn(graph))
    assert {element.tag.removeprefix(SVG) for element in tree.iter()} <= {
        *("svg", "title", "style", "defs", "marker", "path", "rect", "text", "g"),
    }
    assert any((element.text or "").startswith("<img src=x") for element in tree.iter())


def test_a_graph_that_github_would_not_draw_is_told(drawn):
    graph = drawn(cells(260), cells=True)
    assert "500 edges" in mermaid.refused(mermaid.drawn(graph), graph)
    folded = drawn(cells(260))
    assert mermaid.refused(mermaid.drawn(folded), folded) == ""


def boxes(text: str) -> list[list[float]]:
    tree = ET.fromstring(text)
    found = [group.find(f"{SVG}rect") for group in tree.iter(f"{SVG}g")]
    return [
        [float(rect.attrib[key]) for key in ("x", "y", "width", "height")]
        for rect in found
        if rect is not None
    ]


@pytest.mark.parametrize("number", [3, 60])
def test_no_box_of_the_svg_lies_over_another_or_outside(number, drawn):
    text = svg.drawn(drawn(cells(number), cells=True))
    tree = ET.fromstring(text)
    found = boxes(text)
    assert len(found) == number + 2
    for at, (x, y, width, height) in enumerate(found):
        assert 0 <= x < x + width <= float(tree.attrib["width"])
        assert 0 <= y < y + height <= float(tree.attrib["height"])
        for other_x, other_y, other_width, other_height in found[at + 1 :]:
            apart = x + width <= other_x or other_x + other_width <= x
            assert apart or y + height <= other_y or other_y + other_height <= y


def test_the_svg_has_an_arrow_for_each_edge(drawn):
    graph = drawn(diamond())
    arrows = ET.fromstring(svg.drawn(graph)).iter(f"{SVG}path")
    assert sum(path.get("class") == "e" for path in arrows) == graph.edges == 3


def test_it_is_drawn_as_it_is_typed(here, say):
    code, out, err = say("graph")
    assert code == 0
    assert err.startswith("of the newest run: recipe=digits_train trainer.epochs=3")
    assert "snapshot  reuse" in out
    assert out.rstrip().endswith("6 stages: 6 reuse")


def test_a_file_gets_the_form_that_its_name_says(here, say, tmp_path):
    for name, begins in {
        "g.svg": "<svg ",
        "g.md": "```mermaid\nflowchart LR",
        "g.mmd": "flowchart LR",
        "g.json": "{",
    }.items():
        code, out, _ = say("graph", "recipe=digits", "--output", str(tmp_path / name))
        assert (code, out) == (0, "")
        assert (tmp_path / name).read_text().startswith(begins)


def test_programs_read_nodes_and_edges_with_their_ports(here, say):
    found = json.loads(say("graph", "--format", "json")[1])
    assert found["nodes"][0] == {
        "name": "snapshot",
        "component": "snapshot",
        "action": "reuse",
        "actions": {"reuse": 1},
        "reason": "unchanged",
        "stages": ["snapshot"],
    }
    assert {"from": "snapshot", "to": "split", "ports": ["dataset"]} in found["edges"]


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("--format", "mermade"), "did you mean `mermaid`?"),
        (("digits",), "write `aidn-run graph recipe="),
        (("--output", "/nowhere/g.svg"), "name a file in a folder"),
    ],
)
def test_a_mistake_is_answered_with_what_to_write(words, remedy, here, say):
    code, _, err = say("graph", *words)
    assert code != 0
    assert remedy in err
