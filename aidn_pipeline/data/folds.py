"""Which row is held out in which fold: every row once, classes spread evenly."""

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from aidn_pipeline.core.fingerprint import derive_seed
from aidn_pipeline.data.splits import U64, key_hashes, mix

Codes: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"


def deal(table: pa.Table, folds: int, *, classes: Codes, seed: int, key: str | None) -> Codes:
    """The fold in which each row is held out.

    Rows that are equal (or share a key) stay together, so no duplicate of a training row is ever
    tested on. The rows of a class are spread as evenly as whole groups of rows allow.

    Args:
        table: all rows.
        folds: how many.
        classes: of each row, counted from 0; all 0 spreads the rows alone.
        seed: another seed is another deal.
        key: column whose value keeps rows together; without one the whole row does.

    Raises:
        DataError: if there is no column `key`.
    """
    words = mix(key_hashes(table, key) ^ np.uint64(derive_seed(seed, "kfold")))
    _, first, group, sizes = np.unique(
        words, return_index=True, return_inverse=True, return_counts=True
    )
    counts = np.zeros((int(classes.max(initial=0)) + 1, folds), dtype=np.int64)
    fold_of = np.empty(len(sizes), dtype=np.int64)
    _deal_groups(group, sizes, classes, counts, fold_of)
    for label in range(len(counts)):
        # Words are sorted by `unique`: their order is that of the hash, which is none of the rows'.
        single = np.flatnonzero((sizes == 1) & (classes[first] == label))
        fold_of[single] = _emptiest(counts, label, len(single))
        counts[label] += np.bincount(fold_of[single], minlength=folds)
    return fold_of[group]


def _deal_groups(group: Codes, sizes: Codes, classes: Codes, counts: Codes, fold_of: Codes) -> None:
    """Puts groups of several rows, the largest first, where their classes are fewest."""
    several = np.flatnonzero(sizes > 1)
    rows = np.argsort(group, kind="stable")
    ends = np.cumsum(sizes)
    for one in several[np.argsort(-sizes[several], kind="stable")]:
        members = classes[rows[ends[one] - sizes[one] : ends[one]]]
        added = np.bincount(members, minlength=len(counts))
        crowd = added @ counts
        total = counts.sum(axis=0)
        fold = int(np.lexsort((np.arange(counts.shape[1]), total, crowd))[0])
        counts[:, fold] += added
        fold_of[one] = fold


def _emptiest(counts: Codes, label: int, rows: int) -> Codes:
    """Folds for so many rows of a class, each the one that has fewest of it by then.

    What is left over goes where fewest rows are in all, so that small classes do not all begin in
    the first fold.
    """
    own, total = counts[label], counts.sum(axis=0)
    top = (rows + int(own.sum())) // len(own) + 1
    levels = np.concatenate([np.arange(n, max(top, n + 1)) for n in own])
    folds = np.repeat(np.arange(len(own)), [max(top, n + 1) - n for n in own])
    chosen = np.lexsort((folds, total[folds], levels))[:rows]
    return folds[chosen]


def held_back(
    table: pa.Table, share: float, *, seed: int, fold: int | None, key: str | None
) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """The rows that validate, if they are not held out: a share by hash, other ones in each fold.

    Raises:
        DataError: if there is no column `key`.
    """
    number = derive_seed(seed, "kfold validation", -1 if fold is None else fold)
    words: U64 = mix(key_hashes(table, key) ^ np.uint64(number))
    return (words >> np.uint64(11)).astype(np.float64) / float(1 << 53) < share
