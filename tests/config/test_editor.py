"""What an author sees in an editor: a real YAML language server over our schemas."""

from collections.abc import Iterator

import pytest
from support.language_server import HOW, Editor, editor, program

from aidn_pipeline.config.builtin import data_folder

pytestmark = pytest.mark.skipif(program() is None, reason=HOW)
ROOT = data_folder("schemas").resolve().parent
RECIPE = ROOT / "recipes" / "mine.yaml"
PRESET = ROOT / "conf" / "optimizer" / "mine.yaml"
HEAD = "# yaml-language-server: $schema=../schemas/recipe.schema.json\n"
PRESET_HEAD = "# yaml-language-server: $schema=../../schemas/conf/optimizer.schema.json\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Editor]:
    with editor(ROOT) as found:
        yield found


def test_shipped_yaml_has_nothing_underlined(server: Editor) -> None:
    files = [*ROOT.glob("recipes/**/*.yaml"), *ROOT.glob("conf/*/*.yaml")]
    assert files
    assert {f.name: server.underlined(f, f.read_text()) for f in files} == {
        f.name: {} for f in files
    }


@pytest.mark.parametrize(
    ("text", "offered", "said"),
    [
        ("|", "stages", "steps of the pipeline"),
        ("|", "trainer", "How a model is trained"),
        ("defaults:\n  - /|", "/model", "The network."),
        ("defaults:\n  - /|", "override /model", "The network."),
        ("defaults:\n  - /model: |", "transformer_encoder", ""),
        ("defaults:\n  - /pipeline: |", "kfold_tabular", ""),
        ("trainer:\n  |", "batch_size", "Default: `32`"),
        ("trainer:\n  model:\n    use: |", "cnn", "onvolution"),
        ("trainer:\n  model:\n    use: cnn\n    |", "dropout", ""),
        ("model:\n  activation: |", "gelu", ""),
        ("stages:\n  tune:\n    use: |", "sweep", "Searches the trainer's fields"),
        ("stages:\n  tune:\n    |", "num_trials", "trials in all"),
        ("stages:\n  tune:\n    |", "matrix", "repeats the stage"),
        ("stages:\n  tune:\n    inputs:\n      |", "dataset", "dataset"),
        ("stages:\n  tune:\n    retries:\n      |", "backoff_s", "seconds"),
        ("stages:\n  tune:\n    on_failure: |", "continue", "goes on"),
        ("run:\n  executor: |", "processes", ""),
    ],
)
def test_keys_and_values_of_a_recipe_are_offered_with_their_docs(
    server: Editor, text: str, offered: str, said: str
) -> None:
    found = server.completions(RECIPE, HEAD + text)
    assert offered in found
    assert said in found[offered]


def test_only_the_fields_of_the_named_component_are_offered(server: Editor) -> None:
    found = server.completions(RECIPE, HEAD + "stages:\n  tune:\n    use: sweep\n    |")
    assert {"space", "lanes", "inputs"} <= set(found)
    assert not {"folds", "gate", "trainer"} & set(found)


@pytest.mark.parametrize(
    ("text", "offered", "said"),
    [
        ("use: |", "adamw", ""),
        ("use: sgd\n|", "momentum", "Default: `0`"),
        ("use: adamw\n|", "weight_decay", "a number"),
        ("|", "defaults", "what it is composed of"),
    ],
)
def test_keys_and_values_of_a_preset_are_offered_with_their_docs(
    server: Editor, text: str, offered: str, said: str
) -> None:
    found = server.completions(PRESET, PRESET_HEAD + text)
    assert offered in found
    assert said in found[offered]
    assert "stages" not in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trai|ner:\n  epochs: 3\n", "Trains one model on the training split"),
        ("trainer:\n  epo|chs: 3\n", "passes over the training split"),
        ("trainer:\n  epo|chs: 3\n", "20"),
        ("stages:\n  tune:\n    use: sw|eep\n", "Searches the trainer's fields"),
        ("stages:\n  tune:\n    use: sweep\n    la|nes: 2\n", "trials in flight"),
        ("stages:\n  a:\n    mat|rix: {}\n", "repeats the stage"),
        ("se|ed: 3\n", "drawn at random"),
    ],
)
def test_the_docs_are_shown_where_the_pointer_rests(server: Editor, text: str, said: str) -> None:
    assert said in server.hover(RECIPE, HEAD + text)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("trainer:\n  epoch: 3\n", 2, "epoch is not allowed"),
        ("stages:\n  tune:\n    num_trails: 3\n", 3, "num_trails is not allowed"),
        ("model:\n  use: mlp\n  channels: 3\n", 3, "channels is not allowed"),
        ("model:\n  use: mlpp\n", 2, '"mlp"'),
        ("model: mlp\n", 1, "takes `{use: NAME}`, or a reference `${...}`"),
        ("trainer:\n  epochs: many\n", 2, "takes a whole number, or a reference `${...}`"),
        ("trainer:\n  epochs: 0\n", 2, "minimum"),
        ("trainer:\n  epochs: 2.5\n", 2, "integer"),
        ("run:\n  executor: threads\n", 2, '"processes"'),
        ("defaults:\n  - /model: mlpp\n", 2, '"mlp"'),
        ("defaults:\n  - /modle: mlp\n", 2, "/modle is not allowed"),
        ("stages:\n  a: {use: train, inputs: {dataset: split}}\n", 2, "write `STAGE.PORT`"),
        ("stages:\n  a: {use: train, inputs: {datset: split.dataset}}\n", 2, "datset"),
    ],
)
def test_a_mistake_in_a_recipe_is_underlined(
    server: Editor, text: str, line: int, said: str
) -> None:
    found = server.underlined(RECIPE, HEAD + text)
    assert list(found) == [line]
    assert said in found[line]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("use: adamw\nmomentum: 0.9\n", 2, "momentum is not allowed"),
        ("use: adamw\nlr: fast\n", 2, "takes a number, or a reference `${...}`"),
        ("use: adamww\n", 1, '"adamw"'),
    ],
)
def test_a_mistake_in_a_preset_is_underlined(
    server: Editor, text: str, line: int, said: str
) -> None:
    found = server.underlined(PRESET, PRESET_HEAD + text)
    assert list(found) == [line]
    assert said in found[line]


@pytest.mark.parametrize(
    "text",
    [
        "model: ${other}\nother: {use: mlp}\n",
        "trainer:\n  epochs: ${oc.env:EPOCHS,3}\n  model: null\n",
        "trainer:\n  epochs: ???\n",
        "defaults:\n  - /trainer@final: default\n  - override /model: cnn\n  - /base\n  - _self_\n",
        "stages:\n  tune: null\n  split: {matrix: {fold: {range: '${folds}'}}}\nfolds: 3\n",
        "seed: 1.0e+0\n",
    ],
)
def test_what_a_file_may_hold_before_it_is_composed_is_not_underlined(
    server: Editor, text: str
) -> None:
    assert server.underlined(RECIPE, HEAD + text) == {}
