"""What a model must know of its data, handed over and never typed twice."""

from dataclasses import asdict, dataclass
from math import prod
from typing import Any, Literal, TypeAlias

from aidn_pipeline.core.columns import Column, Image, Text
from aidn_pipeline.core.fingerprint import JSON

Task: TypeAlias = Literal["binary", "multiclass", "regression"]
UNSAID: dict[str, JSON] = {
    "target_center": 0.0,
    "target_scale": 1.0,
    "columns": [],
    "ignored": [],
    "text": None,
    "image": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Shape and meaning of a prepared data set.

    Heads: binary = one logit and a float target; multiclass = C logits and an int64 target;
    regression = float (batch, k).

    Attributes:
        task: what the label asks for.
        features: names of the features, in the order of the feature axis; of texts and
            images the one column that holds them.
        shape: of one example without the batch axis.
        dtype: of the features as the model gets them.
        label: name of the label column.
        classes: class names as text, in the order of the logits; empty for regression.
        counts: training examples of each class.
        targets: width of a regression target.
        target_center: mean of the training targets of a regression.
        target_scale: their deviation; not 0.
        columns: of the raw rows, once they were prepared; empty while rows hold the features.
        ignored: columns that a raw row may have beside them, of which nothing is read.
        text: of texts, once they were prepared: how one becomes token ids.
        image: of images in files: how one becomes pixels.
    """

    task: Task
    features: tuple[str, ...]
    shape: tuple[int, ...]
    label: str
    dtype: str = "float32"
    classes: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    targets: int = 1
    target_center: float = 0.0
    target_scale: float = 1.0
    columns: tuple[Column, ...] = ()
    ignored: tuple[str, ...] = ()
    text: Text | None = None
    image: Image | None = None

    @property
    def outputs(self) -> int:
        """Width of the model's head."""
        if self.task == "multiclass":
            return len(self.classes)
        return 1 if self.task == "binary" else self.targets

    @property
    def raw_names(self) -> tuple[str, ...]:
        """Names of the columns that a raw row has, in order."""
        return tuple(column.name for column in self.columns) or self.features

    @property
    def raw_dtype(self) -> str:
        """Of one example before its transforms."""
        return "int64" if self.text else "uint8" if self.image else "float32"

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Codes of each categorical column, code 0 for no known category included."""
        return tuple(len(c.categories) + 1 for c in self.columns if c.kind == "categorical")

    @property
    def numbers(self) -> int:
        """Width of the features that stand for no category; they come first."""
        return self.width - sum(count - 1 for count in self.cardinalities)

    @property
    def vocabulary(self) -> int:
        """Number of token ids; 0 where examples are no texts."""
        return self.text.vocabulary if self.text else 0

    @property
    def width(self) -> int:
        """Numbers of one example as the model gets it."""
        return prod(self.shape)

    @property
    def raw_shape(self) -> tuple[int, ...]:
        """Of one example before its transforms, without the batch axis."""
        return (sum(column.width for column in self.columns),) if self.columns else self.shape

    def to_json(self) -> dict[str, JSON]:
        """The form kept in `model.json` and `dataset.json`."""
        value = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        # What a data set has not stays unsaid, so that older ones keep their bytes.
        return {k: v for k, v in value.items() if k not in UNSAID or v != UNSAID[k]}

    @classmethod
    def from_json(cls, value: dict[str, JSON]) -> "Signature":
        """The inverse of `to_json`."""
        fields = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
        columns: Any = fields.pop("columns", ())
        read = (Column(**{**c, "categories": tuple(c["categories"])}) for c in columns)
        text: Any = fields.pop("text", None)
        image: Any = fields.pop("image", None)
        return cls(
            **fields,  # type: ignore[arg-type]
            columns=tuple(read),
            text=Text(**{**text, "words": tuple(text["words"])}) if text else None,
            image=Image(**image) if image else None,
        )
