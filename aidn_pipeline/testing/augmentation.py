"""What an augmentation keeps to."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from aidn_pipeline.core.signature import Signature
from aidn_pipeline.testing.clauses import does_not_concern, hold
from aidn_pipeline.testing.component import ComponentSuite
from aidn_pipeline.testing.examples import example_signature
from aidn_pipeline.testing.watch import elsewhere
from aidn_pipeline.training.keyed import Keys
from aidn_pipeline.training.step import bound

BATCH = 8


class AugmentationSuite(ComponentSuite):
    """What an augmentation draws is a function of (seed, epoch, example) alone.

        class TestJitter(AugmentationSuite):
            make = staticmethod(lambda: partial(jitter, strength=0.2))
            shape = (3, 8, 8)

    Attributes:
        shape: of an example.
        draws: whether it draws at all.
    """

    group = "augmentation"
    shape: ClassVar[Sequence[int]] = (4,)
    draws: ClassVar[bool] = True

    def test_equal_keys_give_equal_examples(self, tmp_path: Path) -> None:
        """Whatever global generators stand at: a resumed run draws what was drawn."""
        found = []
        for number in (1, 2):
            with elsewhere(number, tmp_path):
                found.append(self._apply(self._inputs(), epoch=3))
        hold(
            torch.equal(found[0], found[1]),
            "equal keys give other examples the second time",
            where=self.subject.where,
            remedy="draw with `keys.uniform(width)` or `keys.normal(width)`",
        )

    def test_an_example_is_changed_by_itself(self) -> None:
        """In any batch and at any place of it."""
        inputs = self._inputs()
        whole = self._apply(inputs)
        order = torch.arange(BATCH).flip(0)
        turned = self._apply(inputs[order], samples=order).flip(0)
        alone = torch.cat(
            [self._apply(inputs[i : i + 1], samples=torch.tensor([i])) for i in range(BATCH)]
        )
        hold(
            torch.equal(whole, turned) and torch.equal(whole, alone),
            "an example is changed otherwise in another batch",
            where=self.subject.where,
            remedy="row i of what `keys` draws is for example i; use no index of the batch",
        )

    def test_another_epoch_is_another_draw(self) -> None:
        """So is another seed."""
        if not self.draws:
            raise does_not_concern("it draws nothing")
        inputs = self._inputs()
        first = self._apply(inputs)
        hold(
            not torch.equal(first, self._apply(inputs, epoch=1))
            and not torch.equal(first, self._apply(inputs, seed=1)),
            "every epoch or every seed draws the same",
            where=self.subject.where,
            remedy="draw with `keys`; set `draws = False` if nothing is drawn",
        )

    def test_shape_and_dtype_stay(self) -> None:
        """The model is built for them."""
        inputs = self._inputs()
        found = self._apply(inputs)
        hold(
            found.shape == inputs.shape and found.dtype == inputs.dtype,
            f"{list(inputs.shape)} {inputs.dtype} becomes {list(found.shape)} {found.dtype}",
            where=self.subject.where,
            remedy="`keys.uniform` is float64: end in `.to(inputs.dtype)`",
        )
        hold(bool(found.isfinite().all()), "it gives numbers that are not finite")

    def test_it_leaves_its_input_as_it_is(self) -> None:
        """A batch is a part of the whole split, which is used again in the next epoch."""
        inputs = self._inputs()
        kept = inputs.clone()
        self._apply(inputs)
        hold(
            torch.equal(inputs, kept),
            "it changes its input in place",
            where=self.subject.where,
            remedy="use the operation that gives a new tensor",
        )

    def test_it_draws_from_no_global_generator(self) -> None:
        """A number taken there changes what the model's dropout draws."""
        before = torch.random.get_rng_state()
        self._apply(self._inputs())
        after = torch.random.get_rng_state()
        torch.random.set_rng_state(before)
        hold(
            torch.equal(before, after),
            "it takes numbers from torch's global generator",
            where=self.subject.where,
            remedy="draw with `keys.uniform(width)` or `keys.normal(width)`",
        )

    def _inputs(self) -> Tensor:
        return torch.rand(BATCH, *self.shape, generator=torch.Generator().manual_seed(4))

    def _apply(
        self, inputs: Tensor, *, seed: int = 0, epoch: int = 0, samples: Tensor | None = None
    ) -> Tensor:
        signature: Signature = example_signature(shape=self.shape)
        augment: Callable[..., Any] = bound(self.subject.build(), signature)
        keys = Keys(seed, epoch, torch.arange(BATCH) if samples is None else samples)
        found: Tensor = augment(inputs, keys)
        return found
