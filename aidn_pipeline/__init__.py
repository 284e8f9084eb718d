"""One YAML file from raw data to a servable model.

    from aidn_pipeline import AiModelBuilder

    result = AiModelBuilder.from_recipe("digits").configure("trainer.epochs=5").build()
    result.metrics["accuracy"]
    result.predict([[0.0] * 64])

`AiModelBuilder` is the only public door to training, `AiModelResult` the only one to inference, and
`component` marks your own models, samplers, metrics and stages. Names are loaded when they are
first used, so importing the package costs next to nothing.
"""

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = ["AiModelBuilder", "AiModelResult", "AidnError", "__version__", "component"]

HOMES = {
    "AiModelBuilder": "aidn_pipeline.facade.builder",
    "AiModelResult": "aidn_pipeline.facade.result",
    "AidnError": "aidn_pipeline.errors",
    "component": "aidn_pipeline.core.component",
}


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first used (PEP 562)."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
