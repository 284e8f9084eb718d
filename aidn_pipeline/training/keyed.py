"""Random numbers that are a function of (seed, epoch, sample): nothing to save, nothing to replay.

An augmentation drawn this way is the same after a resume, in any batch and on any device.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from aidn_pipeline.core.fingerprint import derive_seed

# splitmix64 (Steele, Lea, Flood, OOPSLA 2014), with its 64-bit constants as signed integers:
# torch's int64 arithmetic wraps, which is what the hash wants.
GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
FIRST = 0xBF58476D1CE4E5B9 - (1 << 64)
SECOND = 0x94D049BB133111EB - (1 << 64)
HALF = 0.5 / (1 << 53)


def _shifted(words: Tensor, by: int) -> Tensor:
    # A logical shift: the arithmetic one copies the sign bit in.
    return (words >> by) & ((1 << (64 - by)) - 1)


def mix(words: Tensor) -> Tensor:
    """A bijective hash of int64 words."""
    z = words + GOLDEN
    z = (z ^ _shifted(z, 30)) * FIRST
    z = (z ^ _shifted(z, 27)) * SECOND
    return z ^ _shifted(z, 31)


@dataclass(slots=True)
class Keys:
    """The randomness of one batch.

    Attributes:
        seed: of the augmentation.
        epoch: counted from 0.
        samples: int64 positions of the batch's examples in the training split, shape (batch,).
    """

    seed: int
    epoch: int
    samples: Tensor

    def uniform(self, width: int) -> Tensor:
        """Numbers in (0, 1), float64, shape (batch, width), on the device of `samples`."""
        start = mix(self.samples + derive_seed(self.seed, "keyed", self.epoch))
        lanes = torch.arange(width, device=self.samples.device, dtype=torch.int64)
        words = mix(start[:, None] + mix(lanes)[None, :])
        return _shifted(words, 11).to(torch.float64) / (1 << 53) + HALF

    def normal(self, width: int) -> Tensor:
        """Standard normal numbers, float32, shape (batch, width).

        Source: G. E. P. Box, M. E. Muller, "A note on the generation of random normal deviates"
        (1958).
        """
        pairs = self.uniform(2 * width)
        radius = torch.sqrt(-2.0 * torch.log(pairs[:, :width]))
        return (radius * torch.cos(2.0 * math.pi * pairs[:, width:])).to(torch.float32)
