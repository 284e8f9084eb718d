"""Arrays and tensors of programs as arrays of numpy that hide nothing."""

from typing import Any

import numpy as np


def as_array(values: Any) -> "np.ndarray[Any, Any]":
    """An array of a list, a tensor of any device and layout, or a series.

    What is masked is missing: a missing number is NaN, so whole numbers with a mask become
    fractions; any other missing value is None. bfloat16, which numpy does not have, becomes
    float32.

    Raises:
        ValueError: if rows differ in length.
        TypeError: if it is no array.
    """
    if hasattr(values, "detach"):
        dense = values.detach().cpu().to_dense()
        found: np.ndarray[Any, Any] = np.asarray(
            dense.float() if "bfloat16" in str(dense.dtype) else dense
        )
        return found
    if isinstance(values, np.ma.MaskedArray):
        return _filled(values)
    if isinstance(values, (list, tuple)) and any(_is_special(value) for value in values):
        return np.asarray([as_array(value) for value in values])
    return np.asarray(values)


def _is_special(value: Any) -> bool:
    return hasattr(value, "detach") or isinstance(value, np.ma.MaskedArray)


def _filled(values: "np.ma.MaskedArray[Any, Any]") -> "np.ndarray[Any, Any]":
    if not np.ma.is_masked(values):
        return np.asarray(values)
    number = values.dtype.kind in "fiub"
    kind = np.result_type(values.dtype, np.float32) if number else np.dtype(object)
    found: np.ndarray[Any, Any] = values.data.astype(kind)
    found[np.ma.getmaskarray(values)] = np.nan if number else None
    return found
