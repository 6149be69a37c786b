"""What was answered, by whichever way its features came, as what the log keeps of it.

An `Inference` is one batch of one version. No frame is made of it while a client waits. It knows
nothing of where records go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from octavo.bundle import Bundle
from octavo.bundle.arrays import Arrays
from octavo.definition.events import EVENT_ID, EVENT_TIME
from octavo.services.prediction_records import Answered, Context, known_types
from octavo.stages.prep.asked import Positions
from octavo.stages.prep.by_row import RowAnswer
from octavo.stages.prep.request_time import Answer

_KEY = "key:"


@dataclass(frozen=True, slots=True)
class Inference:
    """Rows that were predicted together, and what became of them."""

    bundle: Bundle
    deployment_id: str
    candidate_id: str
    features: np.ndarray | Arrays | Answer | RowAnswer
    """A matrix of the bundle's features in their order, an array for each, or the answer to
    events."""
    predictions: np.ndarray
    """As `Bundle.predict` gives them."""
    at: int
    """Microseconds since the epoch."""
    latency_us: int | None
    """Microseconds that the batch took; None: of rows that nobody waited for."""
    positions: Positions | None = None
    """What features of events have seen."""
    origin: str = "http"
    parts: tuple[int | None, int | None, int | None] | None = None
    """Of the latency, microseconds: decoding, features, model."""
    flags: Sequence[Sequence[str] | None] | None = None
    """What was found about the rows."""

    @property
    def kind(self) -> tuple[Any, ...]:
        """What is equal of inferences whose records share a `Context`."""
        given, kinds = self.features, None
        if isinstance(given, Mapping):
            kinds = tuple(given[name].dtype.char for name in self.bundle.schema)
        return self.deployment_id, self.origin, type(given), kinds


def context(inference: Inference) -> Context:
    """Return what the records of inferences of one kind share."""
    bundle, given = inference.bundle, inference.features
    types, keys = known_types(bundle.schema), {}
    if isinstance(given, RowAnswer):
        types, keys = given.dtypes, given.keys
    elif isinstance(given, Answer):
        found = given.features.schema
        types = {name: found[name] for name in bundle.schema}
        keys = {c.removeprefix(_KEY): t for c, t in found.items() if c.startswith(_KEY)}
    elif isinstance(given, Mapping) and not _are_numbers(given, bundle):
        types = {name: _type(given[name], dtype) for name, dtype in types.items()}
    several = inference.predictions.ndim > 1
    return Context(
        inference.deployment_id,
        inference.candidate_id,
        "champion",
        inference.origin,
        types,
        keys,
        list(map(str, bundle.classes)) if several else [bundle.target],
        next(iter(bundle.decisions(inference.predictions)), None),
    )


def answered(inference: Inference, of: Context) -> Answered:
    """Return an inference's records.

    Parameters
    ----------
    of
        Its `context`.
    """
    given, found = inference.features, inference.predictions
    decisions = inference.bundle.decisions(found) if of.decision is not None else {}
    if isinstance(given, RowAnswer):
        ids, times, rows, keys = given.ids, given.times, given.features, given.entities
    elif isinstance(given, Answer):
        frame = given.features
        ids, times = frame[EVENT_ID].to_list(), frame[EVENT_TIME].cast(pl.Int64).to_list()
        rows = frame.select(list(of.schema)).rows()
        keys = frame.select(f"{_KEY}{name}" for name in of.entities).rows() if of.entities else None
    else:
        ids = times = [None] * len(found)
        rows, keys = _rows(given, inference.bundle), None
    return Answered(
        ids,
        times,
        found,
        rows,
        keys,
        inference.positions or {},
        inference.at,
        inference.latency_us,
        inference.parts,
        next((yes.tolist() for yes in decisions.values()), None),
        inference.flags,
    )


def _rows(given: np.ndarray | Arrays, bundle: Bundle) -> np.ndarray | Sequence[Sequence[Any]]:
    """Return features that came ready: a matrix where they are all numbers, else plain rows."""
    if isinstance(given, np.ndarray):
        return given
    columns = [given[name] for name in bundle.schema]
    if _are_numbers(given, bundle):
        return np.column_stack([column.astype(np.float64) for column in columns])
    return list(zip(*(_plain(column) for column in columns), strict=True))


def _are_numbers(given: Arrays, bundle: Bundle) -> bool:
    return all(given[name].dtype.kind in "fiub" for name in bundle.schema)


def _plain(values: np.ndarray) -> list[Any]:
    if values.dtype.kind in "Mm":
        values = values.astype(f"{'datetime64' if values.dtype.kind == 'M' else 'timedelta64'}[us]")
    return values.tolist()


def _type(values: np.ndarray, known: pl.DataType) -> pl.DataType:
    """Return the type of a column of plain values, of which it was ``known`` in training."""
    if values.dtype.kind in "OSU":
        return known
    if values.dtype.kind in "Mm":
        return pl.Datetime("us") if values.dtype.kind == "M" else pl.Duration("us")
    return pl.Series(values[:0]).dtype
