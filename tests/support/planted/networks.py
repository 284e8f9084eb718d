"""Models, losses, metrics, transforms and augmentations with one fault each."""

import random

import torch
from torch import Tensor, nn

from aidn_pipeline.core.component import component
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.testing.augmentation import AugmentationSuite
from aidn_pipeline.testing.loss import LossSuite
from aidn_pipeline.testing.metric import MetricSuite
from aidn_pipeline.testing.model import ModelSuite
from aidn_pipeline.testing.transform import TransformSuite
from aidn_pipeline.training.keyed import Keys
from support.planted.fault import planted


class Net(nn.Module):
    """A linear model without a fault."""

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self.layer = nn.Linear(len(signature.features), signature.outputs)

    def forward(self, rows: Tensor) -> Tensor:
        return self.layer(rows)


@component("model", "planted_wide")
class Wide(Net):
    """Gives float64."""

    def forward(self, rows: Tensor) -> Tensor:
        return super().forward(rows).double()


@component("model", "planted_dice")
class Dice(Net):
    """Draws initial weights from another generator."""

    def __init__(self, signature: Signature) -> None:
        super().__init__(signature)
        with torch.no_grad():
            self.layer.bias.fill_(random.random())


@component("model", "planted_attribute")
class Attribute(Net):
    """Keeps a number that no tensor holds."""

    def __init__(self, signature: Signature) -> None:
        super().__init__(signature)
        self.scale = 1 + float(torch.rand(1))

    def forward(self, rows: Tensor) -> Tensor:
        return super().forward(rows) * self.scale


@component("model", "planted_counter")
class Counter(Net):
    """Counts what it is asked, in evaluation as well."""

    def __init__(self, signature: Signature) -> None:
        super().__init__(signature)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, rows: Tensor) -> Tensor:
        self.seen += 1
        return super().forward(rows)


@component("model", "planted_neighbours")
class Neighbours(Net):
    """Looks at the rest of the batch."""

    def forward(self, rows: Tensor) -> Tensor:
        found = super().forward(rows)
        return found - found.mean(dim=0, keepdim=True)


@component("model", "planted_clamp")
class Clamp(Net):
    """Works in place."""

    def forward(self, rows: Tensor) -> Tensor:
        return super().forward(rows.clamp_(-1, 1))


@component("model", "planted_idle")
class Idle(Net):
    """Has a parameter that takes no part."""

    def __init__(self, signature: Signature) -> None:
        super().__init__(signature)
        self.idle = nn.Parameter(torch.ones(2))


@component("loss", "planted_each")
def each(outputs: Tensor, targets: Tensor) -> Tensor:
    """One number for each example."""
    return (outputs - targets).square().mean(dim=1)


@component("loss", "planted_detached")
def detached(outputs: Tensor, targets: Tensor) -> Tensor:
    """Is cut off from the outputs."""
    return (outputs.detach() - targets).square().mean()


@component("loss", "planted_total")
def total(outputs: Tensor, targets: Tensor) -> Tensor:
    """Is the sum."""
    return (outputs - targets).square().sum()


@component("loss", "planted_odd")
def odd(outputs: Tensor, targets: Tensor) -> Tensor:
    """Looks at every second example."""
    return (outputs - targets)[::2].square().mean()


@component("loss", "planted_negative")
def negative(outputs: Tensor, targets: Tensor) -> Tensor:
    """Has the wrong sign."""
    return -(outputs - targets).square().mean()


@component("loss", "planted_clamped")
def clamped(outputs: Tensor, targets: Tensor) -> Tensor:
    """Changes the targets."""
    return (outputs - targets.clamp_(-1, 1)).square().mean()


def distance(outputs: Tensor, targets: Tensor) -> float:
    return float((outputs - targets).abs().mean())


@component("metric", "planted_undirected")
def undirected(outputs: Tensor, targets: Tensor) -> float:
    """Does not say what is better."""
    return distance(outputs, targets)


@component("metric", "planted_text", mode="min")
def text(outputs: Tensor, targets: Tensor) -> str:
    """Is a text."""
    return str(distance(outputs, targets))


@component("metric", "planted_mean", mode="min")
class RunningMean:
    """Adds up from call to call."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        self.seen.append(distance(outputs, targets))
        return sum(self.seen) / len(self.seen)


@component("metric", "planted_first", mode="min")
def first(outputs: Tensor, targets: Tensor) -> float:
    """Looks at the first row."""
    return distance(outputs[:1], targets[:1])


@component("metric", "planted_upside_down", mode="max")
def upside_down(outputs: Tensor, targets: Tensor) -> float:
    """Says the wrong direction."""
    return distance(outputs, targets)


@component("metric", "planted_clamping", mode="min")
def clamping(outputs: Tensor, targets: Tensor) -> float:
    """Changes the targets."""
    return distance(outputs, targets.clamp_(-1, 1))


@component("transform", "planted_codes")
class Codes(nn.Module):
    """Gives whole numbers."""

    def forward(self, rows: Tensor) -> Tensor:
        return rows.long()


@component("transform", "planted_drawn")
class Drawn(nn.Module):
    """Fits something that its description does not say."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = float(torch.rand(1))

    def forward(self, rows: Tensor) -> Tensor:
        return rows + self.shift


