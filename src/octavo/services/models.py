"""What answers: pipelines by name, each with its live version and those before it.

A version is a deployment, called by its number. The live one is followed as it changes; an earlier
one is loaded when it is asked for. A `Model` never changes: whatever one of its batches answers is
of one version, and a request that has begun ends with what it began with. Knows nothing of wires.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter_ns
from typing import Any, NamedTuple

import msgspec
import numpy as np

from octavo.bundle import Bundle
from octavo.bundle.arrays import Arrays
from octavo.errors import DefinitionError, ResourceError
from octavo.services.batching import Bounds, MicroBatch, Owed
from octavo.services.features_sent import FeatureDecoder
from octavo.services.flags import Found
from octavo.services.inference_log import InferenceLog
from octavo.services.inferences import Inference
from octavo.services.requests import Asked, EventDecoder, Mark
from octavo.services.serving import Scorer
from octavo.stages.prep.by_row import RowAnswer
from octavo.stages.prep.request_time import Answer
from octavo.stores import catalog as tables
from octavo.stores import deployments
from octavo.stores.catalog import Catalog, Row
from octavo.stores.deployments import number_of

KEPT = 4
"""Versions of a pipeline besides the live one that stay loaded; the one not asked for longest
goes."""

_WAITING = ThreadPoolExecutor(16, "waiting")
"""For requests that wait for rows; more of them stand in line, all others pass them by."""


class UnknownModelError(DefinitionError):
    """There is no such pipeline, or it has no such version."""


class NotServedError(ResourceError):
    """A pipeline has nothing to answer with yet."""


class Took(NamedTuple):
    """Where the time of a prediction went, nanoseconds."""

    wait: int
    """For its batch."""
    features: int
    model: int


class Predicted(msgspec.Struct, frozen=True):
    """The answer to one request."""

    outputs: np.ndarray
    """float64 of shape (rows,), or (rows, classes), as `Bundle.predict` gives it."""
    event_ids: Sequence[str | None]
    """Of events, a row each; none of features that came ready."""
    event_times: Sequence[datetime | None]
    took: Took
    flags: Found = None
    """What was found about the rows, see `octavo.services.flags`."""
    sent: Future[None] | None = None
    """Done when their records outlive a loss of power; None: nobody asks for that."""


class Version(NamedTuple):
    """One deployment of a pipeline."""

    version: str
    """Its number, which `Models.get` takes."""
    deployment_id: str
    candidate_id: str
    live_from: int
    """Microseconds since the epoch."""
    live_to: int | None
    """Until when it was live, microseconds since the epoch; None: it is."""


class Model:
    """One version of a pipeline, as a function of features or of events. Immutable.

    It belongs to one event loop. All that it answers goes through its micro-batches and is logged.
    """

    def __init__(self, name: str, scorer: Scorer, log: InferenceLog, bounds: Bounds) -> None:
        self.name = name
        self.scorer = scorer
        self.bundle = scorer.bundle
        self.version = number_of(scorer.deployment_id)
        self.deployment_id, self.candidate_id = scorer.deployment_id, scorer.candidate_id
        self.about: Mapping[str, str] = {
            "pipeline": name,
            "version": self.version,
            "deployment": self.deployment_id,
            "candidate": self.candidate_id,
        }
        """What answers, as each answer says it."""
        self.outputs = _outputs(self.bundle)
        """The names of what is predicted: the target, or ``target=class`` for each class."""
        self.feature_decoder = FeatureDecoder(self.bundle.encoder.columns)
        """Reads features that come ready, for `predict_rows`."""
        self._log, self._bounds = log, bounds
        self._ready = MicroBatch(self._of_features, bounds)
        self._rows = MicroBatch(self._of_rows, bounds)
        self._events = MicroBatch(self._of_events, bounds)

    @property
    def features(self) -> Mapping[str, str]:
        """What a row is predicted from: name to Polars dtype, printed."""
        return self.bundle.schema

    @property
    def events(self) -> Mapping[str, Any]:
        """The columns of an event, with their Polars dtypes."""
        return self.scorer.schema

    @property
    def decoder(self) -> EventDecoder:
        """What reads events."""
        return self.scorer.decoder

    async def predict_features(self, columns: Arrays | np.ndarray) -> Predicted:
        """Predict from features that are there already.

        Parameters
        ----------
        columns
            All of `features`, see `octavo.bundle.arrays.Arrays`; others are left aside. Or a matrix
            of numbers, a column for each in their order, which costs least.

        Raises
        ------
        DataError
            If one is missing, of another sort than in training, or of another length.
        """
        if _height(columns) < self._bounds.rows:
            ready = self._of_columns(columns)
        else:  # others do not wait for it
            ready = await asyncio.to_thread(self._of_columns, columns)
        return await _kept(await self._ready.submit(ready, len(ready.X)))

    async def predict_rows(self, rows: Sequence[Sequence[Any]]) -> Predicted:
        """Predict from rows of values of the types of `features`, in their order.

        Parameters
        ----------
        rows
            None where a value is missing.
        """
        return await _kept(await self._rows.submit((perf_counter_ns(), rows), len(rows)))

    def owe_rows(
        self, loop: asyncio.AbstractEventLoop, rows: Sequence[Sequence[Any]], owed: Owed[Predicted]
    ) -> None:
        """Predict from rows as `predict_rows` does, for who takes it when it is there.

        Parameters
        ----------
        owed
            See `octavo.services.batching.MicroBatch.add`. It waits itself for ``Predicted.sent``.
        """
        self._rows.add(loop, (perf_counter_ns(), rows), len(rows), owed)

    async def wait_for(self, marks: Sequence[Mark]) -> None:
        """Return when the features have seen some rows; of none at once.

        Raises
        ------
        DataError
            If these cannot be waited for.
        BehindError
            If the features have not seen them in time.
        """
        if marks:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(_WAITING, self.scorer.wait_for, marks)

    async def predict_events(self, asked: Asked) -> Predicted:
        """Predict for events, each a virtual query at its own event time.

        Raises
        ------
        DataError
            As `Scorer.score` does, and for rows to be waited for that cannot be.
        BehindError
            If the features have not seen these in time.
        """
        await self.wait_for(asked.wait_for)
        item = perf_counter_ns(), asked.events
        return await _kept(await self._events.submit(item, len(asked.events)))

    async def predict_answer(self, answer: Answer, began: int) -> Predicted:
        """Predict from features that were looked up already, beside the batches.

        Parameters
        ----------
        answer
            What `octavo.services.lookups` found.
        began
            When it was asked, nanoseconds of the performance counter.
        """
        return await _kept(await asyncio.to_thread(self._of_answer, answer, began))

    def _of_features(self, asked: Sequence["_Ready"]) -> Sequence[Predicted]:
        began = perf_counter_ns()
        X = asked[0].X if len(asked) == 1 else np.concatenate([each.X for each in asked])
        found = self.bundle.predict_encoded(X)
        is_one = all(each.columns is each.X for each in asked)
        flags = self.scorer.flags.of(X, found) if is_one else None
        took = perf_counter_ns() - began
        at, row, answers, sent = tables.now(), 0, [], None
        parts = (None, None, took // 1000)
        if is_one:
            sent = self._keep(X, found, at, took, parts, flags)
        owns = [slice(row, row := row + len(each.X)) for each in asked]
        if is_one:
            flagged = [_flagged(flags, own) for own in owns]
        else:  # of all before any is kept: if one is refused, each is predicted for again
            both = zip(asked, owns, strict=True)
            flagged = [self.scorer.flags.of(each.columns, found[own]) for each, own in both]
        for each, own, told in zip(asked, owns, flagged, strict=True):
            if not is_one:
                sent = self._keep(each.columns, found[own], at, took, parts, told)
            waited = Took(began - each.came, 0, took)
            answers.append(Predicted(found[own], (), (), waited, told, sent))
        return answers

    def _of_rows(self, asked: Sequence[tuple[int, Sequence[Sequence[Any]]]]) -> list[Predicted]:
        began = perf_counter_ns()
        X, columns = self._encoded([row for _, rows in asked for row in rows])
        found = self.bundle.predict_encoded(X)
        flags = self.scorer.flags.of(columns, found)
        took, row, answers = perf_counter_ns() - began, 0, []
        parts = (None, None, took // 1000)
        sent = self._keep(columns, found, tables.now(), took, parts, flags)
        for came, rows in asked:
            own = slice(row, row := row + len(rows))
            told = flags and _flagged(flags, own)
            answers.append(Predicted(found[own], (), (), Took(began - came, 0, took), told, sent))
        return answers

    def _of_events(self, asked: Sequence[tuple[int, Sequence[Any]]]) -> Sequence[Predicted]:
        began = perf_counter_ns()
        answer = self.scorer.answer([event for _, events in asked for event in events])
        whole = self._of_answer(answer, began)
        row, answers = 0, []
        for came, events in asked:
            own = slice(row, row := row + len(events))
            took = whole.took._replace(wait=began - came)
            parts = whole.outputs[own], whole.event_ids[own], whole.event_times[own]
            told = _flagged(whole.flags, own)
            answers.append(Predicted(*parts, took, told, whole.sent))
        return answers

    def _of_answer(self, answer: Answer | RowAnswer, began: int) -> Predicted:
        """Predict from features that were looked up; keep it."""
        featured = perf_counter_ns()
        found, flags = self._predicted(answer)
        ended = perf_counter_ns()
        parts = (None, (featured - began) // 1000, (ended - featured) // 1000)
        sent = self._keep(answer, found, tables.now(), ended - began, parts, flags)
        took = Took(0, featured - began, ended - featured)
        return Predicted(found, answer.ids, answer.event_times, took, flags, sent)

    def _predicted(self, answer: Answer | RowAnswer) -> tuple[np.ndarray, Found]:
        if isinstance(answer, RowAnswer):
            X, columns = self._encoded(answer.features)
            found = self.bundle.predict_encoded(X)
        else:
            columns = answer.features
            found = self.bundle.predict(columns)
        return found, self.scorer.flags.of(columns, found)

    def _of_columns(self, given: Arrays | np.ndarray) -> "_Ready":
        """Return features encoded."""
        if isinstance(given, np.ndarray):
            if self.bundle.encoder.is_plain:
                X = np.array(given, np.float64, order="C")  # a copy: it may be part of a body
                return _Ready(perf_counter_ns(), X, X)
            given = {name: given[:, at] for at, name in enumerate(self.features)}
        X = self.bundle.encode_arrays(given)
        return _Ready(perf_counter_ns(), X, given)

    def _encoded(self, rows: Sequence[Sequence[Any]]) -> tuple[np.ndarray, np.ndarray | Arrays]:
        """Return rows encoded, and by column: as they are logged and looked at."""
        X = self.bundle.encode_rows(rows)
        return X, X if self.bundle.encoder.is_plain else _transposed(self.features, rows)

    def _keep(
        self,
        features: np.ndarray | Arrays | Answer | RowAnswer,
        predictions: np.ndarray,
        at: int,
        took: int,
        parts: tuple[None, int | None, int],
        flags: Found,
    ) -> Future[None] | None:
        positions = features.positions if isinstance(features, Answer | RowAnswer) else None
        of = self.bundle, self.deployment_id, self.candidate_id
        told = features, predictions, at, took // 1000, positions
        return self._log.add(Inference(*of, *told, parts=parts, flags=flags))


def _outputs(bundle: Bundle) -> tuple[str, ...]:
    if bundle.kind == "multiclass":
        return tuple(f"{bundle.target}={name}" for name in bundle.classes)
    return (bundle.target,)


def _flagged(flags: Found, own: slice) -> Found:
    """Return the flags of some rows of a batch, as if there were no others."""
    told = flags and flags[own]
    return told if told and any(told) else None


async def _kept(predicted: Predicted) -> Predicted:
    """Return what was predicted when it may be answered.

    Raises
    ------
    ResourceError
        If its record must be on disk, and is not.
    """
    if predicted.sent is not None:
        # Others wait for the same: a client that goes away must not end it.
        await asyncio.shield(asyncio.wrap_future(predicted.sent))
    return predicted


class _Ready(NamedTuple):
    """Features of one request."""

    came: int
    """When, nanoseconds of the performance counter."""
    X: np.ndarray
    columns: np.ndarray | Arrays
    """As they are logged; ``X`` itself where that says it."""


def _height(columns: Arrays | np.ndarray) -> int:
    if isinstance(columns, np.ndarray):
        return len(columns)
    return max((len(values) for values in columns.values()), default=0)


def _transposed(names: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> Arrays:
    columns = zip(names, zip(*rows, strict=True), strict=True)
    return {name: np.array(values, object) for name, values in columns}


Load = Callable[[Row | None], Scorer]
"""Gives what answers for a deployment, warm; None: the live one."""


class _Earlier:
    """Versions before the live one that were asked for, each once, by whatever name it was."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, Model] = OrderedDict()
        self._numbers: dict[str, str] = {}

    def find(self, name: str) -> Model | None:
        """Return one that is loaded, which goes last from now on."""
        number = self._numbers.get(name, name)
        if number in self._models:
            self._models.move_to_end(number)
        return self._models.get(number)

    def keep(self, model: Model, name: str) -> None:
        """Keep one, which was asked for by a name; of too many the first goes."""
        self._numbers[name] = model.version
        self._models[model.version] = model
        while len(self._models) > KEPT:
            self._models.popitem(last=False)


