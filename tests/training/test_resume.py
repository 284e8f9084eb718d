"""Training continues to the byte: with dropout, batch norm, augmentation, from anywhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support.training import HARD, INDEX, continuing, csv_dataset, interrupt, text_dataset, train

from aidn_pipeline.core.artifact import Dataset
from aidn_pipeline.core.events import Notice
from aidn_pipeline.errors import CorruptObject
from aidn_pipeline.testing.context import Bench
from aidn_pipeline.training import checkpoint
from aidn_pipeline.training.early_stop import Patience
from aidn_pipeline.training.inference import all_tensors
from aidn_pipeline.training.optimizer import Rates


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path, INDEX) as opened:
        yield opened


@pytest.fixture
def dataset(bench: Bench, tmp_path: Path) -> Dataset:
    return csv_dataset(bench, tmp_path)


SETTINGS = {
    "plain": HARD,
    "accumulate and clip": {**HARD, "accumulate": 3, "clip": 0.5, "batch_size": 10},
    "cosine": {**HARD, "lr_scheduler": {"use": "cosine", "warmup_steps": 3}},
    "plateau": {**HARD, "epochs": 4, "lr_scheduler": {"use": "plateau", "patience": 0}},
    "multistep": {**HARD, "lr_scheduler": {"use": "multistep", "milestones": [1]}},
    "sgd": {**HARD, "optimizer": {"use": "sgd", "lr": 0.1, "momentum": 0.9}},
    "rmsprop": {**HARD, "optimizer": {"use": "rmsprop", "centered": True}},
    "saved at every step": {**HARD, "checkpoint": {"use": "standard", "every_steps": 1}},
    "early stop": {
        **HARD,
        "epochs": 9,
        "early_stop": {"use": "patience", "patience": 1, "min_delta": 0.05},
    },
}


@pytest.mark.parametrize("name", SETTINGS)
def test_an_interrupted_training_ends_in_the_same_bytes(bench, dataset, name):
    straight = train(bench, dataset, "straight", SETTINGS[name])
    # About 7 steps an epoch and one more look after each stretch: 3 and 10 are inside an epoch.
    for looks in (0, 3, 10, 13):
        work = f"cut at {looks}"
        interrupt(bench, dataset, work, looks, SETTINGS[name])
        assert train(bench, dataset, work, SETTINGS[name]) == straight


def test_a_training_on_texts_ends_in_the_same_bytes_too(bench):
    texts = text_dataset(bench)
    settings = {
        "model": {"use": "transformer_encoder", "width": 16, "layers": 1, "dropout": 0.2},
        "epochs": 2,
    }
    straight = train(bench, texts, "straight", settings)
    for looks in (0, 3, 7):
        work = f"cut at {looks}"
        interrupt(bench, texts, work, looks, settings)
        assert train(bench, texts, work, settings) == straight


def test_a_training_interrupted_twice_in_one_epoch_ends_in_the_same_bytes(bench, dataset):
    straight = train(bench, dataset, "straight", HARD)
    interrupt(bench, dataset, "twice", 2, HARD)
    interrupt(bench, dataset, "twice", 2, HARD)
    assert train(bench, dataset, "twice", HARD) == straight


def test_five_epochs_and_five_more_equal_ten(bench, dataset):
    ten = train(bench, dataset, "ten", {**HARD, "epochs": 10})
    five = train(bench, dataset, "five", {**HARD, "epochs": 5})
    more = train(bench, dataset, "more", {**HARD, "epochs": 10}, predecessor=continuing(five, 5))
    assert more == ten
    assert sum(e.done == 1 for e in bench.events if hasattr(e, "done")) == 2


def test_a_state_beyond_the_wanted_epochs_is_not_used(bench, dataset):
    settings = {**HARD, "checkpoint": {"use": "standard", "every_epochs": 1}}
    interrupt(bench, dataset, "shared", 30, {**settings, "epochs": 9})
    assert train(bench, dataset, "shared", settings) == train(bench, dataset, "alone", settings)


def test_saving_changes_nothing(bench, dataset):
    never = {"use": "standard", "every_epochs": 0, "every_s": 0.0}
    often = {"use": "standard", "every_steps": 1}
    runs = [train(bench, dataset, str(c), {**HARD, "checkpoint": c}) for c in (never, often)]
    assert runs[0] == runs[1]


def test_a_damaged_checkpoint_is_passed_over_with_a_notice(bench, dataset):
    settings = {**HARD, "epochs": 4, "checkpoint": {"use": "standard", "every_epochs": 1}}
    straight = train(bench, dataset, "straight", settings)
    interrupt(bench, dataset, "cut", 20, settings)
    newest = max(
        bench.store.root.glob("work/*/checkpoints/*/state.safetensors"),
        key=lambda p: int(p.parent.name),
    )
    newest.chmod(0o600)
    data = bytearray(newest.read_bytes())
    data[-1] ^= 1
    newest.write_bytes(data)
    assert train(bench, dataset, "cut", settings) == straight
    assert any(isinstance(e, Notice) and "cannot be used" in e.text for e in bench.events)


def test_a_checkpoint_from_another_environment_is_not_used(bench, dataset, monkeypatch):
    interrupt(bench, dataset, "cut", 10, HARD)
    monkeypatch.setattr("aidn_pipeline.training.checkpoint.platform.machine", lambda: "abacus")
    train(bench, dataset, "cut", HARD)
    assert any(isinstance(e, Notice) and "abacus" in e.text for e in bench.events)


def test_training_leaves_the_process_as_it_was(bench, dataset):
    torch.manual_seed(3)
    threads, wanted = torch.get_num_threads(), torch.get_rng_state()
    train(bench, dataset, "plain", {**HARD, "threads": 1})
    assert torch.equal(torch.get_rng_state(), wanted)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def forget_buffers(patch: pytest.MonkeyPatch) -> None:
    def parameters_only(module, saved, where):
        with torch.no_grad():
            for name, tensor in module.named_parameters():
                tensor.copy_(saved[name])

    patch.setattr(checkpoint, "load_tensors", parameters_only)


def forget_weights(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoint, "load_tensors", lambda *_: None)


def forget_moments(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoint, "load_optimizer", lambda *_: None)


def forget_generators(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoint.randomness, "restore", lambda *_: None)


def forget_plateau(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rates, "load", lambda *_: None)


def forget_patience(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoint, "Patience", lambda *_: Patience())


def forget_best(patch: pytest.MonkeyPatch) -> None:
    kept = checkpoint.Best
    patch.setattr(checkpoint, "Best", lambda *given: kept())


STATEFUL: dict[str, Any] = {
    **HARD,
    "epochs": 3,
    "optimizer": {"use": "adamw", "lr": 0.3},
    "lr_scheduler": {"use": "plateau", "patience": 0},
    "early_stop": {"use": "patience", "patience": 9},
}


@pytest.mark.parametrize(
    "forget",
    [
        forget_buffers,
        forget_weights,
        forget_moments,
        forget_generators,
        forget_plateau,
        forget_patience,
        forget_best,
    ],
)
def test_every_state_is_needed(bench, dataset, forget, monkeypatch):
    straight = train(bench, dataset, "straight", STATEFUL)
    interrupt(bench, dataset, "cut", 18, STATEFUL)
    with monkeypatch.context() as patch:
        forget(patch)
        assert train(bench, dataset, "cut", STATEFUL) != straight


def test_a_changed_parameter_order_is_refused():
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    plain = {"type": "AdamW", "groups": [{"params": ["model/bias", "model/weight"]}], "values": {}}
    with pytest.raises(CorruptObject):
        checkpoint.load_optimizer(optimizer, [["model/weight", "model/bias"]], {}, plain)


def test_buffers_outside_the_state_dict_are_saved():
    module = torch.nn.Module()
    module.register_buffer("counter", torch.zeros(1), persistent=False)
    assert "counter" in all_tensors(module)
