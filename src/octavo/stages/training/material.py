"""The rows that the trials of a search share: read once, kept in files, mapped into memory.

Every trial runs in a process of its own; what they map is in memory once. It knows nothing of
algorithms or searches.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from octavo.bundle import ENCODERS, Encoder
from octavo.bundle.targets import classes_of, target_numbers
from octavo.definition import Ngrams, Pipeline
from octavo.definition.events import EVENT_TIME
from octavo.errors import DefinitionError
from octavo.stages.contract import Segregation
from octavo.stages.training.weighing import column

_ROWS = ("train", "validation")
_NUMBERS = ("truth", "validation_truth", "weights", "validation_weights", "settled")


@dataclass(frozen=True)
class Material:
    """What a model is trained and validated on."""

    train: pl.DataFrame
    """Features."""
    validation: pl.DataFrame
    truth: np.ndarray
    """Shape (train rows,): see `octavo.bundle.targets.target_numbers`."""
    validation_truth: np.ndarray
    weights: np.ndarray
    """Shape (train rows,): the feature that rows weigh, NaN where it is null; (0,) if none is."""
    validation_weights: np.ndarray
    settled: np.ndarray
    """Shape (validation rows,), booleans: which of them may be learned from before test."""
    classes: list[str]
    trained_until: int
    """Newest event time the search sees, microseconds."""
    left_out: list[str]
    """Features that can be no model input: times, which are there to derive durations from."""

    @classmethod
    def of(
        cls, pipeline: Pipeline, segregation: Segregation, most: int, fold: int | None = None
    ) -> "Material":
        """Read a fold's training and validation parts and turn labels into numbers.

        Of a part with more than ``most`` rows so many are drawn.
        """
        train, validation = (
            segregation.data(part, pipeline.problem.learns_from, fold=fold, most=most)
            for part in _ROWS
        )
        name = pipeline.label.name
        told = pipeline.training.encodings
        times = [f for f in pipeline.seen if train.schema[f].is_temporal() and f not in told]
        features = [f for f in pipeline.seen if f not in times]
        if pipeline.problem.kind == "anomaly":
            train = _telling(train, features)
        classes = classes_of(train[name], pipeline)
        seen = pl.concat([train[EVENT_TIME], validation[EVENT_TIME]]).cast(pl.Int64)
        return cls(
            train.select(features),
            validation.select(features),
            target_numbers(train[name], pipeline, classes),
            target_numbers(validation[name], pipeline, classes),
            column(pipeline.training.weights, train),
            column(pipeline.training.weights, validation),
            segregation.settled(validation).to_numpy(),
            classes,
            int(np.max(seen.to_numpy())),
            times,
        )

    @property
    def joined(self) -> "Material":
        """Both parts to train on, but for rows not settled before test; validation beside it."""
        kept = self.settled
        return Material(
            pl.concat([self.train, self.validation.filter(pl.Series(kept))]),
            self.validation,
            np.concatenate([self.truth, self.validation_truth[kept]]),
            self.validation_truth,
            np.concatenate([self.weights, _some(self.validation_weights, kept)]),
            self.validation_weights,
            self.settled,
            self.classes,
            self.trained_until,
            self.left_out,
        )

    def save(self, folder: Path) -> Path:
        """Write it into a new folder, and return that."""
        folder.mkdir(parents=True)
        for name in _ROWS:
            getattr(self, name).rechunk().write_ipc(folder / f"{name}.arrow")
        for name in _NUMBERS:
            np.save(folder / f"{name}.npy", getattr(self, name))
        told = {name: getattr(self, name) for name in ("classes", "trained_until", "left_out")}
        (folder / "told.json").write_text(json.dumps(told))
        return folder

    @classmethod
    def load(cls, folder: Path) -> "Material":
        """Map what was saved."""
        rows = {name: pl.read_ipc(folder / f"{name}.arrow") for name in _ROWS}
        numbers = {name: np.load(folder / f"{name}.npy") for name in _NUMBERS}
        told: dict[str, Any] = json.loads((folder / "told.json").read_text())
        return cls(**rows, **numbers, **told)

    def encoded(
        self,
        flavour: str,
        kinds: Mapping[str, str],
        texts: Mapping[str, Ngrams],
        folder: Path,
    ) -> tuple[Encoder, np.ndarray, np.ndarray]:
        """Return an encoder learned from train, and both parts encoded by it.

        It is learned once: what is found in the folder is read.
        """
        path = folder / flavour
        if not path.exists():
            self._encode(flavour, kinds, texts, path)
        encoder = Encoder.from_dict(json.loads((path / "encoder.json").read_text()))
        train, validation = (np.load(path / f"{name}.npy", mmap_mode="r") for name in _ROWS)
        return encoder, train, validation

    def _encode(
        self, flavour: str, kinds: Mapping[str, str], texts: Mapping[str, Ngrams], path: Path
    ) -> None:
        here = self.train.columns
        encoder, train = ENCODERS[flavour].fit_transform(
            self.train,
            {name: kind for name, kind in kinds.items() if name in here},
            {name: how for name, how in texts.items() if name in here},
            self._targets,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".", dir=path.parent))
        try:
            (draft / "encoder.json").write_text(json.dumps(encoder.to_dict()))
            np.save(draft / "train.npy", train)
            np.save(draft / "validation.npy", encoder.transform(self.validation))
            draft.rename(path)
        except OSError:
            if not path.exists():  # else another process was quicker, and has written the same
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    @property
    def _targets(self) -> np.ndarray | None:
        """What categories may have means of, shape (n, targets); None if rows have no outcome."""
        if self.classes:
            return np.eye(len(self.classes))[self.truth.astype(int)]
        return None if np.isnan(self.truth).any() else self.truth[:, None]


def _some(weights: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return weights[kept] if weights.size else weights


def _telling(train: pl.DataFrame, features: list[str]) -> pl.DataFrame:
    """Leave out rows of which no input is known: a series that has just begun is not usual.

    Raises
    ------
    DefinitionError
        If an input is no number, so that more of it cannot be more unusual.
    """
    for name in features:
        if not (train.schema[name].is_numeric() or train.schema[name] == pl.Boolean):
            raise DefinitionError(
                f"the input {name!r} is {train.schema[name]}, and more of it means nothing.",
                where="Pipeline.inputs",
                fix="Name numbers that say how unusual a row is.",
            )
    return train.filter(pl.any_horizontal(pl.col(features).is_not_null()))