@component("transform", "planted_centred")
class Centred(nn.Module):
    """Takes the mean of the batch away."""

    def forward(self, rows: Tensor) -> Tensor:
        return rows - rows.mean(dim=0)


@component("transform", "planted_moody")
class Moody(nn.Module):
    """Is another one in training."""

    def forward(self, rows: Tensor) -> Tensor:
        return rows * 2 if self.training else rows


@component("transform", "planted_in_place")
class InPlace(nn.Module):
    """Changes the raw rows."""

    def forward(self, rows: Tensor) -> Tensor:
        return rows.clamp_(-1, 1)


@component("augmentation", "planted_seeded")
def seeded(inputs: Tensor, keys: Keys) -> Tensor:
    """Looks at the global seed."""
    drawn = keys.uniform(inputs[0].numel()).reshape(inputs.shape) + torch.initial_seed() % 97
    return inputs + drawn.to(inputs.dtype)


@component("augmentation", "planted_by_place")
def by_place(inputs: Tensor, keys: Keys) -> Tensor:
    """Looks at the place in the batch."""
    place = torch.arange(len(inputs))[:, None]
    return inputs + place * keys.uniform(inputs.shape[1]).to(inputs.dtype)


@component("augmentation", "planted_constant")
def constant(inputs: Tensor, keys: Keys) -> Tensor:
    """Draws nothing."""
    return inputs + 0.5


@component("augmentation", "planted_double")
def double(inputs: Tensor, keys: Keys) -> Tensor:
    """Gives the dtype of the drawn numbers."""
    return inputs + keys.uniform(inputs.shape[1])


@component("augmentation", "planted_over")
def over(inputs: Tensor, keys: Keys) -> Tensor:
    """Writes over the split's own rows."""
    return inputs.clamp_(0.2, 0.8) + keys.uniform(inputs.shape[1]).to(inputs.dtype)


@component("augmentation", "planted_thief")
def thief(inputs: Tensor, keys: Keys) -> Tensor:
    """Takes a number that it does not use."""
    torch.rand(1)
    return inputs + keys.uniform(inputs.shape[1]).to(inputs.dtype)


def judged(suite, clause, make):
    return planted(suite, clause, make, tasks=("regression",))


FAULTS = [
    planted(ModelSuite, "test_forward_gives_the_head_of_the_task", Wide),
    planted(ModelSuite, "test_the_seed_decides_the_initial_weights", Dice),
    planted(ModelSuite, "test_its_tensors_are_all_of_its_state", Attribute),
    planted(ModelSuite, "test_evaluation_changes_nothing", Counter),
    planted(ModelSuite, "test_an_example_is_judged_by_itself", Neighbours),
    planted(ModelSuite, "test_forward_leaves_its_input_as_it_is", Clamp),
    planted(ModelSuite, "test_gradients_reach_every_parameter", Idle),
    judged(LossSuite, "test_it_is_a_finite_scalar", each),
    judged(LossSuite, "test_its_gradient_reaches_the_outputs", detached),
    judged(LossSuite, "test_it_is_the_mean_over_the_batch", total),
    judged(LossSuite, "test_the_order_of_examples_changes_nothing", odd),
    judged(LossSuite, "test_right_outputs_cost_less_than_wrong_ones", negative),
    judged(LossSuite, "test_it_leaves_outputs_and_targets_as_they_are", clamped),
    judged(MetricSuite, "test_it_says_which_direction_is_better", undirected),
    judged(MetricSuite, "test_it_is_a_finite_number", text),
    judged(MetricSuite, "test_calling_it_again_gives_the_same_number", RunningMean),
    judged(MetricSuite, "test_the_order_of_rows_changes_nothing", first),
    judged(MetricSuite, "test_right_outputs_are_better_than_wrong_ones", upside_down),
    judged(MetricSuite, "test_it_leaves_outputs_and_targets_as_they_are", clamping),
    planted(TransformSuite, "test_it_gives_a_row_for_a_row", Codes),
    planted(TransformSuite, "test_its_description_is_all_of_it", Drawn),
    planted(TransformSuite, "test_a_row_is_changed_by_itself", Centred),
    planted(TransformSuite, "test_it_is_the_same_in_training_and_serving", Moody),
    planted(TransformSuite, "test_it_leaves_its_input_as_it_is", InPlace),
    planted(AugmentationSuite, "test_equal_keys_give_equal_examples", seeded),
    planted(AugmentationSuite, "test_an_example_is_changed_by_itself", by_place),
    planted(AugmentationSuite, "test_another_epoch_is_another_draw", constant),
    planted(AugmentationSuite, "test_shape_and_dtype_stay", double),
    planted(AugmentationSuite, "test_it_leaves_its_input_as_it_is", over),
    planted(AugmentationSuite, "test_it_draws_from_no_global_generator", thief),
]
