"""What a model keeps to."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from aidn_pipeline.core.signature import Signature
from aidn_pipeline.inputs.forward import arguments_of
from aidn_pipeline.testing.clauses import hold
from aidn_pipeline.testing.component import ComponentSuite
from aidn_pipeline.testing.examples import example_signature
from aidn_pipeline.testing.subject import Subject
from aidn_pipeline.testing.watch import elsewhere
from aidn_pipeline.training.inference import all_tensors, load_tensors

BATCH = 5
"""Examples in a batch: odd, and larger than one."""
CLOSE = 1e-5
"""How far outputs may lie apart that only differ in the order of additions."""


class ModelSuite(ComponentSuite):
    """A model is made by its seed, is all in its tensors, and judges each example by itself.

        class TestRingsNet(ModelSuite):
            make = staticmethod(lambda: partial(RingsNet, hidden=8))

    Attributes:
        signatures: of the data it is for; flat rows of every task by default. For images:
            `(example_signature("multiclass", shape=(1, 8, 8)),)`; for texts:
            `(example_text_signature("binary"),)`.
    """

    group = "model"
    signatures: ClassVar[Sequence[Signature]] = (
        example_signature("multiclass"),
        example_signature("binary"),
        example_signature("regression"),
    )

    def test_forward_gives_the_head_of_the_task(self) -> None:
        """Shape (batch, outputs), float32, finite, in both modes; one example is a batch too."""
        for model, signature, where in self._models():
            for training, batch in ((True, BATCH), (False, BATCH), (False, 1)):
                found = _call(model.train(training), signature, _inputs(signature, batch))
                hold(
                    isinstance(found, Tensor) and found.shape == (batch, signature.outputs),
                    f"{signature.task}: outputs of shape {list(getattr(found, 'shape', ()))} "
                    f"instead of {[batch, signature.outputs]}",
                    where=where,
                    remedy="end in a layer of width `signature.outputs`",
                )
                hold(
                    found.dtype == torch.float32 and bool(found.isfinite().all()),
                    f"{signature.task}: outputs are {found.dtype} or not finite",
                    where=where,
                    remedy="give raw logits or values as float32",
                )

    def test_the_seed_decides_the_initial_weights(self, tmp_path: Path) -> None:
        """Equal under torch's seed alone, whatever other generators stand at."""
        subject = self.subject
        for signature in self.signatures:
            states = []
            for number in (1, 2):
                with elsewhere(number, tmp_path):
                    torch.manual_seed(0)
                    states.append(all_tensors(_built(subject, signature)))
            odd = [n for n in states[0] if not torch.equal(states[0][n], states[1][n])]
            hold(
                not odd,
                f"{', '.join(odd)} differ between two models of one seed",
                where=subject.where,
                remedy="draw initial weights with torch's global generator",
            )

    def test_its_tensors_are_all_of_its_state(self) -> None:
        """Parameters and buffers in another instance, through safetensors: the same outputs."""
        subject = self.subject
        for model, signature, where in self._models():
            _call(model.train(), signature, _inputs(signature, BATCH))
            model.eval()
            tensors = {n: t.contiguous().clone() for n, t in all_tensors(model).items()}
            again = _built(subject, signature, seed=9)
            load_tensors(again, load(save(tensors)), where)
            hold(
                _same(model, again.eval(), signature),
                f"{signature.task}: another instance with the same tensors gives other outputs",
                where=where,
                remedy="keep state in parameters and buffers (`register_buffer`)",
            )

    def test_evaluation_changes_nothing(self) -> None:
        """Equal inputs give equal outputs, and no tensor of the model moves."""
        for model, signature, where in self._models():
            model.eval()
            before = {n: t.clone() for n, t in all_tensors(model).items()}
            hold(
                _same(model, model, signature),
                f"{signature.task}: evaluating twice gives other outputs",
                where=where,
                remedy="draw and update only while `self.training`",
            )
            moved = [n for n, t in all_tensors(model).items() if not torch.equal(t, before[n])]
            hold(
                not moved,
                f"{signature.task}: evaluation changes {', '.join(moved)}",
                where=where,
                remedy="update buffers only while `self.training`",
            )

    def test_an_example_is_judged_by_itself(self) -> None:
        """In evaluation, outputs of an example do not depend on its neighbours or its place."""
        for model, signature, where in self._models():
            model.eval()
            inputs = _inputs(signature, BATCH)
            with torch.no_grad():
                whole = _call(model, signature, inputs)
                alone = torch.cat(
                    [_call(model, signature, inputs[i : i + 1]) for i in range(BATCH)]
                )
                turned = _call(model, signature, inputs.flip(0)).flip(0)
            for other in (alone, turned):
                hold(
                    torch.allclose(whole, other, atol=CLOSE, rtol=CLOSE),
                    f"{signature.task}: outputs of an example depend on the others in its batch",
                    where=where,
                    remedy="take statistics of a batch only while `self.training`",
                )

    def test_forward_leaves_its_input_as_it_is(self) -> None:
        """Batches are views of the whole split: a change would be learned from again."""
        for model, signature, where in self._models():
            inputs = _inputs(signature, BATCH)
            kept = inputs.clone()
            _call(model, signature, inputs)
            hold(
                torch.equal(inputs, kept),
                f"{signature.task}: forward changes its input in place",
                where=where,
                remedy="use the operation that gives a new tensor",
            )

    def test_gradients_reach_every_parameter(self) -> None:
        """Each parameter that is to be trained gets a finite gradient from the outputs."""
        for model, signature, where in self._models():
            outputs = _call(model.train(), signature, _inputs(signature, BATCH))
            weights = torch.linspace(1.0, 2.0, outputs.numel()).reshape(outputs.shape)
            (outputs * weights).sum().backward()
            lost = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
            hold(
                not lost,
                f"{signature.task}: no gradient reaches {', '.join(lost)}",
                where=where,
                remedy="use it in forward, do not detach it, or set `requires_grad_(False)`",
            )
            wild = [
                n
                for n, p in model.named_parameters()
                if p.grad is not None and not bool(p.grad.isfinite().all())
            ]
            hold(
                not wild,
                f"{signature.task}: the gradient of {', '.join(wild)} is not finite",
                where=where,
            )

    def _models(self) -> Iterator[tuple[nn.Module, Signature, str]]:
        subject = self.subject
        for signature in self.signatures:
            with torch.random.fork_rng(devices=[]):
                yield _built(subject, signature), signature, subject.where


def _built(subject: Subject, signature: Signature, *, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    model: Any = subject.build()(signature=signature)
    hold(
        isinstance(model, nn.Module),
        f"{subject.spec.key} gives {type(model).__name__}, not a torch.nn.Module",
        where=subject.where,
    )
    assert isinstance(model, nn.Module)
    return model


def _inputs(signature: Signature, batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    if signature.text is None:
        return torch.randn(batch, *signature.shape, generator=generator)
    tokens = torch.randint(1, signature.vocabulary, (batch, *signature.shape), generator=generator)
    # Texts of every length, padded on the right; the last one of a larger batch is empty.
    lengths = torch.arange(batch, 0, -1)[:, None] - int(batch > 1)
    return tokens * (torch.arange(signature.shape[0])[None, :] < lengths)


def _call(model: nn.Module, signature: Signature, inputs: Tensor) -> Any:
    first, named = arguments_of(model, signature)(inputs)
    return model(first, **named)


def _same(one: nn.Module, other: nn.Module, signature: Signature) -> bool:
    inputs = _inputs(signature, BATCH)
    with torch.no_grad():
        torch.manual_seed(1)
        first = _call(one, signature, inputs)
        torch.manual_seed(2)
        return torch.equal(first, _call(other, signature, inputs))
