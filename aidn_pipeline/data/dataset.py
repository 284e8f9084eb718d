"""The data set on disk and in memory.

A folder `{dataset.json, table.parquet[, split.bin]}`. `split.bin` holds one byte for each row, the
position of its split in `dataset.json`. A split of a data set names the same `table.parquet` again,
so a view copies nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aidn_pipeline.core.component import component
from aidn_pipeline.core.fingerprint import JSON, canonical_json
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.core.stage import Content, Description, FileRef
from aidn_pipeline.data.encoding import encode_table, encode_texts, stored_pixels
from aidn_pipeline.data.labels import target_units, targets
from aidn_pipeline.data.source import SourceTable, class_counts
from aidn_pipeline.data.splits import assign
from aidn_pipeline.data.statistics import statistics
from aidn_pipeline.data.table import identity, parquet_bytes, read_parquet, schema_json
from aidn_pipeline.errors import CorruptObject, DataError, NewerFormat

FORMAT = 1
ALL = "all"
"""The one split of a data set that has not been split."""
TRAIN = "train"
"""The split that things are fitted on."""


def snapshot_files(source: SourceTable) -> dict[str, bytes]:
    """The files of a new data set.

    Raises:
        DataError: if the table is empty or its labels do not fit the task.
    """
    signature = source.signature()
    description: dict[str, JSON] = {
        "format": FORMAT,
        "name": source.name,
        "identity": identity(source.table),
        "rows": source.table.num_rows,
        "splits": [[ALL, source.table.num_rows]],
        "schema": schema_json(source.table),
        "signature": signature.to_json(),
        "preprocess": list(source.preprocess),
        "provenance": dict(source.provenance),
        "statistics": statistics(source.table),
    }
    if source.split_key:
        description["split_key"] = source.split_key
    return {
        "dataset.json": canonical_json(description),
        "table.parquet": parquet_bytes(source.table),
    }


def split_files(
    view: "DatasetView",
    table: FileRef,
    fractions: Mapping[str, float],
    *,
    seed: int,
    key: str | None,
) -> dict[str, Content]:
    """The files of a split view; the table is named again, not copied.

    Raises:
        DataError: if a split with a share comes out empty.
    """
    shares = {name: share for name, share in fractions.items() if share > 0}
    key = key or view.description.get("split_key")
    codes = assign(view.table(), shares, seed=seed, key=key)
    return coded_files(view, table, list(shares), codes)


def coded_files(
    view: "DatasetView",
    table: FileRef,
    names: Sequence[str],
    codes: "np.ndarray[Any, np.dtype[np.uint8]]",
) -> dict[str, Content]:
    """As `split_files`; `codes` says by position which of `names` a row belongs to.

    Raises:
        DataError: if a split comes out empty.
    """
    counts = {name: int((codes == i).sum()) for i, name in enumerate(names)}
    empty = [name for name, count in counts.items() if count == 0]
    if empty:
        raise DataError(
            f"split {empty[0]!r} got none of the {len(codes)} rows of {view.name!r}",
            where=f"split.{empty[0]}",
            remedy="give it a larger share, or bring more rows",
        )
    signature = view.signature
    training = view.table().filter(pa.array(codes == 0))
    counted = class_counts(training, signature.label, signature.task, signature.classes)
    center, scale = target_units(training, signature.label, signature.task)
    description = {
        **view.description,
        # A list: the order says which byte of `split.bin` stands for which split.
        "splits": [[name, count] for name, count in counts.items()],
        "signature": replace(
            signature, counts=counted, target_center=center, target_scale=scale
        ).to_json(),
    }
    return {
        "dataset.json": canonical_json(description),
        "table.parquet": table,
        "split.bin": codes.tobytes(),
    }


def redescribed(
    view: "DatasetView", refs: Mapping[str, FileRef], changes: Mapping[str, Any]
) -> dict[str, Content]:
    """The files of a view that differs in its description; the table is named again, not copied.

    Args:
        view: the data set.
        refs: its files.
        changes: keys of `dataset.json` and what takes their place.
    """
    kept: dict[str, Content] = {name: ref for name, ref in refs.items() if name != "dataset.json"}
    return {**kept, "dataset.json": canonical_json({**view.description, **changes})}


def _described(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
        if type(value.get("format", 0)) is not int:
            raise TypeError("its format is no number")
        if value.get("format", 0) <= FORMAT:
            # What is asked of it later; a stranger's may have anything in these places.
            _ = value["name"], list(value["preprocess"]), dict(value["splits"])
            Signature.from_json(value["signature"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptObject(
            f"dataset.json describes no data set: {type(error).__name__}: {error}",
            where=str(path),
            remedy="run the stage that made it again with `--force`",
        ) from error
    found: dict[str, Any] = value
    return found


class DatasetView:
    """A data set opened for reading; the table is read when it is first asked for."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._table: pa.Table | None = None
        self._codes: np.ndarray[Any, np.dtype[np.uint8]] | None = None
        self.description: Mapping[str, Any] = _described(files["dataset.json"])
        found = self.description.get("format", 0)
        if found > FORMAT:
            raise NewerFormat(
                f"the data set has format {found}, this release reads up to {FORMAT}",
                where=str(files["dataset.json"]),
                remedy="upgrade aidn-pipeline",
            )

    @property
    def name(self) -> str:
        """The data set's name."""
        return str(self.description["name"])

    @property
    def signature(self) -> Signature:
        """Features, shape, task and classes."""
        return Signature.from_json(self.description["signature"])

    @property
    def preprocess(self) -> list[Description]:
        """Descriptions of the transforms that raw features pass on their way to the model."""
        return list(self.description["preprocess"])

    @property
    def splits(self) -> Mapping[str, int]:
        """Rows of each split by name."""
        return dict(self.description["splits"])

    def table(self, split: str | None = None) -> pa.Table:
        """The rows of one split, or all of them.

        Raises:
            DataError: if there is no such split.
            CorruptObject: if the table is damaged.
        """
        whole = self._table
        if whole is None:
            whole = self._table = read_parquet(self._files["table.parquet"])
        if split is None or (split == ALL and ALL in self.splits):
            return whole
        names = list(self.splits)
        if split not in names:
            raise DataError(
                f"the data set {self.name!r} has no split {split!r}",
                where=f"its splits: {', '.join(names)}",
                remedy="wire the port to the dataset of a split stage",
            )
        return whole.filter(pa.array(self._split_codes() == names.index(split)))

    def arrays(
        self, split: str, *, limit: int | None = None
    ) -> tuple["np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]:
        """Raw features and targets of one split.

        Args:
            split: its name.
            limit: take only the first so many rows.

        Returns:
            features of `signature.raw_dtype`, shape (rows, *signature.raw_shape), and targets:
            int64 classes (rows,), float32 0 or 1 (rows,) for a binary task, float32 (rows, 1) for
            regression.

        Raises:
            DataError: if there is no such split, or a feature is no number, missing or infinite.
        """
        signature = self.signature
        table = self.table(split).slice(0, limit)
        y = targets(table[signature.label], signature.task, signature.classes)
        if signature.columns:
            return encode_table(signature.columns, table, where=f"data set {self.name}"), y
        if text := signature.text:
            return encode_texts(text, table[text.name], where=f"data set {self.name}"), y
        if image := signature.image:
            return stored_pixels(image, table[image.name]), y
        rows = np.empty((table.num_rows, len(signature.features)), dtype=np.float32)
        for i, name in enumerate(signature.features):
            rows[:, i] = _numbers(table, name, self.name, alone=len(signature.features) == 1)
        return rows.reshape(-1, *signature.shape), y

    def with_table(
        self, table: pa.Table, *, preprocess: Sequence[Description] | None = None
    ) -> dict[str, Content]:
        """The files of this data set with other columns: `ctx.save(Dataset, view.with_table(t))`.

        Rows keep their order and so their split. Columns that are new are features, after those
        that are left.

        Args:
            table: as many rows as this data set, in its order, with the label.
            preprocess: descriptions of the transforms on the way to the model; this data set's
                by default.

        Raises:
            DataError: if rows or the label are missing, or no feature is left.
        """
        before, rows = self.signature, self.description["rows"]
        if before.columns or before.text:
            raise DataError(
                f"the columns of {self.name!r} are prepared already",
                where=f"data set {self.name}",
                remedy="change columns before the `prepare` stage",
            )
        names = self._features_in(table)
        if table.num_rows != rows or before.label not in table.column_names or not names:
            raise DataError(
                f"a table of {table.num_rows} rows with the columns "
                f"{', '.join(table.column_names[:8])} does not take the place of the {rows} rows "
                f"of {self.name!r}",
                where=f"data set {self.name}",
                remedy=f"keep all rows in their order, the label {before.label!r} and a feature",
            )
        whole = before.features == tuple(names)
        features = SourceTable(
            name=self.name,
            table=table,
            label=before.label,
            task=before.task,
            features=tuple(names),
            shape=before.shape if whole else (len(names),),
            preprocess=self.preprocess if preprocess is None else preprocess,
            provenance=self.description["provenance"],
            where=f"data set {self.name}",
            image=before.image if whole else None,
            split_key=self._split_key_in(table),
        )
        fresh = snapshot_files(features)
        # The rows are those of before: so are the names of the classes, and how often a training
        # row has each.
        kept = replace(
            features.signature(),
            classes=before.classes,
            counts=before.counts,
            target_center=before.target_center,
            target_scale=before.target_scale,
        )
        description = {
            **json.loads(fresh["dataset.json"]),
            "splits": self.description["splits"],
            "signature": kept.to_json(),
        }
        files: dict[str, Content] = {**fresh, "dataset.json": canonical_json(description)}
        if "split.bin" in self._files:
            files["split.bin"] = self._files["split.bin"].read_bytes()
        return files

    def _split_key_in(self, table: pa.Table) -> str:
        key: str = self.description.get("split_key", "")
        return key if key in table.column_names else ""

    def _features_in(self, table: pa.Table) -> list[str]:
        known = self.table().column_names
        left = [name for name in self.signature.features if name in table.column_names]
        return [*left, *(name for name in table.column_names if name not in known)]

    def _split_codes(self) -> "np.ndarray[Any, np.dtype[np.uint8]]":
        if self._codes is None:
            self._codes = np.frombuffer(self._files["split.bin"].read_bytes(), dtype=np.uint8)
            if len(self._codes) != self.description["rows"]:
                raise CorruptObject(
                    f"split.bin has {len(self._codes)} rows, the table {self.description['rows']}",
                    where=str(self._files["split.bin"]),
                    remedy="run the split stage again with `--force split`",
                )
        return self._codes


def _numbers(table: pa.Table, name: str, dataset: str, *, alone: bool) -> "np.ndarray[Any, Any]":
    column = table[name]
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise DataError(
            f"feature {name!r} holds {kind}, not numbers",
            where=f"data set {dataset}, column {name}",
            remedy="prepare texts: `pipeline=text`"
            if alone
            else "prepare it: `pipeline=tabular`; or leave it out: add it to `source.ignore`",
        )
    if column.null_count or (
        pa.types.is_floating(kind) and not pc.all(pc.is_finite(column)).as_py() and len(column)
    ):
        present = np.isfinite(column.to_numpy().astype(np.float64))
        raise DataError(
            f"{int((~present).sum())} of {len(present)} values of feature {name!r} are "
            "missing, NaN or infinite",
            where=f"data set {dataset}, column {name}",
            remedy="prepare it: `pipeline=tabular`; or leave it out: add it to `source.ignore`",
        )
    values: np.ndarray[Any, Any] = column.to_numpy()
    return values


@component("loader", "dataset")
@dataclass(frozen=True, kw_only=True)
class DatasetLoader:
    """Opens a data set's files as a `DatasetView`; what `ctx.load` calls."""

    def __call__(self, files: Mapping[str, Path]) -> DatasetView:
        """Opens the files of one data set, by name."""
        return DatasetView(files)
