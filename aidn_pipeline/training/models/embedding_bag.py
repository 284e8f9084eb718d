"""A bag of words with learned embeddings: the usual first model for texts."""

from torch import Tensor, nn

from aidn_pipeline.core.component import component
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import WrongType
from aidn_pipeline.training.models.units import TargetUnits, check_texts, word_embedding


@component("model", "embedding_bag", version=2)
class EmbeddingBag(nn.Module):
    """The mean of a text's word embeddings, a hidden layer if wanted, and the head.

    Source: A. Joulin, E. Grave, P. Bojanowski, T. Mikolov, "Bag of Tricks for Efficient Text
    Classification" (EACL 2017), without its n-grams.
    """

    def __init__(
        self, signature: Signature, *, embedding: int = 64, hidden: int = 0, dropout: float = 0.0
    ) -> None:
        """Builds the layers with torch's default initialisation.

        Args:
            signature: of the data; gives the vocabulary and the head's width.
            embedding: numbers that stand for a word.
            hidden: width of the hidden layer; 0 for none.
            dropout: share of the mean's numbers that are dropped in training, in [0, 1).

        Raises:
            DataError: if the data is no texts.
            WrongType: if a value is out of its range.
        """
        super().__init__()
        check_texts(signature, "embedding_bag")
        if embedding < 1 or hidden < 0 or not 0 <= dropout < 1:
            raise WrongType(
                f"embedding {embedding}, hidden {hidden}, dropout {dropout} describe no network",
                where="model",
                remedy="embedding >= 1, hidden >= 0, 0 <= dropout < 1",
            )
        self.embedding = word_embedding(signature, embedding)
        parts: list[nn.Module] = [nn.Dropout(dropout)] if dropout else []
        if hidden:
            parts += [nn.Linear(embedding, hidden), nn.ReLU()]
        parts.append(nn.Linear(hidden or embedding, signature.outputs))
        if signature.task == "regression":
            parts.append(TargetUnits(signature))
        self.head = nn.Sequential(*parts)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Logits or values (batch, outputs), from token ids and what is real of them."""
        found: Tensor = self.head(mean_of(self.embedding(tokens), mask))
        return found


def mean_of(states: Tensor, mask: Tensor) -> Tensor:
    """The mean over the real places, shape (batch, width); zeros for a text without words.

    Args:
        states: shape (batch, length, width).
        mask: shape (batch, length), true on real tokens.
    """
    real = mask.unsqueeze(-1).to(states.dtype)
    return (states * real).sum(dim=1) / real.sum(dim=1).clamp(min=1)
