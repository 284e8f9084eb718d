"""The order of the examples: computed from (seed, epoch), never replayed."""

from dataclasses import dataclass

import torch
from torch import Tensor

from aidn_pipeline.core.fingerprint import derive_seed


@dataclass(frozen=True, slots=True)
class Order:
    """A permutation of `n` examples for each epoch; no other generator is touched.

    Attributes:
        seed: another seed is another order.
        n: number of examples.
    """

    seed: int
    n: int

    def permutation(self, epoch: int) -> Tensor:
        """int64 indices, shape (n,), on the CPU; the same for equal (seed, epoch, n)."""
        generator = torch.Generator()
        generator.manual_seed(derive_seed(self.seed, "order", epoch))
        return torch.randperm(self.n, generator=generator)
