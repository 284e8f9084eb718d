"""Preparation of tables: what is fitted, on which rows, and the view that carries it.

Nothing but the training split is looked at, so that what is measured on the others stays honest.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from aidn_pipeline.core.columns import Column, Kind, text_of
from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.core.stage import Content, Description, FileRef
from aidn_pipeline.data.dataset import TRAIN, DatasetView, redescribed
from aidn_pipeline.data.encoding import column_numbers, encode_table
from aidn_pipeline.data.kinds import Kinds, infer_kinds
from aidn_pipeline.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How columns are fitted.

    Attributes:
        kinds: kind by column, where it is not to be told from the values.
        max_categories: categories of a column with a code of their own, the most frequent ones.
        fill: of the values that are there, what takes the place of a missing number.
        indicator: whether a column with missing values gets a second number that says so.
        standardize: whether numbers are moved to mean 0 and deviation 1.
    """

    kinds: Mapping[str, Kind]
    max_categories: int
    fill: Literal["median", "mean"]
    indicator: bool
    standardize: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared view.

    Attributes:
        files: of the data set.
        columns: as fitted.
        left_out: why a column is none of them.
        missing: missing values of the training split by column, where there are any.
    """

    files: Mapping[str, Content]
    columns: tuple[Column, ...]
    left_out: Mapping[str, str]
    missing: Mapping[str, int]


def prepare(
    view: DatasetView, refs: Mapping[str, FileRef], settings: Settings, ignore: tuple[str, ...] = ()
) -> Prepared:
    """Fits columns and the transform on the training split; the table is named again, not copied.

    Args:
        view: a split data set, not prepared yet.
        refs: its files.
        settings: how columns are fitted.
        ignore: columns that are left out.

    Raises:
        DataError: if it is not split, prepared already, or no column is left.
    """
    signature = view.signature
    if signature.columns or signature.text or signature.shape != (len(signature.features),):
        raise DataError(
            "the data set is prepared already"
            if signature.columns or signature.text
            else f"examples of shape {list(signature.shape)} are no rows of a table",
            where=f"data set {view.name}",
            remedy="remove the second `prepare` stage"
            if signature.columns or signature.text
            else "`~stages.prepare`",
        )
    table = view.table(TRAIN)
    features = [name for name in signature.features if name not in ignore]
    found = infer_kinds(table, features, settings.kinds)
    columns, missing = _fitted(table, found, settings, view.name)
    transform, names = _transform(table, columns, settings, view.name)
    left_out = {**dict.fromkeys(ignore, "it is ignored"), **found.left_out}
    prepared: JSON = {"left_out": dict(left_out), "missing": dict(missing)}
    changes = {
        "signature": replace(
            signature,
            features=names,
            shape=(len(names),),
            columns=columns,
            ignored=tuple(
                name
                for name in table.column_names
                if name != signature.label and name not in found.known
            ),
        ).to_json(),
        "preprocess": [*view.preprocess, transform],
        "prepared": prepared,
    }
    return Prepared(redescribed(view, refs, changes), columns, left_out, missing)


def _fitted(
    table: pa.Table, found: Kinds, settings: Settings, name: str
) -> tuple[tuple[Column, ...], dict[str, int]]:
    columns, missing = [], {}
    for key, kind in found.known.items():
        if key not in table.column_names:
            raise DataError(
                f"there is no column {key!r}",
                where=f"data set {name}",
                remedy=f"its columns: {', '.join(table.column_names)}",
            )
        column, absent = _column(table[key], Column(name=key, kind=kind), settings, name)
        columns.append(column)
        if absent:
            missing[key] = absent
    if not columns:
        raise DataError(
            f"no column of {name!r} is of use to a model",
            where=f"data set {name}",
            remedy="; ".join(f"{k}: {why}" for k, why in found.left_out.items())
            or "name another `source.label`",
        )
    return tuple(columns), missing


def _column(
    values: pa.ChunkedArray, column: Column, settings: Settings, name: str
) -> tuple[Column, int]:
    if column.kind == "categorical":
        counts = Counter(text_of(v) for v in values.to_pylist())
        absent = counts.pop(None, 0)
        # Of equal counts the first in the alphabet: the order of the rows must not matter.
        ranked = sorted(counts, key=lambda text: (-counts[text], str(text)))
        kept = sorted(str(text) for text in ranked[: settings.max_categories])
        return replace(column, categories=tuple(kept)), absent
    numbers = column_numbers(column, values, where=f"data set {name}")
    present = numbers[~np.isnan(numbers)]
    absent = len(numbers) - len(present)
    fill = 0.0
    if column.kind != "boolean" and len(present):
        fill = float(np.median(present) if settings.fill == "median" else present.mean())
    return replace(column, fill=fill, indicator=settings.indicator and absent > 0), absent


def _transform(
    table: pa.Table, columns: tuple[Column, ...], settings: Settings, name: str
) -> tuple[Description, tuple[str, ...]]:
    rows = encode_table(columns, table, where=f"data set {name}").astype(np.float64)
    center, scale, categories = [], [], []
    names, coded = [], []
    place = 0
    for column in columns:
        moved = settings.standardize and column.kind in ("numeric", "date")
        numbers = rows[:, place]
        deviation = float(numbers.std())
        center.append(float(numbers.mean()) if moved else 0.0)
        scale.append(deviation if moved and deviation > 0 else 1.0)
        categories.append(len(column.categories))
        if column.kind == "categorical":
            coded += [f"{column.name}={text}" for text in column.categories]
        else:
            names.append(column.name)
        if column.indicator:
            center.append(0.0)
            scale.append(1.0)
            categories.append(0)
            names.append(f"{column.name} missing")
        place += column.width
    transform: dict[str, Any] = {
        "use": "tabular",
        "center": center,
        "scale": scale,
        "categories": categories,
    }
    return transform, (*names, *coded)
