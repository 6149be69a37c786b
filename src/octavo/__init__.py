"""Octavo: from raw data to a monitored model in production, from one definition."""

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
