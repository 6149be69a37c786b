"""The model bundle: encoder, model arrays, their evaluation and the folder they travel in.

Needs polars, numpy and, from the first prediction on, numba; no training library. A model that is
an ONNX graph needs onnxruntime.
"""

from octavo.bundle.blend import BlendModel, JoinedEncoder, StackModel, blended, stacked
from octavo.bundle.bundle import FORMAT, Bundle
from octavo.bundle.columns import ColumnKind
from octavo.bundle.encoders import ENCODERS, Encoder, LinearEncoder, OrdinalEncoder
from octavo.bundle.isolation import IsolationModel
from octavo.bundle.last import LastModel
from octavo.bundle.model import ForestModel, LinearModel, Model, TailModel, TreeModel
from octavo.bundle.neighbours import NeighboursModel
from octavo.bundle.onnx_model import OnnxModel

__all__ = [
    "ENCODERS",
    "FORMAT",
    "BlendModel",
    "Bundle",
    "ColumnKind",
    "Encoder",
    "ForestModel",
    "IsolationModel",
    "JoinedEncoder",
    "LastModel",
    "LinearEncoder",
    "LinearModel",
    "Model",
    "NeighboursModel",
    "OnnxModel",
    "OrdinalEncoder",
    "StackModel",
    "TailModel",
    "TreeModel",
    "blended",
    "stacked",
]
