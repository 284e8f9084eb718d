"""One training run: start or continue, epochs, judging, saving, the results."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aidn_pipeline.core.artifact import Checkpoint
from aidn_pipeline.core.describe import complete, describe
from aidn_pipeline.core.events import CheckpointSaved, Notice, Progress
from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.core.stage import Description, StageContext
from aidn_pipeline.errors import CorruptObject, DataError, StageFailed
from aidn_pipeline.training.checkpoint import (
    TrainState,
    best_files,
    environment,
    restore_state,
    state_files,
)
from aidn_pipeline.training.early_stop import better
from aidn_pipeline.training.inference import (
    all_tensors,
    load_tensors,
    outputs_of,
    preprocessing,
    read_description,
)
from aidn_pipeline.training.located import batch_of, located
from aidn_pipeline.training.loop import Loop, Pace, finite
from aidn_pipeline.training.optimizer import Rates, build_optimizer
from aidn_pipeline.training.order import Order
from aidn_pipeline.training.randomness import seed_all, undisturbed
from aidn_pipeline.training.step import Step, SupervisedStep, bound
from aidn_pipeline.training.trainer import Trainer, resolve_device


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """What is learned from. Features are raw: the run applies `preprocess`.

    Attributes:
        dataset: id of the data set.
        signature: of the data.
        preprocess: descriptions of the transforms.
        train: features (n, *shape) and targets.
        validation: the same, or None: then only the training loss can be monitored.
        golden: a few raw held-out examples whose outputs are recorded with the model.
    """

    dataset: str
    signature: Signature
    preprocess: Sequence[Description]
    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor] | None
    golden: Tensor


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a training run gives: two checkpoints and the metrics of the best epoch."""

    best: Checkpoint
    last: Checkpoint
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A state to continue from; `record` is None for a predecessor's."""

    epoch: int
    batch: int
    record: Any


def fit(trainer: Trainer, data: TrainingData, ctx: StageContext) -> Fitted:
    """Trains to the end, from wherever an earlier attempt or a shorter result got to.

    Raises:
        StageFailed: if the loss stops being finite.
        DataError: if the monitored metric is none that is computed here.
        Interrupted: once an end was asked for, after a checkpoint.
    """
    device = resolve_device(trainer.device, deterministic=trainer.deterministic)
    with undisturbed(threads=trainer.threads, deterministic=trainer.deterministic, device=device):
        return Run(trainer, data, ctx, device).finish()


