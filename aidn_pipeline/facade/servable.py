"""A model ready to answer: the bundle, opened and checked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import DataError, UsageError
from aidn_pipeline.facade.example import Row, example_row
from aidn_pipeline.facade.predictions import Predictions
from aidn_pipeline.facade.predictor import (
    Predictor,
    answers,
    check_columns,
    frames,
    open_folder,
    with_files,
)
from aidn_pipeline.facade.workspace import Workspace

BATCH_SIZE = 256
"""Rows that a stream answers at once."""
FRAMES = ("__arrow_c_stream__", "__arrow_c_array__", "__dataframe__")
"""What tables of pandas, polars, Arrow and others have."""


class Servable:
    """A model in memory: call it with rows, get their answers.

    Every byte of it, and the outputs of its golden rows, were checked when it was opened. It keeps
    no state between calls.

        model = result.to_servable()
        model([{"months": 2, "calls": 8}])
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    @classmethod
    def load(cls, folder: Path | str) -> "Servable":
        """Opens a bundle's folder, such as `bundles/churn/1`, wherever it was copied to.

        A model of a project's own needs its code: the working folder is in that project, or the
        project's package is installed and named by the one here.

        Raises:
            ModelNotFound: if there is no bundle.
            CorruptObject: if a byte differs from what was exported.
            UnknownComponent: if the model's code is not here.
        """
        return cls(open_folder(Path(folder), Workspace.around()))

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self._predictor.document["name"])

    @property
    def version(self) -> int:
        """The registered version's number."""
        return int(self._predictor.document["version"])

    @property
    def signature(self) -> Signature:
        """What its rows are: `raw_names` in order, `task`, `classes`, `label`."""
        return self._predictor.signature

    @property
    def example(self) -> Row:
        """A raw row as this model takes them: of the data it was trained with, held out."""
        return example_row(self._predictor.document)

    def __call__(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """As `predict`."""
        return self.predict(rows)

    def predict(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Answers as JSON, one object for each row.

        Args:
            rows: mappings of column names to raw values, or plain lists in the order of the
                columns. Arrays and data frames do as well.

        Raises:
            DataError: if a row does not fit the model; says which row and column.
        """
        if _is_frame(rows):
            return list(self.predict_batch(rows).rows())
        return answers(self._predictor, rows)

    def predict_batch(self, xs: Any) -> Predictions:
        """Answers for many rows at once, in columns.

        Args:
            xs: a numpy array or torch tensor of shape (rows, features) or (rows, *signature.shape);
                a data frame of pandas, polars or Arrow, or a mapping of names to columns, in any
                order, with or without the label; or rows as `predict` takes them.

        Raises:
            DataError: if a row does not fit the model; says which row and column.
        """
        names = self.signature.raw_names
        if self.signature.columns and _is_matrix(xs, len(names)):
            xs = {name: xs[:, i] for i, name in enumerate(names)}
        if _is_frame(xs):
            table = frames().table_of(xs, where="predict_batch")
            check_columns(table.column_names, self.signature, "the table")
            raw = frames().features_of(table, self.signature)
        else:
            raw = self._predictor.raw(with_files(xs, self.signature))
        return Predictions(classes=self.signature.classes, **self._predictor.arrays(raw))

    def stream(self, rows: Iterable[Any], batch_size: int = BATCH_SIZE) -> Iterator[dict[str, Any]]:
        """Answers one by one, in order, while the rows still come.

        No more than `batch_size` rows are taken before they are answered, and none is kept, so a
        stream may be longer than memory. `batch_size=1` answers each row as it comes. Another size
        may change the last bits of a number: sums are taken in another order.

        Args:
            rows: as `predict` takes them, from any iterable: a generator, a file's reader. The
                columns of a data frame or an Arrow stream become rows.
            batch_size: rows that are answered at once.

        Raises:
            UsageError: if `batch_size` is not at least 1.
            DataError: when it comes to a row that does not fit the model; rows are counted from the
                stream's first.
        """
        if batch_size < 1:
            raise UsageError(
                f"a batch of {batch_size} rows", where="batch_size", remedy="write at least 1"
            )
        if _is_frame(rows):
            parts = frames().parts_of(rows, where="stream")
            rows = (row for part in parts for row in part)
        return self._stream(iter(rows), batch_size)

    def _stream(self, rows: Iterator[Any], batch_size: int) -> Iterator[dict[str, Any]]:
        first = 1
        while batch := list(islice(rows, batch_size)):
            yield from answers(self._predictor, batch, first=first)
            first += len(batch)

    def __repr__(self) -> str:
        task, names = self.signature.task, self.signature.raw_names
        return f"Servable({self.name}@{self.version}: {len(names)} columns, {task})"


def _is_frame(value: Any) -> bool:
    if isinstance(value, Mapping):
        single = [name for name, column in value.items() if not _has_rows(column)]
        if single:
            raise DataError(
                f"column {single[0]!r} is a single value; a mapping is columns of many rows",
                where=f"column {single[0]}",
                remedy="pass one row as a list: `[row]`",
            )
        return True
    if any(hasattr(value, name) for name in FRAMES):
        return True
    if not _has_rows(value):
        raise DataError(
            f"rows are wanted, and this is {type(value).__name__}",
            where="rows",
            remedy="pass a list of rows, an array or a data frame; a file: `aidn-run predict`",
        )
    return False


def _has_rows(value: Any) -> bool:
    return hasattr(value, "__iter__") and not isinstance(value, (str, bytes))


def _is_matrix(value: Any, width: int) -> bool:
    # Numbers of numpy or torch, a column for each of the model's: read column by column.
    shape: tuple[int, ...] = tuple(getattr(value, "shape", ()))
    # A type of torch has no kind; all of them are numbers.
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    return hasattr(value, "dtype") and len(shape) == 2 and shape[-1] == width and kind in "fiub"
