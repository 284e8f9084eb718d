"""One YAML file from raw data to a servable model.

    from aidn_pipeline import AiModelBuilder

    result = AiModelBuilder.from_recipe("digits").configure("trainer.epochs=5").build()
    result.metrics["accuracy"]
    result.predict([[0.0] * 64])

`AiModelBuilder` is the only public door to training, `AiModelResult` the only one to inference.
`component` marks your own models, samplers, metrics and stages; the other names are what those are
written with. Nothing outside these names and `aidn_pipeline.testing` is public.

Names are loaded when they are first used, so importing the package costs next to nothing; type
checkers read `__init__.pyi`.
"""

__version__ = "0.1.0"

_PUBLIC = {
    "facade.builder": ("AiModelBuilder",),
    "facade.result": ("AiModelResult",),
    "facade.information": ("ExperimentInfo", "RegistryInfo", "SnapshotInfo"),
    "facade.predictions": ("Predictions",),
    "facade.servable": ("Servable",),
    "errors": (
        *("AidnError", "ConfigError", "DataError", "GateNotMet", "Interrupted", "ModelNotFound"),
        *("NotTrusted", "StageFailed", "StoreError"),
    ),
    "core.component": ("component", "setting"),
    "core.columns": ("Column", "Image", "Text"),
    "core.secret": ("Secret",),
    "core.signature": ("Signature",),
    "core.stage": ("NoInputs", "Stage", "StageContext", "port"),
    "core.artifact": (
        *("Artifact", "Bundle", "Checkpoint", "Dataset", "File", "Folder", "Metrics", "Model"),
        *("ModelVersion", "Params", "Report"),
    ),
    "core.events": (
        *("CheckpointSaved", "Event", "Listener", "Notice", "Progress", "RunFinished"),
        *("RunStarted", "StageFinished", "StageStarted", "StageWaiting", "TrialFinished"),
    ),
    "data.dataset": ("DatasetView",),
    "data.source": ("Source", "SourceTable"),
    "data.sources.image_folder": ("ImageFolderSource",),
    "data.sources.table": ("TableSource",),
    "data.sources.text": ("TextSource",),
    "sweep.protocols": ("Continue", "Decision", "NewTrial", "Sampler", "Stop", "TrialScheduler"),
    "sweep.space": ("Space",),
    "sweep.trial": ("History", "Trial"),
    "training.keyed": ("Keys",),
    "training.models.units": ("TargetUnits",),
}
_HOMES = {name: f"{__name__}.{home}" for home, names in _PUBLIC.items() for name in names}

__all__ = [*sorted(_HOMES), "__version__"]  # noqa: PLE0604  (each is a name of `_HOMES`)


def __getattr__(name: str) -> object:
    """A public name, imported when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Importing `importlib` would take a tenth of what an empty program does.
    value = getattr(__import__(_HOMES[name], fromlist=[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