class Run:
    """The parts of one training run and the order in which they act."""

    def __init__(
        self, trainer: Trainer, data: TrainingData, ctx: StageContext, device: torch.device
    ) -> None:
        if len(data.train[0]) == 0:
            raise DataError(
                "the training split is empty", where="split.train", remedy="give it a larger share"
            )
        self._trainer = trainer
        self._data = data
        self._ctx = ctx
        self._device = device
        signature = data.signature
        self._preprocess = preprocessing(ctx.index, data.preprocess).to(device)
        self._train = self._placed(data.train)
        self._validation = self._placed(data.validation) if data.validation else None
        self._loss = bound(trainer.loss_for(signature), signature)
        self._metrics = {k: bound(f, signature) for k, f in trainer.metrics_for(signature).items()}
        self._env = environment(
            device, threads=trainer.threads, deterministic=trainer.deterministic
        )
        self._saved_at = time.monotonic()
        self._check_monitor()
        spec = ctx.index.find("model", describe(trainer.model)["use"])
        self._head: dict[str, JSON] = {
            "model": complete(ctx.index, "model", describe(trainer.model)),
            "code": {"version": spec.version, "files": dict(spec.code)},
            "signature": signature.to_json(),
            "preprocess": list(data.preprocess),
        }

    def finish(self) -> Fitted:
        """Trains and takes the results into the store."""
        state = self._start()
        loop, epochs = state.loop, self._trainer.epochs
        while loop.position.epoch < epochs and not state.stopped:
            stretches = loop.epoch()
            while True:
                with located(lambda: batch_of(loop.position)):
                    epoch_end = next(stretches, None)
                if epoch_end is None:
                    break
                if epoch_end:
                    self._end_epoch(state)
                self._maybe_save(state, epoch_end)
        if not state.best.tensors:
            raise StageFailed(
                f"{self._trainer.monitor['metric']} was never a finite number",
                where="trainer.monitor.metric",
                remedy="lower `optimizer.lr`, or monitor another metric",
            )
        files = {n: b"".join(b) for n, b in state_files(state, self._head, self._env).items()}
        last = self._ctx.save(Checkpoint, files)
        head = {
            **self._head,
            "golden": self._golden(state),
            "epoch": int(state.best.metrics["epoch"]),
        }
        best = self._ctx.save(Checkpoint, best_files(state, head))
        return Fitted(best, last, finite(state.best.metrics))

    def _start(self) -> TrainState:
        for candidate in self._candidates():
            state = self._fresh()
            try:
                files = self._files(candidate)
                if self._same_environment(files):
                    restore_state(state, files)
                    return state
            except CorruptObject as error:
                place = f"epoch {candidate.epoch}" + (
                    f", batch {candidate.batch}" if candidate.batch else ""
                )
                self._ctx.emit(
                    Notice(
                        text=f"the checkpoint of {place} cannot be used ({error.problem}); "
                        "an earlier one is, and the epochs since are trained again",
                        level="warning",
                    )
                )
        return self._fresh()

    def _candidates(self) -> list[Candidate]:
        """States up to the wanted number of epochs, the farthest first."""
        found = [
            Candidate(int(record.info["epoch"]), int(record.info["batch"]), record)
            for record in self._ctx.checkpoints.records()
        ]
        if self._ctx.predecessor is not None:
            description = read_description(
                self._ctx.files(self._ctx.predecessor.outputs["last"])["checkpoint.json"]
            )
            position = description["position"]
            found.append(Candidate(position["epoch"], position["batch"], None))
        usable = [c for c in found if (c.epoch, c.batch) <= (self._trainer.epochs, 0)]
        return sorted(usable, key=lambda c: (c.epoch, c.batch), reverse=True)

    def _files(self, candidate: Candidate) -> Mapping[str, Path]:
        if candidate.record is not None:
            return self._ctx.checkpoints.open(candidate.record)
        assert self._ctx.predecessor is not None
        return self._ctx.files(self._ctx.predecessor.outputs["last"])

    def _same_environment(self, files: Mapping[str, Path]) -> bool:
        saved = read_description(files["checkpoint.json"])["environment"]
        changed = [
            f"{key} {saved.get(key)} -> {value}"
            for key, value in self._env.items()
            if saved.get(key) != value
        ]
        if changed:
            self._ctx.emit(
                Notice(
                    text=f"a checkpoint was made elsewhere ({', '.join(changed)}): "
                    "continuing would not give the same bytes, so it is not used",
                    level="warning",
                )
            )
        return not changed

    def _fresh(self) -> TrainState:
        trainer, signature = self._trainer, self._data.signature
        seed_all(trainer.seed)
        step: Step = SupervisedStep(
            trainer.model, trainer.loss_for(signature), trainer.augment, trainer.seed
        )
        step.setup(signature, self._device)
        for module in step.modules().values():
            module.train()
        optimizer = build_optimizer(trainer.optimizer, step.param_groups())
        rates = Rates(trainer.lr_scheduler, optimizer)
        loop = Loop(
            step=step,
            optimizer=optimizer,
            advance=rates.advance,
            data=self._train,
            order=Order(trainer.seed, len(self._train[0])),
            pace=Pace(
                batch_size=trainer.batch_size,
                accumulate=trainer.accumulate,
                clip=trainer.clip,
                every_steps=trainer.checkpoint.every_steps,
            ),
            stop=self._ctx,
        )
        rates.total = loop.steps * trainer.epochs
        return TrainState(
            step=step,
            optimizer=optimizer,
            rates=rates,
            loop=loop,
            device=self._device,
            dataset=self._data.dataset,
            seed=trainer.seed,
        )

    def _end_epoch(self, state: TrainState) -> None:
        trainer = self._trainer
        metric, mode = trainer.monitor["metric"], trainer.monitor["mode"]
        values = {"train_loss": state.loop.end_epoch()}
        model = state.step.modules()["model"]
        if self._validation is not None:
            with located(lambda: f"the validation after epoch {state.loop.position.epoch}"):
                values |= self._judge(model)
        epoch = state.loop.position.epoch
        monitored = values[metric]
        if better(monitored, state.best.value, mode):
            state.best.value = monitored
            state.best.metrics = {**values, "epoch": float(epoch)}
            state.best.tensors = {n: t.cpu().clone() for n, t in all_tensors(model).items()}
        if trainer.early_stop is not None:
            state.stopped = trainer.early_stop.update(state.patience, monitored, mode)
        self._ctx.points.log({**finite(values), "lr": state.rates.lr}, epoch)
        state.rates.epoch_done(monitored)
        self._ctx.emit(
            Progress(done=epoch, total=trainer.epochs, unit="epoch", values=finite(values))
        )

    def _judge(self, model: nn.Module) -> dict[str, float]:
        assert self._validation is not None
        inputs, targets = self._validation
        outputs = outputs_of(model, inputs, self._data.signature)
        with torch.no_grad():
            values = {"val_loss": float(self._loss(outputs, targets))}
            return values | {
                f"val_{k}": float(m(outputs, targets)) for k, m in self._metrics.items()
            }

    def _maybe_save(self, state: TrainState, epoch_end: bool) -> None:
        position, policy = state.loop.position, self._trainer.checkpoint
        wanted = self._ctx.stop_requested
        over = state.stopped or position.epoch == self._trainer.epochs
        seconds = time.monotonic() - self._saved_at
        due = policy.due(
            epoch=position.epoch, epoch_end=epoch_end, step=position.step, seconds=seconds
        )
        if wanted or (due and not over):
            self._save(state)
        if wanted:
            self._ctx.stop()

    def _save(self, state: TrainState) -> None:
        position = state.loop.position
        files = state_files(state, self._head, self._env)
        info = {"epoch": position.epoch, "batch": position.batch, "step": position.step}
        kept = self._ctx.checkpoints
        kept.save(files, info)
        kept.retain([r.number for r in kept.records()][-max(1, self._trainer.checkpoint.keep) :])
        self._saved_at = time.monotonic()
        self._ctx.emit(CheckpointSaved(step=position.step, epoch=position.epoch))

    def _placed(self, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        rows = self._trainer.limit_batches * self._trainer.batch_size or None
        features, targets = (t[:rows].to(self._device) for t in pair)
        with torch.no_grad():
            return self._preprocess(features), targets

    def _check_monitor(self) -> None:
        metric = self._trainer.monitor["metric"]
        known = ["train_loss"]
        if self._validation is not None:
            known += ["val_loss", *(f"val_{name}" for name in self._metrics)]
        if metric not in known:
            raise DataError(
                f"the monitored metric {metric!r} is none that is computed here",
                where="trainer.monitor.metric",
                remedy=f"use one of {', '.join(known)}"
                + ("" if self._validation is not None else "; there is no validation split"),
            )

    def _golden(self, state: TrainState) -> JSON:
        model = state.step.modules()["model"]
        load_tensors(model, state.best.tensors, "best")
        raw = self._data.golden
        with torch.no_grad():
            inputs = self._preprocess(raw.to(self._device))
            outputs = outputs_of(model, inputs, self._data.signature)
        return {
            "rows": raw.reshape(len(raw), -1).tolist(),
            "outputs": outputs.double().cpu().tolist(),
        }
