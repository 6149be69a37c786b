"""What a user declares. Frozen, validated when built, fingerprinted; no I/O."""

from octavo.definition.aggregates import AGGREGATES
from octavo.definition.calendar import calendar
from octavo.definition.costs import Costs
from octavo.definition.dataset import Check, Csv, Dataset, Files
from octavo.definition.deviations import Deviations
from octavo.definition.evaluation import Evaluation, Gate
from octavo.definition.features import View, Window, WindowFeature
from octavo.definition.fingerprint import document, fingerprint
from octavo.definition.label import Label
from octavo.definition.last_value import LAST_VALUE, check_last_value, last_value_feature
from octavo.definition.nested import Nested
from octavo.definition.ngrams import Ngrams
from octavo.definition.notify import Notify, Quiet
from octavo.definition.pipeline import Pipeline
from octavo.definition.problem import DECIDED, METRICS, Lift, Problem
from octavo.definition.schedule import Schedule
from octavo.definition.source import Source
from octavo.definition.split import PARTS, SplitByHash, SplitByTime, SplitStratified, split_entity
from octavo.definition.sql import Sql
from octavo.definition.stream import Stream
from octavo.definition.training import Monitor, Replace, Training
from octavo.definition.treatments import AsNumber, AsTime, Clip, Normalize, Null, Treatment

__all__ = [
    "AGGREGATES",
    "DECIDED",
    "LAST_VALUE",
    "METRICS",
    "PARTS",
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
    "Pipeline",
    "Problem",
    "Quiet",
    "Replace",
    "Schedule",
    "Source",
    "SplitByHash",
    "SplitByTime",
    "SplitStratified",
    "Sql",
    "Stream",
    "Training",
    "Treatment",
    "View",
    "Window",
    "WindowFeature",
    "calendar",
    "check_last_value",
    "document",
    "fingerprint",
    "last_value_feature",
    "split_entity",
]
