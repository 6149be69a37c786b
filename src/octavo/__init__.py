"""Octavo: from raw data to a monitored model in production, from one definition."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from octavo.definition import (
        Check,
        Dataset,
        Files,
        Gate,
        Label,
        Lift,
        Monitor,
        Pipeline,
        Problem,
        Replace,
        SplitByHash,
        SplitByTime,
        Training,
        View,
        Window,
    )

__version__ = "0.1.0"

__all__ = [
    "Check",
    "Dataset",
    "Files",
    "Gate",
    "Label",
    "Lift",
    "Monitor",
    "Pipeline",
    "Problem",
    "Replace",
    "SplitByHash",
    "SplitByTime",
    "Training",
    "View",
    "Window",
]


def __getattr__(name: str) -> Any:
    """Load the definition, and with it Polars, when a name of it is first used."""
    if name not in __all__:
        raise AttributeError(f"module 'octavo' has no attribute {name!r}")
    from octavo import definition

    return getattr(definition, name)
