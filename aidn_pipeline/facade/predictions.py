"""Answers for many rows, in columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Predictions:
    """What a model says of many rows, as numpy arrays in the order of the rows.

        found = result.predict_batch(frame)
        frame["guess"] = found.labels
        pandas.DataFrame(found.columns())

    Attributes:
        values: the model's outputs, float32, shape (rows, outputs): of a regression the answers
            themselves, of classes what `probabilities` are made of.
        classes: names of the classes, in the order of the probabilities; empty for a regression.
        labels: name of the most probable class, text, shape (rows,); None for a regression.
        probabilities: float32, shape (rows, classes), each row adds up to 1; None for a regression.
    """

    values: Any
    classes: tuple[str, ...] = ()
    labels: Any = None
    probabilities: Any = None

    def __len__(self) -> int:
        return len(self.values)

    def columns(self) -> dict[str, Any]:
        """One array of shape (rows,) by name, as pandas, polars and Arrow take them.

        The names are those of a CSV file of `aidn-run predict`: `label` and `p_CLASS` of each
        class, or `value_0`, `value_1` and on for a regression.
        """
        if self.labels is None:
            return {f"value_{i}": self.values[:, i] for i in range(self.values.shape[1])}
        shares = {f"p_{name}": self.probabilities[:, i] for i, name in enumerate(self.classes)}
        return {"label": self.labels, **shares}

    def rows(self) -> Iterator[dict[str, Any]]:
        """The answers one by one, in the form of `predict`."""
        if self.labels is None:
            yield from ({"values": values.tolist()} for values in self.values)
            return
        for label, shares in zip(self.labels.tolist(), self.probabilities.tolist(), strict=True):
            yield {
                "label": label,
                "probabilities": dict(zip(self.classes, shares, strict=True)),
            }

    def __repr__(self) -> str:
        what = f"{len(self.classes)} classes" if self.classes else "a regression"
        return f"Predictions({len(self)} rows, {what})"
