"""What a checkpoint policy keeps to."""

from aidn_pipeline.testing.clauses import hold
from aidn_pipeline.testing.component import ComponentSuite

EPOCHS, STEPS, SECONDS = 30, 10, 3600.0


class CheckpointSuite(ComponentSuite):
    """A policy decides by what it is told; it saves now and then, and keeps at least one.

    class TestRare(CheckpointSuite):
        make = staticmethod(lambda: CheckpointPolicy(every_epochs=50))
    """

    group = "checkpoint"

    def test_equal_positions_give_equal_decisions(self) -> None:
        """Also asked backwards, by another instance."""
        forwards, backwards = self._decisions(), self._decisions(backwards=True)
        hold(
            forwards == backwards,
            "its decisions depend on what it was asked before",
            where=self.subject.where,
            remedy="decide from the arguments alone; `seconds` counts since the last checkpoint",
        )

    def test_it_saves_within_an_hour(self) -> None:
        """By epochs, by steps or by time: else a kill loses everything."""
        built = self.subject.build()
        hourly = built.due(epoch=0, epoch_end=False, step=3, seconds=SECONDS)
        hold(
            hourly or any(self._decisions()),
            "it never saves",
            where=self.subject.where,
            remedy="leave one of `every_epochs`, `every_steps`, `every_s` above 0",
        )

    def test_it_keeps_at_least_one(self) -> None:
        """`keep` is 1 or more; with two, a damaged one can be passed over."""
        keep = self.subject.build().keep
        hold(
            isinstance(keep, int) and keep >= 1,
            f"`keep` is {keep}",
            where=self.subject.where,
            remedy="keep 2",
        )

    def _decisions(self, *, backwards: bool = False) -> list[bool]:
        built = self.subject.build()
        if backwards:
            built.due(epoch=1, epoch_end=True, step=STEPS, seconds=SECONDS)
        moments = [(epoch, step) for epoch in range(EPOCHS) for step in range(1, STEPS + 1)]
        found = [
            built.due(
                epoch=epoch + (step == STEPS),
                epoch_end=step == STEPS,
                step=epoch * STEPS + step,
                seconds=1.0,
            )
            for epoch, step in (reversed(moments) if backwards else moments)
        ]
        return found[::-1] if backwards else found
