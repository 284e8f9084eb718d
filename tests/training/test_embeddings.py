"""What a model that embeds says of a value that training did not show it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from aidn_pipeline.core.columns import Text
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.inputs.text import FIRST, UNKNOWN
from aidn_pipeline.training.models.embedding_bag import EmbeddingBag
from aidn_pipeline.training.models.mlp import CategoryEmbedding
from aidn_pipeline.training.models.transformer_encoder import TransformerEncoder

TEXTS = Signature(
    task="binary",
    features=("text",),
    shape=(4,),
    dtype="int64",
    label="label",
    classes=("a", "b"),
    text=Text(name="text", words=("x", "y", "z"), length=4),
)


def test_an_unseen_category_of_every_column_starts_at_nothing():
    torch.manual_seed(0)
    embed = CategoryEmbedding([3, 2, 4], width=5)
    unseen = embed(torch.tensor([[0, 0, 0]]))
    seen = embed(torch.tensor([[1, 1, 1], [2, 1, 3]]))
    assert unseen.eq(0).all()
    assert seen.ne(0).all()


@pytest.mark.parametrize("model", [EmbeddingBag, TransformerEncoder])
def test_an_unknown_word_starts_at_nothing(model: Callable[[Signature], nn.Module]):
    torch.manual_seed(0)
    table: nn.Embedding = model(TEXTS).embedding
    weight: Tensor = table.weight
    assert weight[UNKNOWN].eq(0).all()
    assert weight[FIRST:].ne(0).all()