@dataclass
class _Served:
    """One pipeline."""

    catalog: Catalog
    load: Load
    log: InferenceLog
    live: Model | None = None
    earlier: _Earlier = field(default_factory=_Earlier)
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One earlier version is loaded at a time."""


class Models:
    """The pipelines of a server. `serve` may be called from any thread, the rest by the loop's."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._served: dict[str, _Served] = {}

    def add(self, name: str, catalog: Catalog, load: Load, log: InferenceLog) -> None:
        """Register a pipeline; nothing answers for it before `serve`."""
        self._served[name] = _Served(catalog, load, log)

    def serve(self, name: str, scorer: Scorer) -> None:
        """Answer with another version from the next request on."""
        served = self._served[name]
        served.live = Model(name, scorer, served.log, self._bounds)
        served.earlier = _Earlier()  # what features they have may be other groups' now

    @property
    def names(self) -> list[str]:
        """All pipelines, sorted."""
        return sorted(self._served)

    def live(self, name: str) -> Model | None:
        """Return the live version; None: nothing is deployed.

        Raises
        ------
        UnknownModelError
            If there is no such pipeline.
        """
        return self._of(name).live

    def now(self, name: str) -> Model:
        """Return the live version.

        Raises
        ------
        UnknownModelError
            If there is no such pipeline.
        NotServedError
            If nothing is deployed.
        """
        if (live := self._of(name).live) is None:
            raise NotServedError(
                "no deployment is served.",
                where=f"pipeline {name!r}",
                fix="Run `octavo run` until a model is ready.",
            )
        return live

    def versions(self, name: str) -> list[Version]:
        """Return all that was ever deployed, the newest last. It asks the catalog."""
        return [
            Version(
                number_of(row["deployment_id"]),
                *(row[key] for key in ("deployment_id", "candidate_id", "live_from", "live_to")),
            )
            for row in deployments.history(self._of(name).catalog)
        ]

    async def get(self, name: str, version: str | None = None) -> Model:
        """Return a version, loaded and warm; the live one if none is said.

        Parameters
        ----------
        version
            The number of a deployment, or the ID of a candidate that was ever deployed.

        Raises
        ------
        UnknownModelError
            If there is no such pipeline or version.
        NotServedError
            If nothing is deployed.
        DataError
            If the definition no longer gives the features that this version needs.
        """
        live, served = self.now(name), self._of(name)
        if version is None or version in (live.version, live.deployment_id, live.candidate_id):
            return live
        # If what is live changes meanwhile, it is kept by nobody.
        earlier = served.earlier
        if (found := earlier.find(version)) is None:
            async with served.loading:  # who waits may find it loaded
                if (found := earlier.find(version)) is None:
                    row = await asyncio.to_thread(self._deployed, name, version)
                    found = earlier.find(number_of(row["deployment_id"]))
                    if found is None:
                        found = await asyncio.to_thread(self._loaded, name, row)
                    earlier.keep(found, version)
        return found

    def _deployed(self, name: str, version: str) -> Row:
        try:
            return deployments.find(self._served[name].catalog, version)
        except DefinitionError as error:
            raise UnknownModelError(
                error.what, where=f"pipeline {name!r}", fix=error.fix
            ) from error

    def _loaded(self, name: str, row: Row) -> Model:
        served = self._served[name]
        return Model(name, served.load(row), served.log, self._bounds)

    def _of(self, name: str) -> _Served:
        served = self._served.get(name)
        if served is None:
            raise UnknownModelError.unknown("pipeline", name, self.names)
        return served
