"""The global generators of python, numpy and torch: seeded, captured, restored together."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aidn_pipeline.core.fingerprint import JSON, derive_seed


def seed_all(seed: int) -> None:
    """Seeds every global generator, each with a seed of its own."""
    random.seed(derive_seed(seed, "python"))
    # Users' modules draw from this generator, so it is part of the state.
    np.random.seed(derive_seed(seed, "numpy") % 2**32)  # noqa: NPY002
    torch.manual_seed(derive_seed(seed, "torch"))


def capture(device: torch.device) -> tuple[dict[str, Tensor], dict[str, JSON]]:
    """The generators' states: tensors named `rng/...`, and what is no tensor as JSON."""
    version, words, python_gauss = random.getstate()
    numpy_state: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    tensors = {
        "rng/python": torch.tensor(words, dtype=torch.int64),
        "rng/numpy": torch.from_numpy(numpy_state["state"]["key"].astype(np.int64)),
        "rng/torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        tensors["rng/cuda"] = torch.cuda.get_rng_state(device)
    return tensors, {
        "python": {"version": version, "gauss": python_gauss},
        "numpy": {
            "pos": int(numpy_state["state"]["pos"]),
            "has_gauss": int(numpy_state["has_gauss"]),
            "gauss": float(numpy_state["gauss"]),
        },
    }


def restore(tensors: Mapping[str, Tensor], plain: Mapping[str, Any], device: torch.device) -> None:
    """Puts back what `capture` gave. Comes last in a resume: building things draws numbers."""
    python, numpy_plain = plain["python"], plain["numpy"]
    random.setstate((python["version"], tuple(tensors["rng/python"].tolist()), python["gauss"]))
    np.random.set_state(  # noqa: NPY002
        {
            "bit_generator": "MT19937",
            "state": {
                "key": tensors["rng/numpy"].numpy().astype(np.uint32),
                "pos": numpy_plain["pos"],
            },
            "has_gauss": numpy_plain["has_gauss"],
            "gauss": numpy_plain["gauss"],
        }
    )
    torch.set_rng_state(tensors["rng/torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(tensors["rng/cuda"], device)


@contextmanager
def undisturbed(*, threads: int, deterministic: bool, device: torch.device) -> Iterator[None]:
    """Sets torch's threads and determinism for a block.

    Afterwards these and all generators are as they were, so that one training never decides what
    comes after it.
    """
    tensors, plain = capture(device)
    before = torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(before)
        restore(tensors, plain, device)
