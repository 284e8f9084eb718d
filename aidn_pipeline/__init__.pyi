# What type checkers see; `__init__.py` loads each name when it is first used.
from aidn_pipeline.core.artifact import (
    Artifact,
    Bundle,
    Checkpoint,
    Dataset,
    File,
    Folder,
    Metrics,
    Model,
    ModelVersion,
    Params,
    Report,
)
from aidn_pipeline.core.columns import Column, Image, Text
from aidn_pipeline.core.component import component, setting
from aidn_pipeline.core.events import (
    CheckpointSaved,
    Event,
    Listener,
    Notice,
    Progress,
    RunFinished,
    RunStarted,
    StageFinished,
    StageStarted,
    StageWaiting,
    TrialFinished,
)
from aidn_pipeline.core.secret import Secret
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.core.stage import NoInputs, Stage, StageContext, port
from aidn_pipeline.data.dataset import DatasetView
from aidn_pipeline.data.source import Source, SourceTable
from aidn_pipeline.data.sources.image_folder import ImageFolderSource
from aidn_pipeline.data.sources.table import TableSource
from aidn_pipeline.data.sources.text import TextSource
from aidn_pipeline.errors import (
    AidnError,
    ConfigError,
    DataError,
    GateNotMet,
    Interrupted,
    ModelNotFound,
    NotTrusted,
    StageFailed,
    StoreError,
)
from aidn_pipeline.facade.builder import AiModelBuilder
from aidn_pipeline.facade.information import ExperimentInfo, RegistryInfo, SnapshotInfo
from aidn_pipeline.facade.predictions import Predictions
from aidn_pipeline.facade.result import AiModelResult
from aidn_pipeline.facade.servable import Servable
from aidn_pipeline.sweep.protocols import (
    Continue,
    Decision,
    NewTrial,
    Sampler,
    Stop,
    TrialScheduler,
)
from aidn_pipeline.sweep.space import Space
from aidn_pipeline.sweep.trial import History, Trial
from aidn_pipeline.training.keyed import Keys
from aidn_pipeline.training.models.units import TargetUnits

__version__: str
__all__ = [
    "AiModelBuilder",
    "AiModelResult",
    "AidnError",
    "Artifact",
    "Bundle",
    "Checkpoint",
    "CheckpointSaved",
    "Column",
    "ConfigError",
    "Continue",
    "DataError",
    "Dataset",
    "DatasetView",
    "Decision",
    "Event",
    "ExperimentInfo",
    "File",
    "Folder",
    "GateNotMet",
    "History",
    "Image",
    "ImageFolderSource",
    "Interrupted",
    "Keys",
    "Listener",
    "Metrics",
    "Model",
    "ModelNotFound",
    "ModelVersion",
    "NewTrial",
    "NoInputs",
    "NotTrusted",
    "Notice",
    "Params",
    "Predictions",
    "Progress",
    "RegistryInfo",
    "Report",
    "RunFinished",
    "RunStarted",
    "Sampler",
    "Secret",
    "Servable",
    "Signature",
    "SnapshotInfo",
    "Source",
    "SourceTable",
    "Space",
    "Stage",
    "StageContext",
    "StageFailed",
    "StageFinished",
    "StageStarted",
    "StageWaiting",
    "Stop",
    "StoreError",
    "TableSource",
    "TargetUnits",
    "Text",
    "TextSource",
    "Trial",
    "TrialFinished",
    "TrialScheduler",
    "__version__",
    "component",
    "port",
    "setting",
]
