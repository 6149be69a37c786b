"""Where rows that are replayed go: to a server over HTTP, or into a stream that is at hand.

They know nothing of timelines, or of when to try again.
"""

import http.client
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import msgspec
import polars as pl

from octavo.errors import DataError, DefinitionError, ResourceError
from octavo.services.receiving import Receiver
from octavo.stages.ingestion.received import ARROW
from octavo.stores.catalog import now
from octavo.streams import Place, Stream

PATIENCE = 30.0
"""Seconds that a server has to answer."""
KIND = "application/vnd.apache.arrow.stream"
LATER = (502, 503, 504, 507)
"""Answers after which the same request may be right later."""


class BusyError(ResourceError):
    """A server takes nothing for now; ``retry_after`` says for how many seconds."""

    def __init__(self, what: str, *, where: str, retry_after: float) -> None:
        super().__init__(what, where=where)
        self.retry_after = retry_after


class Target(Protocol):
    """Takes blocks of rows, an Arrow IPC stream each."""

    def __call__(self, dataset: str, data: bytes, key: str) -> Place:
        """Take one block, durably, and return where it is, and whether it was there before.

        Raises
        ------
        BusyError, BacklogError
            If it must wait, and for how long.
        ResourceError
            If it cannot be taken now.
        """
        ...


def as_arrow(rows: pl.DataFrame) -> bytes:
    """Return rows as a block: equal rows are equal bytes.

    They are gathered before, so that no bit goes that is of a row beside them. Texts of which all
    are null keep such bits, and so do truth values in their last byte (Polars 2.1): these are made
    anew.
    """
    buffer = io.BytesIO()
    rows = rows.select(pl.all().gather(pl.int_range(pl.len())))
    nulls = [each for each in rows if each.null_count() == each.len()]
    truths = rows.select(pl.col(pl.Boolean))
    rows = rows.with_columns(pl.Series(each.name, each.to_list(), pl.Boolean) for each in truths)
    rows = rows.with_columns(pl.lit(None, each.dtype).alias(each.name) for each in nulls)
    rows.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    return buffer.getvalue()


class Server:
    """``POST /v1/datasets/{name}/events`` of a server, and its predictions, over one connection.

    Parameters
    ----------
    url
        Such as ``http://127.0.0.1:8080``; a path in it comes before that of the request.
    key
        An API key, if the server needs one.

    Raises
    ------
    DefinitionError
        If it is no address.
    """

    def __init__(self, url: str, key: str = "") -> None:
        parts = urlsplit(url)
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        if parts.scheme not in kinds or not parts.hostname:
            fix = "Write http://HOST:PORT, as `octavo up` prints it."
            raise DefinitionError(f"{url!r} is no address.", where="--url", fix=fix)
        self._url, self._path, self._pipeline = url, parts.path.rstrip("/"), ""
        self._access = {"Authorization": f"Bearer {key}"} if key else {}
        self._connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=PATIENCE)

    def __call__(self, dataset: str, data: bytes, key: str) -> Place:
        """Send one block; see `Target`."""
        headers = {"Content-Type": KIND, "Idempotency-Key": key}
        path = f"/v1/datasets/{quote(dataset)}/events"
        told = self._answered("POST", path, data, headers, f"dataset {dataset!r}")
        return Place(told["partition"], told["offset"], told["repeated"])

    def predict(self, events: Sequence[Mapping[str, Any]], wait_for: Sequence[Any] = ()) -> Any:
        """Ask for predictions, and return the answer.

        Parameters
        ----------
        events
            Column to value, of each.
        wait_for
            What the features must have seen, as sending it was answered.

        Raises
        ------
        BusyError, ResourceError
            If it cannot answer now.
        DataError
            If it refuses the question.
        """
        if not self._pipeline:
            self._pipeline = self._answered("GET", "/health", b"", {}, "/health")["pipeline"]
        path = f"/v1/pipelines/{quote(self._pipeline)}/predict"
        body = msgspec.json.encode({"events": events, "wait_for": wait_for})
        return self._answered("POST", path, body, {}, "predict")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _answered(
        self, method: str, path: str, data: bytes, headers: Mapping[str, str], what: str
    ) -> dict[str, Any]:
        """Return what a request is answered with, if it is done."""
        status, wait, told = self._requested(method, path, data, headers)
        if status in (200, 202):
            return told
        error = told.get("error", f"it answers {status}.")
        if status == 429:
            raise BusyError(error, where=self._url, retry_after=wait)
        if status in LATER:
            raise ResourceError(error, where=self._url)
        kind = DefinitionError if status == 404 else DataError
        raise kind(error, where=f"{self._url}, {what}")

    def _requested(
        self, method: str, path: str, data: bytes, headers: Mapping[str, str]
    ) -> tuple[int, float, dict[str, Any]]:
        try:
            self._connection.request(method, self._path + path, data, {**headers, **self._access})
            answer = self._connection.getresponse()
            body, wait = answer.read(), answer.getheader("Retry-After", "")
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # the next request opens it anew
            what = f"the server cannot be reached: {str(error) or type(error).__name__}."
            fix = "Is `octavo up` running there?"
            raise ResourceError(what, where=self._url, fix=fix) from error
        return answer.status, float(wait) if wait.isdigit() else 1.0, _document(body)


class Topics:
    """The topics of a stream on this machine, as a server appends to them."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def __call__(self, dataset: str, data: bytes, key: str) -> Place:
        """Append one block; see `Target`."""
        self._receiver.check(dataset)
        found = self._receiver.block(dataset, ARROW, data, key)
        (place,) = self._receiver.append(found.topic, [found.block])
        if place.repeated:
            self._receiver.check_key(found, place)
        return place


class Elsewhere:
    """Another target, once its first new block has shown that it is not where the rows come from.

    Parameters
    ----------
    source
        The stream of the home that is replayed.
    topics
        Topic in it, by dataset.

    Raises
    ------
    DataError
        If it is: rows without an event ID would be there twice.
    """

    def __init__(self, target: Target, source: Stream, topics: Mapping[str, str]) -> None:
        self._target, self._source, self._topics = target, source, topics
        self._is_checked = False

    def __call__(self, dataset: str, data: bytes, key: str) -> Place:
        """Hand one block on; see `Target`."""
        began = now()
        place = self._target(dataset, data, key)
        if not (self._is_checked or place.repeated):
            self._check(self._topics.get(dataset, ""), place, key, began)
            self._is_checked = True
        return place

    def _check(self, topic: str, place: Place, key: str, began: int) -> None:
        if topic not in self._source.topics():
            return
        extents = self._source.extents(topic)
        if place.partition >= len(extents) or place.offset >= extents[place.partition].end:
            return
        found = self._source.read(topic, {place.partition: place.offset}, max_rows=1)
        if found[0].key == key and found[0].appended_at >= began:
            raise DataError(
                "it is where these rows come from, and it would have them twice.",
                where=topic,
                fix="Replay them to another home.",
            )


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:  # whoever stands between answers in HTML
        return {}
    return found if isinstance(found, dict) else {}
