"""Learning-rate schedules as pure functions of the step; torch's own stand in `external.py`."""

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

from aidn_pipeline.core.component import component


class Schedule(Protocol):
    """What the learning rate of every parameter group is multiplied with."""

    def factor(self, step: int, total: int) -> float:
        """The factor at optimiser step `step`, counted from 0, of `total`."""
        ...


@component("lr_scheduler", "constant")
@dataclass(frozen=True, kw_only=True)
class Constant:
    """The same rate throughout, after a linear warm-up.

    Attributes:
        warmup_steps: optimiser steps from 0 to the full rate; 0 for none.
    """

    warmup_steps: int = 0

    def factor(self, step: int, total: int) -> float:
        """1 after the warm-up; `total` does not matter."""
        return min(1.0, (step + 1) / (self.warmup_steps + 1))


@component("lr_scheduler", "cosine")
@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Half a cosine from the full rate to `floor` over all steps, after a linear warm-up.

    Depends on the number of all steps: a result cannot be extended to more epochs.

    Source: I. Loshchilov, F. Hutter, "SGDR" (ICLR 2017), eq. 5, one cycle.

    Attributes:
        warmup_steps: optimiser steps from 0 to the full rate; 0 for none.
        floor: the factor at the end, in [0, 1].
    """

    bounded: ClassVar[bool] = True
    warmup_steps: int = 0
    floor: float = 0.0

    def factor(self, step: int, total: int) -> float:
        """From 1 to `floor`."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        done = (step - self.warmup_steps) / max(1, total - self.warmup_steps)
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


@component("lr_scheduler", "linear")
@dataclass(frozen=True, kw_only=True)
class Linear:
    """A straight line from the full rate to `floor` over all steps, after a linear warm-up.

    Depends on the number of all steps: a result cannot be extended to more epochs.

    Attributes:
        warmup_steps: optimiser steps from 0 to the full rate; 0 for none.
        floor: the factor at the end, in [0, 1].
    """

    bounded: ClassVar[bool] = True
    warmup_steps: int = 0
    floor: float = 0.0

    def factor(self, step: int, total: int) -> float:
        """From 1 to `floor`."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        done = (step - self.warmup_steps) / max(1, total - self.warmup_steps)
        return 1 - (1 - self.floor) * min(1.0, done)
