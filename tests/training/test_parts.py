"""The parts of training by themselves."""

import math
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from sklearn import metrics as sk
from support.training import INDEX, csv_dataset, train

from aidn_pipeline.core.component import Factory
from aidn_pipeline.core.events import Progress
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import CorruptObject, DataError, StageFailed, WrongType
from aidn_pipeline.testing.context import Bench
from aidn_pipeline.training.augmentations import noise, shift
from aidn_pipeline.training.early_stop import better
from aidn_pipeline.training.judging import probabilities
from aidn_pipeline.training.keyed import Keys
from aidn_pipeline.training.metrics import accuracy, f1, mae, r2, rmse, top_k
from aidn_pipeline.training.models.cnn import CNN
from aidn_pipeline.training.models.mlp import MLP
from aidn_pipeline.training.optimizer import build_optimizer
from aidn_pipeline.training.order import Order
from aidn_pipeline.training.policy import CheckpointPolicy
from aidn_pipeline.training.schedules import Constant, Cosine, Linear
from aidn_pipeline.training.tensorfile import read_tensors, tensor_blocks
from aidn_pipeline.training.trainer import Trainer, resolve_device

IMAGES = Signature(
    task="multiclass",
    features=tuple(map(str, range(64))),
    shape=(1, 8, 8),
    label="y",
    classes=tuple("0123456789"),
)
MODEL = Factory("model", "mlp", MLP, {})
SGD = Factory("optimizer", "sgd", torch.optim.SGD, {})


@given(st.integers(0, 2**62), st.integers(0, 50), st.integers(1, 200))
def test_an_order_is_a_permutation_and_a_function_of_its_arguments(seed, epoch, n):
    first = Order(seed, n).permutation(epoch)
    assert sorted(first.tolist()) == list(range(n))
    torch.rand(3)
    assert torch.equal(Order(seed, n).permutation(epoch), first)


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {tuple(Order(s, 50).permutation(e).tolist()) for s in range(3) for e in range(3)}
    assert len(orders) == 9


@given(st.integers(0, 2**62), st.permutations(range(12)))
def test_an_augmentation_depends_on_the_example_not_on_its_batch(seed, order):
    x = torch.arange(12.0)[:, None].expand(12, 5)
    together = noise(x, Keys(seed, 3, torch.arange(12)))
    shuffled = torch.tensor(order)
    assert torch.equal(noise(x[shuffled], Keys(seed, 3, shuffled)), together[shuffled])


def test_keyed_numbers_are_uniform_and_normal():
    keys = Keys(5, 1, torch.arange(20_000))
    # Mean and variance of the distributions, five standard errors wide.
    assert abs(keys.uniform(4).mean() - 0.5) < 5 * math.sqrt(1 / 12 / 80_000)
    drawn = keys.normal(4)
    assert abs(drawn.mean()) < 5 / math.sqrt(80_000)
    assert abs(drawn.var() - 1) < 5 * math.sqrt(2 / 80_000)
    assert len(keys.uniform(4).unique()) == 80_000


def test_a_shift_moves_whole_images():
    images = torch.zeros(200, 1, 5, 5)
    images[:, 0, 2, 2] = 1
    moved = shift(images, Keys(1, 0, torch.arange(200)), pixels=1)
    assert moved.sum(dim=(1, 2, 3)).tolist() == [1.0] * 200
    assert len({tuple(image.flatten().tolist()) for image in moved}) == 9


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.text("abc/._", min_size=1, max_size=6),
        st.tuples(
            st.sampled_from([torch.float32, torch.int64, torch.uint8, torch.bool, torch.bfloat16]),
            st.lists(st.integers(0, 4), max_size=3),
        ),
        max_size=6,
    )
)
def test_safetensors_reads_our_files_and_we_read_theirs(tmp_path_factory, shapes):
    folder = tmp_path_factory.mktemp("tensors")
    tensors = {n: (torch.rand(shape) * 9).to(dtype) for n, (dtype, shape) in shapes.items()}
    data = b"".join(tensor_blocks(tensors))
    assert (8 + struct.unpack("<Q", data[:8])[0]) % 64 == 0
    (folder / "ours").write_bytes(data)
    save_file(tensors, folder / "theirs")
    for found in (load_file(folder / "ours"), read_tensors(folder / "theirs")):
        assert found.keys() == tensors.keys()
        assert all(
            torch.equal(found[n], t) and found[n].dtype == t.dtype for n, t in tensors.items()
        )


def test_the_order_of_tensors_changes_no_byte():
    a, b = torch.zeros(3), torch.ones(2, dtype=torch.int64)
    assert b"".join(tensor_blocks({"a": a, "b": b})) == b"".join(tensor_blocks({"b": b, "a": a}))


def test_a_cut_tensor_file_is_corrupt(tmp_path):
    data = b"".join(tensor_blocks({"a": torch.ones(100)}))
    (tmp_path / "cut").write_bytes(data[:-7])
    with pytest.raises(CorruptObject):
        read_tensors(tmp_path / "cut")


def test_a_dtype_that_cannot_be_stored_is_named():
    with pytest.raises(StageFailed, match="complex128"):
        tensor_blocks({"a": torch.ones(1, dtype=torch.complex128)})


