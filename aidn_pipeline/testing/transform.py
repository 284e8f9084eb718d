"""What a transform keeps to."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from aidn_pipeline.testing.clauses import hold
from aidn_pipeline.testing.component import ComponentSuite

BATCH = 6


class TransformSuite(ComponentSuite):
    """A transform is all in its description, and looks at one example at a time.

        class TestLogScale(TransformSuite):
            make = staticmethod(lambda: partial(LogScale, base=2.0))

    Attributes:
        shape: of a raw example.
    """

    group = "transform"
    shape: ClassVar[Sequence[int]] = (4,)

    def rows(self) -> Tensor:
        """Raw features (batch, *shape); override it where noise is no row."""
        return torch.randn(BATCH, *self.shape, generator=torch.Generator().manual_seed(2))

    def test_it_gives_a_row_for_a_row(self) -> None:
        """Finite floats, the batch axis first."""
        module, rows = self._module(), self.rows()
        found = module(rows)
        hold(
            isinstance(found, Tensor) and found.ndim > 1 and len(found) == len(rows),
            f"{len(rows)} rows become {list(getattr(found, 'shape', ()))}",
            where=self.subject.where,
            remedy="keep the batch axis first",
        )
        hold(
            found.is_floating_point() and bool(found.isfinite().all()),
            f"it gives {found.dtype}, or values that are not finite",
            where=self.subject.where,
            remedy="give float32; guard a division and a logarithm",
        )

    def test_its_description_is_all_of_it(self) -> None:
        """Another instance gives the same: what is served has only the description."""
        rows = self.rows()
        first = self._module()(rows)
        torch.manual_seed(1)
        hold(
            torch.equal(first, self._module()(rows)),
            "another instance of the same description gives other values",
            where=self.subject.where,
            remedy="make what was fitted a field; a `prepare` stage writes it into the description",
        )

    def test_a_row_is_changed_by_itself(self) -> None:
        """Not by its neighbours in the batch, which in serving are other people's."""
        module, rows = self._module(), self.rows()
        alone = torch.cat([module(rows[i : i + 1]) for i in range(len(rows))])
        hold(
            torch.equal(module(rows), alone),
            "a row's values depend on the other rows of its batch",
            where=self.subject.where,
            remedy="make statistics of the training rows a field; take none of a batch",
        )

    def test_it_is_the_same_in_training_and_serving(self) -> None:
        """In either mode, the first time and later."""
        module, rows = self._module(), self.rows()
        first = module.eval()(rows)
        module.train()(rows)
        hold(
            torch.equal(first, module(rows)) and torch.equal(first, module.eval()(rows)),
            "it changes from call to call, or with the mode",
            where=self.subject.where,
            remedy="what differs in training is an augmentation",
        )

    def test_it_leaves_its_input_as_it_is(self) -> None:
        """Raw rows are shown beside the predictions."""
        rows = self.rows()
        kept = rows.clone()
        self._module()(rows)
        hold(
            torch.equal(rows, kept),
            "it changes the raw rows in place",
            where=self.subject.where,
            remedy="use the operation that gives a new tensor",
        )

    def _module(self) -> nn.Module:
        module: Any = self.subject.build()()
        hold(
            isinstance(module, nn.Module),
            f"it is {type(module).__name__}, not a torch.nn.Module",
            where=self.subject.where,
        )
        assert isinstance(module, nn.Module)
        return module
