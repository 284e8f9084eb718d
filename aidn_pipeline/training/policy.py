"""When to save a checkpoint, and which to keep; never part of a result."""

from dataclasses import dataclass

from aidn_pipeline.core.component import component


@component("checkpoint", "standard")
@dataclass(frozen=True, kw_only=True)
class CheckpointPolicy:
    """Saves at steady intervals; whichever comes first.

    Attributes:
        every_epochs: 0 for never by epochs.
        every_steps: optimiser steps; 0 for never by steps.
        every_s: seconds since the last one, looked at a few times a second; 0 for never by time.
        keep: newest checkpoints that stay, at least 1; two let a damaged one be passed over.
    """

    every_epochs: int = 10
    every_steps: int = 0
    every_s: float = 15.0
    keep: int = 2

    def due(self, *, epoch: int, epoch_end: bool, step: int, seconds: float) -> bool:
        """Whether to save now.

        Args:
            epoch: epochs finished.
            epoch_end: whether one was finished just now.
            step: optimiser steps done.
            seconds: since the last checkpoint, or since training began.
        """
        by_epoch = epoch_end and self.every_epochs > 0 and epoch % self.every_epochs == 0
        by_step = self.every_steps > 0 and step > 0 and step % self.every_steps == 0
        return by_epoch or by_step or (self.every_s > 0 and seconds >= self.every_s)
