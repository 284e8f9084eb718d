"""Texts into token ids, by a vocabulary that is fitted on the training texts alone."""

from dataclasses import dataclass

from aidn_pipeline.core.artifact import Dataset
from aidn_pipeline.core.component import check_ranges, component, setting
from aidn_pipeline.core.events import Notice
from aidn_pipeline.core.stage import Stage, StageContext
from aidn_pipeline.data.dataset import DatasetView
from aidn_pipeline.data.labels import balance
from aidn_pipeline.data.tokenization import Limits, Tokenized, tokenize


@dataclass(frozen=True)
class TokenizeInputs:
    """A split data set of texts."""

    dataset: Dataset


@dataclass(frozen=True)
class TokenizeOutputs:
    """The same rows and splits; the vocabulary rides inside and travels with the model."""

    dataset: Dataset


@component("stage", "tokenize", version=2, packages=("pyarrow",))
@dataclass(frozen=True, kw_only=True)
class Tokenize(Stage[TokenizeInputs, TokenizeOutputs]):
    """Gives the words of texts an id each, the most frequent ones first.

    A word is what stands between blanks and signs; a sign is a word too, and so is every character
    of a script without blanks. The version of Unicode that tells them apart, Python's, is kept with
    the words. Id 0 is padding, 1 any word that has no id of its own. A text is cut
    or padded on its right to the length of the longest training text, at most `max_tokens`.

    Attributes:
        max_words: words with an id of their own, the most frequent ones.
        min_count: times a word must occur in the training texts to have one.
        max_tokens: words of a text that are read; what comes after them is not.
        lowercase: whether upper and lower case are the same.
    """

    seeded = False
    max_words: int = setting(20_000, least=1)
    min_count: int = setting(2, least=1)
    max_tokens: int = setting(200, least=1)
    lowercase: bool = True

    def __post_init__(self) -> None:
        check_ranges(self)

    def run(self, inputs: TokenizeInputs, ctx: StageContext) -> TokenizeOutputs:
        """Fits, and says what it found.

        Raises:
            DataError: if the data set is not split, prepared already, or holds no texts.
        """
        view: DatasetView = ctx.load(inputs.dataset)
        limits = Limits(
            max_words=self.max_words,
            min_count=self.min_count,
            max_tokens=self.max_tokens,
            lowercase=self.lowercase,
        )
        found = tokenize(view, ctx.refs(inputs.dataset), limits)
        signature = view.signature
        for sentence in (*told(found), *balance(signature.classes, signature.counts)):
            ctx.emit(Notice(text=sentence))
        return TokenizeOutputs(ctx.save(Dataset, found.files))


def told(found: Tokenized) -> list[str]:
    """What a person wants to know of tokenized texts, a sentence each."""
    known, share = len(found.text.words), f"{found.unknown:.1%}"
    sentences = [
        f"vocabulary: {known} of {found.words} words; {share} of the training text has no id"
    ]
    if found.cut:
        sentences.append(f"{found.cut} training texts are cut to {found.text.length} words")
    if found.empty:
        sentences.append(f"{found.empty} training texts are empty")
    return sentences
