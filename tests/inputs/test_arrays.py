"""What programs hand over as arrays."""

import numpy as np
import pytest
import torch

from aidn_pipeline.inputs.arrays import as_array

NUMBERS = np.array([[0.0, 1.5], [2.0, 0.0]], dtype=np.float32)
TENSOR = torch.from_numpy(NUMBERS)


@pytest.mark.parametrize(
    "values",
    [
        NUMBERS,
        NUMBERS.tolist(),
        TENSOR.clone().requires_grad_(),
        TENSOR.bfloat16(),
        TENSOR.to_sparse(),
        [row.clone().requires_grad_() for row in TENSOR],
        np.ma.masked_array(NUMBERS),
    ],
    ids=["array", "list", "learned", "bfloat16", "sparse", "list of tensors", "no mask"],
)
def test_equal_numbers_are_one_array_whatever_holds_them(values):
    assert as_array(values).tolist() == NUMBERS.tolist()


@pytest.mark.parametrize("kind", [np.float64, np.int64, np.uint8, np.bool_])
def test_a_masked_number_is_missing(kind):
    found = as_array(np.ma.masked_array(np.ones(2, dtype=kind), mask=[True, False]))
    assert np.isnan(found[0])
    assert found[1] == 1


def test_a_masked_text_is_missing():
    found = as_array(np.ma.masked_array(["a", "b"], mask=[True, False]))
    assert found.tolist() == [None, "b"]


def test_a_mask_of_one_row_in_a_list_counts():
    rows = [np.ma.masked_array([1, 2], mask=[False, True]), np.ma.masked_array([3, 4])]
    assert np.isnan(as_array(rows)).tolist() == [[False, True], [False, False]]
