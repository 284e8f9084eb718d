"""What a model must know of its data, handed over and never typed twice."""

from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from aidn_pipeline.core.fingerprint import JSON

Task: TypeAlias = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Shape and meaning of a prepared data set.

    Heads: binary = one logit and a float target; multiclass = C logits and an int64 target;
    regression = float (batch, k).

    Attributes:
        task: what the label asks for.
        features: names of the feature columns, in the order of the feature axis.
        shape: of one example without the batch axis; its product is `len(features)`.
        dtype: of the features as the model gets them.
        label: name of the label column.
        classes: class names as text, in the order of the logits; empty for regression.
        counts: training examples of each class.
        targets: width of a regression target.
    """

    task: Task
    features: tuple[str, ...]
    shape: tuple[int, ...]
    label: str
    dtype: str = "float32"
    classes: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    targets: int = 1

    @property
    def outputs(self) -> int:
        """Width of the model's head."""
        if self.task == "multiclass":
            return len(self.classes)
        return 1 if self.task == "binary" else self.targets

    def to_json(self) -> dict[str, JSON]:
        """The form kept in `model.json` and `dataset.json`."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, value: dict[str, JSON]) -> "Signature":
        """The inverse of `to_json`."""
        fields = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
        return cls(**fields)  # type: ignore[arg-type]
