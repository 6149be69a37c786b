"""A bundle: the folder that holds all a model needs to predict, and says where it came from.

``bundle.json`` is readable; ``model.npz`` holds the arrays. Nothing is unpickled and no training
library is needed to load or predict. Knows nothing of stores, runs or deployments.
"""

import hashlib
import io
import json
import os
import shutil
import struct
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from octavo.bundle.arrays import Arrays
from octavo.bundle.blend import JoinedEncoder, encoder_of
from octavo.bundle.calibration import Calibration
from octavo.bundle.encoders import Encoder
from octavo.bundle.model import Model
from octavo.errors import DataError, ResourceError

FORMAT = 1
"""Version of the folder's layout. A later Octavo reads all earlier ones."""

_DOCUMENT = "bundle.json"
_ARRAYS = "model.npz"
_AGAIN = "Take the bundle from the candidate store again."


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained model with its encoder and its origin. Everything in it is plain JSON or arrays."""

    model: Model
    encoder: Encoder | JoinedEncoder
    target: str
    """The label the model predicts."""
    algorithm: str
    classes: tuple[Any, ...] = ()
    """Label values: for binary (negative, positive), for several classes in the order of the
    outputs, for regression none."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """The algorithm's parameters."""
    learned: Mapping[str, Any] = field(default_factory=dict)
    """What training learned besides the arrays, such as the base rate."""
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    """Feature by feature, the fingerprint of the definition that made the training values."""
    threshold: float | None = None
    """Probability (share of less unusual rows) from which a row counts as positive (raises an
    alarm), where one was chosen."""
    calibration: Calibration | None = None
    """What the model's probabilities are turned into; None: nothing else."""
    data_version: Mapping[str, Any] = field(default_factory=dict)
    """The batches the training rows came from."""
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds spent in the parts of training."""

    @property
    def kind(self) -> str:
        """``binary``, ``multiclass``, ``regression`` or ``anomaly``."""
        return self.model.kind

    @property
    def schema(self) -> dict[str, str]:
        """The features a row needs, and their dtypes in training."""
        return self.encoder.schema

    def lacking(self, features: Mapping[str, str]) -> list[str]:
        """Return the features it needs that are not given, or are defined otherwise.

        Parameters
        ----------
        features
            What is given: feature to fingerprint. It may be more than is needed.
        """
        return [name for name, mark in self.fingerprints.items() if features.get(name) != mark]

    def predict(self, frame: pl.DataFrame) -> np.ndarray:
        """Predict for rows of features.

        Parameters
        ----------
        frame
            At least the columns of `schema`, in any order.

        Returns
        -------
        numpy.ndarray
            float64: the probability of the positive class, shape (n,); of each class, shape
            (n, classes); the value, or the share of less unusual training rows, shape (n,).

        Raises
        ------
        DataError
            If a column is missing or of another sort than in training.
        """
        return self.calibrated(self.model.predict(self.encoder.transform(frame)))

    def encode_arrays(self, given: Arrays) -> np.ndarray:
        """Encode features given as arrays, one for each: the rows that `predict_encoded` takes.

        Raises
        ------
        DataError
            If a column is missing or of another sort than in training, or of another length.
        """
        return self.encoder.transform_arrays(given)

    def encode_rows(self, rows: Sequence[Sequence[Any]]) -> np.ndarray:
        """Encode rows of values of the types of `schema`, in its order; None: it is missing."""
        if self.encoder.is_plain:
            return self._matrix(rows)
        columns = zip(self.schema, zip(*rows, strict=True), strict=True)
        return self.encode_arrays({name: _array(values) for name, values in columns})

    def _matrix(self, rows: Sequence[Sequence[Any]]) -> np.ndarray:
        """Return rows of numbers as a matrix; if none is missing, in under half of the time."""
        try:
            data = bytearray().join([self._pack(*row) for row in rows])
        except struct.error:
            return np.array(rows, np.float64)
        return np.frombuffer(data).reshape(len(rows), len(self.schema))

    @cached_property
    def _pack(self) -> Callable[..., bytes]:
        return struct.Struct(f"{len(self.schema)}d").pack

    def predict_encoded(self, X: np.ndarray) -> np.ndarray:
        """Predict for encoded rows what `predict` gives of their features, to the same bits."""
        return self.calibrated(self.model.predict(X))

    def calibrated(self, predicted: np.ndarray) -> np.ndarray:
        """Return what is told where the model alone predicts so."""
        return predicted if self.calibration is None else self.calibration.apply(predicted)

    def decisions(self, predicted: np.ndarray) -> dict[str, np.ndarray]:
        """Return yes or no beside each prediction, by the answer's name; none without a threshold.

        The answer is called ``TARGET_alarm`` for anomalies and ``TARGET_yes`` otherwise.

        Parameters
        ----------
        predicted
            What `predict` gave.
        """
        if self.threshold is None:
            return {}
        word = "alarm" if self.kind == "anomaly" else "yes"
        return {f"{self.target}_{word}": predicted >= self.threshold}

    @cached_property
    def content_hash(self) -> str:
        """What the bundle predicts and decides, as a SHA-256, and nothing else: `contents`."""
        return _hash(self.contents)

    @property
    def contents(self) -> dict[str, Any]:
        """What it predicts and decides by, as plain values.

        Kind, encoder, hashes of arrays, and threshold and calibration, where there are any.
        """
        parts: dict[str, Any] = {
            "model": self.model.meta(),
            "encoder": self.encoder.to_dict(),
            "arrays": {
                name: [array.dtype.str, array.shape, hashlib.sha256(array.data).hexdigest()]
                for name, array in self.model.arrays().items()
            },
        }
        if self.threshold is not None:
            parts["threshold"] = self.threshold
        if self.calibration is not None:
            parts["calibration"] = self.calibration.to_dict()
        return parts

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the bundle to a new folder: whole, on disk, or not at all.

        Raises
        ------
        ResourceError
            If the folder exists: a bundle never changes.
        DataError
            If a field is not plain JSON.
        """
        folder = Path(folder)
        if folder.exists():
            raise ResourceError(
                "the folder exists already, and a bundle never changes.",
                where=str(folder),
                fix="Save under another name.",
            )
        arrays = _npz(self.model.arrays())
        document = self._document(hashlib.sha256(arrays).hexdigest())
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
        draft.mkdir()
        try:
            _write(draft / _ARRAYS, arrays)
            _write(draft / _DOCUMENT, document)
            _sync(draft)
            draft.rename(folder)
        except BaseException:
            shutil.rmtree(draft)
            raise
        _sync(folder.parent)

    def _document(self, arrays_hash: str) -> bytes:
        document: dict[str, Any] = {
            "format": FORMAT,
            "kind": self.kind,
            "target": self.target,
            "classes": list(self.classes),
            "algorithm": self.algorithm,
            "params": dict(self.params),
            "threshold": self.threshold,
            "calibration": None if self.calibration is None else self.calibration.to_dict(),
            "learned": dict(self.learned),
            "schema": self.schema,
            "fingerprints": dict(self.fingerprints),
            "data_version": dict(self.data_version),
            "timings": dict(self.timings),
            "model": self.model.meta(),
            "encoder": self.encoder.to_dict(),
            "content_hash": self.content_hash,
        }
        try:
            document["checksums"] = {_ARRAYS: arrays_hash, _DOCUMENT: _hash(document)}
        except (TypeError, ValueError) as error:
            raise DataError(
                f"a field is not plain JSON ({error}).",
                where=_DOCUMENT,
                fix="Use str, int, finite float, bool, None, lists and dicts.",
            ) from error
        return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode()

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Bundle":
        """Read a bundle, checking that it is what was saved.

        Raises
        ------
        DataError
            If there is no bundle, its format is not known, or a file has changed.
        """
        folder = Path(folder)
        document = _read_document(folder / _DOCUMENT)
        arrays = _read_arrays(folder / _ARRAYS, document["checksums"][_ARRAYS])
        return cls(
            model=Model.of(document["model"], arrays),
            encoder=encoder_of(document["encoder"]),
            target=document["target"],
            algorithm=document["algorithm"],
            classes=tuple(document["classes"]),
            params=document["params"],
            learned=document["learned"],
            fingerprints=document["fingerprints"],
            threshold=document["threshold"],
            calibration=Calibration.of(document.get("calibration")),
            data_version=document["data_version"],
            timings=document["timings"],
        )


def _array(values: Sequence[Any]) -> np.ndarray:
    """Return the values of a column as they are."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _hash(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Put a folder's entries on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(path: Path) -> DataError:
    return DataError("the file is damaged.", where=str(path), fix=_AGAIN)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"the file cannot be read ({error.strerror}).", where=str(path), fix=_AGAIN
        ) from error


def _read_document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(_read(path))
        if document["format"] != FORMAT:
            raise DataError(
                f"the bundle has format {document['format']}; this Octavo reads {FORMAT}.",
                where=str(path),
                fix="Update Octavo.",
            )
        checked = {key: value for key, value in document.items() if key != "checksums"}
        if document["checksums"][_DOCUMENT] != _hash(checked):
            raise _damaged(path)
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error
    return document


def _read_arrays(path: Path, checksum: str) -> dict[str, np.ndarray]:
    content = _read(path)
    if hashlib.sha256(content).hexdigest() != checksum:
        raise _damaged(path)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)
