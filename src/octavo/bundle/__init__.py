"""The model bundle: encoder, model arrays, their evaluation and the folder they travel in.

Needs polars, numpy and, from the first prediction on, numba; no training library.
"""

from octavo.bundle.bundle import FORMAT, Bundle
from octavo.bundle.columns import ColumnKind
from octavo.bundle.encoders import ENCODERS, Encoder, LinearEncoder, OrdinalEncoder
from octavo.bundle.isolation import IsolationModel
from octavo.bundle.model import ForestModel, LinearModel, Model, TailModel, TreeModel
from octavo.bundle.neighbours import NeighboursModel

__all__ = [
    "ENCODERS",
    "FORMAT",
    "Bundle",
    "ColumnKind",
    "Encoder",
    "ForestModel",
    "IsolationModel",
    "LinearEncoder",
    "LinearModel",
    "Model",
    "NeighboursModel",
    "OrdinalEncoder",
    "TailModel",
    "TreeModel",
]