def test_metrics_equal_scikit_learns():
    outputs, targets = torch.randn(200, 4), torch.randint(0, 4, (200,))
    guessed = outputs.argmax(1)
    assert accuracy(outputs, targets) == pytest.approx(sk.accuracy_score(targets, guessed))
    assert f1(outputs, targets) == pytest.approx(sk.f1_score(targets, guessed, average="macro"))
    assert top_k(outputs, targets, k=2) == pytest.approx(
        sk.top_k_accuracy_score(targets.numpy(), outputs.numpy(), k=2)
    )
    values, wanted = torch.randn(50, 1), torch.randn(50, 1)
    assert mae(values, wanted) == pytest.approx(sk.mean_absolute_error(wanted, values))
    assert rmse(values, wanted) == pytest.approx(sk.root_mean_squared_error(wanted, values))
    assert r2(values, wanted) == pytest.approx(sk.r2_score(wanted, values))


def test_a_binary_heads_probabilities_sum_to_one():
    shares = probabilities(torch.tensor([[0.0], [4.0]]))
    assert torch.allclose(shares.sum(1), torch.ones(2))
    assert shares.argmax(1).tolist()[1] == 1


def test_accuracy_of_a_regression_is_refused():
    with pytest.raises(DataError):
        accuracy(torch.zeros(2, 1), torch.zeros(2, 1))


def test_cosine_equals_torchs():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    optimizer.step()
    for step in range(20):
        assert Cosine().factor(step, 20) == pytest.approx(theirs.get_last_lr()[0])
        theirs.step()


def test_schedules_warm_up_from_above_zero():
    for schedule in (Constant(warmup_steps=4), Cosine(warmup_steps=4), Linear(warmup_steps=4)):
        factors = [schedule.factor(step, 20) for step in range(5)]
        assert factors[0] > 0
        assert factors == sorted(factors)
        assert factors[-1] == 1
    assert Linear(floor=0.1).factor(20, 20) == pytest.approx(0.1)


def test_nan_is_never_better():
    assert not better(math.nan, None, "min")
    assert better(1.0, None, "max")
    assert not better(1.0, 1.05, "min", min_delta=0.1)


def test_a_checkpoint_is_due_by_epoch_step_or_time():
    policy = CheckpointPolicy(every_epochs=2, every_steps=3, every_s=5)
    plain = {"epoch": 1, "epoch_end": True, "step": 1, "seconds": 0.0}
    assert not policy.due(**plain)
    assert policy.due(**{**plain, "epoch": 2})
    assert not policy.due(**{**plain, "epoch": 2, "epoch_end": False})
    assert policy.due(**{**plain, "step": 3})
    assert policy.due(**{**plain, "seconds": 5.0})


def test_an_open_fused_choice_is_taken_and_a_closed_one_kept():
    groups = [{"params": {"w": torch.zeros(2, requires_grad=True)}}]
    adamw = Factory("optimizer", "adamw", torch.optim.AdamW, {"fused": None})
    assert build_optimizer(adamw, groups).defaults["fused"]
    closed = Factory("optimizer", "adamw", torch.optim.AdamW, {"fused": False})
    assert not build_optimizer(closed, groups).defaults["fused"]


@pytest.mark.parametrize(
    "model", [MLP(IMAGES, layers=2, dropout=0.1, batch_norm=True), CNN(IMAGES, channels=4)]
)
def test_a_models_head_fits_the_data(model):
    assert model(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


def test_a_network_for_images_refuses_flat_rows():
    flat = Signature(task="regression", features=("a",), shape=(1,), label="y")
    with pytest.raises(DataError):
        CNN(flat)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"clip": -1.0}, {"monitor": {"metric": "val_loss"}}]
)
def test_a_setting_out_of_range_is_refused(wrong):
    with pytest.raises(WrongType):
        Trainer(model=MODEL, optimizer=SGD, **wrong)


def test_an_absent_device_is_refused():
    with pytest.raises(WrongType):
        resolve_device("cuda:99", deterministic=True)
    with pytest.raises(WrongType):
        resolve_device("abacus", deterministic=True)


def test_a_loss_that_is_not_finite_says_where_and_what_to_do(tmp_path: Path):
    with Bench(tmp_path, INDEX) as bench:
        dataset = csv_dataset(bench, tmp_path)
        settings_ = {"optimizer": {"use": "sgd", "lr": 1e30}}
        with pytest.raises(StageFailed, match=r"epoch 1, step \d") as caught:
            train(bench, dataset, "diverges", settings_)
    assert "lower" in caught.value.remedy


def test_an_unknown_monitor_lists_what_there_is(tmp_path: Path):
    with Bench(tmp_path, INDEX) as bench:
        dataset = csv_dataset(bench, tmp_path)
        with pytest.raises(DataError) as caught:
            train(bench, dataset, "typo", {"monitor": {"metric": "val_acuracy", "mode": "max"}})
    assert "val_accuracy" in caught.value.remedy


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_other_tasks_learn_too(tmp_path: Path, task):
    with Bench(tmp_path, INDEX) as bench:
        dataset = csv_dataset(bench, tmp_path, task=task)
        train(bench, dataset, task, {"epochs": 15, "optimizer": {"use": "adam", "lr": 0.02}})
        losses = [e.values["val_loss"] for e in bench.events if isinstance(e, Progress)]
    assert losses[-1] < losses[0] / 3
