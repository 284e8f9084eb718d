"""What early stopping keeps to."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict

from aidn_pipeline.core.fingerprint import canonical_json
from aidn_pipeline.testing.clauses import hold
from aidn_pipeline.testing.component import ComponentSuite
from aidn_pipeline.training.early_stop import Patience

EPOCHS = 400
"""After which nothing but improvements may keep a training going."""


class EarlyStopSuite(ComponentSuite):
    """All that early stopping remembers is its state, which a checkpoint holds.

    class TestPlateau(EarlyStopSuite):
        make = staticmethod(lambda: Plateau(epochs=5))
    """

    group = "early_stop"

    def test_it_goes_on_while_it_gets_better(self) -> None:
        """In either mode."""
        for mode, sign in (("min", -1.0), ("max", 1.0)):
            stopped = self._stops([sign * epoch for epoch in range(EPOCHS)], mode)
            hold(
                stopped is None,
                f"mode {mode}: it stops at epoch {stopped} although every epoch was better",
                where=self.subject.where,
                remedy="compare in the direction of `mode`",
            )

    def test_it_stops_when_nothing_gets_better(self) -> None:
        """Whether values stay, get worse, or are no numbers."""
        for name, values in (
            ("stay", [1.0] * EPOCHS),
            ("get worse", [float(epoch) for epoch in range(EPOCHS)]),
            ("are NaN", [math.nan] * EPOCHS),
        ):
            hold(
                self._stops(values, "min") is not None,
                f"it goes on for {EPOCHS} epochs although values {name}",
                where=self.subject.where,
                remedy="count an epoch that is not better, NaN included",
            )

    def test_the_modes_mirror_each_other(self) -> None:
        """Negated values under the other mode stop at the same epoch."""
        small, large = self._stops(WAVE, "min"), self._stops([-v for v in WAVE], "max")
        hold(
            small == large,
            f"mode min stops at epoch {small}, mode max with negated values at {large}",
            where=self.subject.where,
            remedy="turn the sign of values around under `max`, and treat both modes alike",
        )

    def test_its_state_continues_to_the_same_decision(self) -> None:
        """Saved as JSON after any epoch, and taken up by another instance."""
        straight = self._stops(WAVE, "min")
        for at in range(1, len(WAVE)):
            broken = self._stops(WAVE, "min", broken_at=at)
            hold(
                broken == straight,
                f"it stops at epoch {broken} instead of {straight} after a resume at epoch {at}",
                where=self.subject.where,
                remedy="keep everything in the state that `update` is handed",
            )

    def _stops(
        self, values: Sequence[float], mode: str, *, broken_at: int | None = None
    ) -> int | None:
        built, state = self.subject.build(), Patience()
        for epoch, value in enumerate(values):
            if epoch == broken_at:
                state = Patience(**json.loads(canonical_json(asdict(state))))
                built = self.subject.build()
            if built.update(state, value, mode):
                return epoch
        return None


WAVE = [3.0 + math.sin(epoch) * 0.5 + epoch / 50 for epoch in range(120)]
"""Better for a while, with good and bad epochs, then worse and worse."""
