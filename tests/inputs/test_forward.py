"""What a model's forward asks for."""

import pytest
import torch
from torch import Tensor, nn

from aidn_pipeline.core.columns import Text
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import DataError
from aidn_pipeline.inputs.forward import arguments_of

TEXTS = Signature(
    task="multiclass", features=("text",), shape=(3,), label="y", dtype="int64",
    text=Text(name="text", words=("a",), length=3),
)  # fmt: skip
NUMBERS = Signature(task="multiclass", features=("a", "b"), shape=(2,), label="y")


class Masked(nn.Module):
    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        return tokens


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
