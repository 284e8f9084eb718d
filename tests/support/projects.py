"""The files of a small project, and what the fixtures that use them return."""

from collections.abc import Callable
from pathlib import Path

from aidn_pipeline.core.pipeline import PipelineSpec

FILES = {
    "conf/pipeline/toy.yaml": """\
# @package _global_
# A toy pipeline.
defaults:
  - /trainer: toy
  - /sampler: densities
stages:
  snapshot: {use: snapshot, source: "${source}"}
  tune:
    use: sweep
    inputs: {dataset: snapshot.dataset}
    trial: "${trainer}"
    sampler: "${sampler}"
    objective: "${trainer.monitor}"
  train:
    {use: train, inputs: {dataset: snapshot.dataset, params: "tune.params?"}, trainer: "${trainer}"}
  register:
    {use: register, inputs: {checkpoint: train.best, metrics: train.metrics}, name: "${name}"}
  export: {use: export, inputs: {version: register.model_version}}
""",
    "conf/trainer/toy.yaml": """\
use: default
model: ${model}
optimizer: ${optimizer}
lr_scheduler: ${oc.select:lr_scheduler,null}
epochs: 3
monitor: {metric: val_loss, mode: min}
seed: ${seed}
""",
    "conf/model/wide.yaml": "# A wide line.\nuse: line\nhidden: 64\n",
    "recipes/toy.yaml": """\
# @package _global_
# A toy, end to end.
#   aidn-run recipe=toy
defaults:
  - /pipeline: toy
  - /source: numbers
  - /model: line
  - /optimizer: walk
  - _self_

name: toy
seed: 7
stages:
  register:
    inputs: {metrics: train.metrics}
    gate: {accuracy: {min: 0.95}}
  tune:
    num_trials: 4
    space:
      optimizer.lr: {low: 1.0e-4, high: 1.0e-1, log: true}
      model.hidden: {choices: [8, 16]}
""",
}
Load = Callable[..., PipelineSpec]
Write = Callable[[str, str], Path]
