"""Octavo: from raw data to a monitored model in production, from one definition."""

from typing import TYPE_CHECKING, Any

from octavo.version import __version__ as __version__

if TYPE_CHECKING:
    from octavo.definition import (
        AsNumber,
        AsTime,
        Check,
        Clip,
        Costs,
        Csv,
        Dataset,
        Deviations,
        Evaluation,
        Files,
        Gate,
        Label,
        Lift,
        Monitor,
        Nested,
        Ngrams,
        Normalize,
        Notify,
        Null,
        Pipeline,
        Problem,
        Quiet,
        Replace,
        Schedule,
        SplitByHash,
        SplitByTime,
        SplitStratified,
        Sql,
        Stream,
        Training,
        View,
        Window,
        calendar,
    )
    from octavo.project import load
    from octavo.stages.training.algorithms import OnnxFitted

__all__ = [
    "AsNumber",
    "AsTime",
    "Check",
    "Clip",
    "Costs",
    "Csv",
    "Dataset",
    "Deviations",
    "Evaluation",
    "Files",
    "Gate",
    "Label",
    "Lift",
    "Monitor",
    "Nested",
    "Ngrams",
    "Normalize",
    "Notify",
    "Null",
    "OnnxFitted",
    "Pipeline",
    "Problem",
    "Quiet",
    "Replace",
    "Schedule",
    "SplitByHash",
    "SplitByTime",
    "SplitStratified",
    "Sql",
    "Stream",
    "Training",
    "View",
    "Window",
    "calendar",
    "load",
]


def __getattr__(name: str) -> Any:
    """Load what a name stands for, and Polars with it, when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module 'octavo' has no attribute {name!r}")
    if name == "load":
        from octavo import project

        return project.load
    if name == "OnnxFitted":
        from octavo.stages.training import algorithms

        return algorithms.OnnxFitted
    from octavo import definition

    return getattr(definition, name)
