"""What a model's forward asks for."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from aidn_pipeline.core.columns import Column, Text
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import DataError
from aidn_pipeline.inputs.forward import OneHot, arguments_of
from aidn_pipeline.training.models.mlp import MLP

TEXTS = Signature(
    task="multiclass", features=("text",), shape=(3,), label="y", dtype="int64",
    text=Text(name="text", words=("a",), length=3),
)  # fmt: skip
CODED = Signature(
    task="multiclass", features=("a", "b", "c=x", "c=y", "d=z"), shape=(5,),
    label="y", classes=("0", "1"),
    columns=(
        Column(name="a", kind="numeric"),
        Column(name="c", kind="categorical", categories=("x", "y")),
        Column(name="b", kind="date"),
        Column(name="d", kind="categorical", categories=("z",)),
    ),
)  # fmt: skip
NUMBERS = Signature(task="multiclass", features=("a", "b"), shape=(2,), label="y")


class Masked(nn.Module):
    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        return tokens


class Coded(nn.Module):
    def forward(self, rows: Tensor, categories: Tensor) -> Tensor:
        return rows


class Plain(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        return inputs


def test_the_mask_is_true_on_real_tokens():
    tokens = torch.tensor([[2, 1, 0]])
    first, named = arguments_of(Masked(), TEXTS)(tokens)
    assert first is tokens
    assert named["mask"].tolist() == [[True, True, False]]


def test_a_model_that_asks_for_no_mask_gets_none():
    assert arguments_of(Plain(), TEXTS)(torch.zeros(1, 3))[1] == {}


def test_a_model_of_texts_refuses_numbers():
    with pytest.raises(DataError, match="Masked takes texts"):
        arguments_of(Masked(), NUMBERS)


ROWS = torch.tensor([[0.5, -1.0, 2.0, 0.0], [1.5, 0.0, 1.0, 1.0]])
"""Two numbers, then a code of `c` (x 1, y 2) and one of `d` (z 1)."""


def test_a_signature_counts_codes_and_numbers():
    assert (CODED.cardinalities, CODED.numbers) == ((3, 2), 2)
    assert (NUMBERS.cardinalities, NUMBERS.numbers) == ((), 2)


def test_a_model_that_asks_for_categories_gets_their_codes_as_integers_and_numbers_alone():
    first, named = arguments_of(Coded(), CODED)(ROWS)
    assert first.tolist() == [[0.5, -1.0], [1.5, 0.0]]
    assert named["categories"].tolist() == [[2, 0], [1, 1]]
    assert named["categories"].dtype == torch.int64


def test_a_model_that_takes_one_tensor_gets_one_hot_numbers_in_the_order_of_the_features():
    first, named = arguments_of(Plain(), CODED)(ROWS)
    assert first.tolist() == [[0.5, -1.0, 0.0, 1.0, 0.0], [1.5, 0.0, 1.0, 0.0, 1.0]]
    assert named == {}


def test_where_there_are_no_categories_a_model_that_must_have_some_gets_none():
    first, named = arguments_of(Coded(), NUMBERS)(ROWS[:, :2])
    assert first.shape == (2, 2)
    assert named["categories"].shape == (2, 0)


@given(st.lists(st.integers(2, 6), min_size=1, max_size=4), st.data())
def test_one_hot_numbers_are_those_of_torch_without_the_unknown(cardinalities, data):
    codes = torch.tensor(
        [[data.draw(st.integers(0, count - 1)) for count in cardinalities] for _ in range(5)]
    )
    wanted = [
        nn.functional.one_hot(codes[:, i], count)[:, 1:] for i, count in enumerate(cardinalities)
    ]
    assert OneHot(cardinalities)(codes).tolist() == torch.cat(wanted, dim=1).tolist()


def test_embedded_categories_differ_by_column_and_code():
    model = MLP(CODED, embedding=4, layers=0)
    assert model.embedding is not None
    found = model.embedding(torch.tensor([[0, 0], [1, 1], [2, 0]])).reshape(3, 2, 4)
    vectors = {tuple(v) for v in found.reshape(-1, 4).tolist()}
    assert len(vectors) == 4  # code 0, no known category, is zero in both
    assert found[0, 1].tolist() == found[2, 1].tolist()
