"""``POST /v1/datasets/{name}/events``: rows as JSON, NDJSON or an Arrow IPC stream.

Answered when they are on disk. Requests that wait for the disk at the same time share one commit.
"""

import asyncio
import math
from collections.abc import Sequence

from octavo.errors import DataError, DefinitionError, ResourceError, is_full
from octavo.server.answers import JSON, Answer, Refused, as_json
from octavo.server.rows import ARROW, NDJSON
from octavo.services.receiving import Received, Receiver, ReusedKeyError, TooManyRowsError
from octavo.stages.ingestion import received as forms
from octavo.streams import BacklogError, Block, Place

FORMS = {JSON: forms.JSON, NDJSON: forms.NDJSON, ARROW: forms.ARROW}
LONGEST_KEY = 255
"""Characters of an idempotency key."""


class Events:
    """The route, with what waits to be appended."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self._waiting: dict[str, list[tuple[Block, asyncio.Future[Place]]]] = {}
        self._working: dict[str, asyncio.Task[None]] = {}

    def check(self, dataset: str, headers: dict[bytes, bytes]) -> None:
        """Refuse, before the body is read, what cannot be taken."""
        try:
            self.receiver.check(dataset)
        except DefinitionError as error:
            raise Refused(404, str(error)) from error
        if _kind(headers) not in FORMS:
            kinds = ", ".join(kind.decode() for kind in FORMS)
            raise Refused(415, f"send rows as Content-Type: {kinds}")
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise Refused(415, "send rows unpacked, without Content-Encoding")
        key = headers.get(b"idempotency-key")
        if key is not None and not 0 < len(key) <= LONGEST_KEY:
            raise Refused(400, f"an Idempotency-Key has 1 to {LONGEST_KEY} characters")

    async def take(
        self, dataset: str, headers: dict[bytes, bytes], body: bytes
    ) -> tuple[Answer, int]:
        """Append the rows of a request; answer when they are durable, and say how many are new."""
        key = headers.get(b"idempotency-key")
        text = None if key is None else key.decode("latin-1")
        try:
            asked = dataset, FORMS[_kind(headers)], body, text
            found = await asyncio.to_thread(self.receiver.block, *asked)
        except TooManyRowsError as error:
            raise Refused(413, str(error)) from error
        except DataError as error:
            raise Refused(400, str(error)) from error
        place = await self._appended(found)
        told = {
            "dataset": dataset,
            "topic": found.topic,
            "partition": place.partition,
            "offset": place.offset,
            "rows": found.block.rows,
            "repeated": place.repeated,
        }
        new = 0 if place.repeated else found.block.rows
        return Answer(as_json(told), status=202 if new else 200), new

    async def _appended(self, found: Received) -> Place:
        try:
            place = await self._append(found)
            if place.repeated:
                await asyncio.to_thread(self.receiver.check_key, found, place)
            return place
        except ReusedKeyError as error:
            raise Refused(422, str(error)) from error
        except BacklogError as error:
            seconds = str(math.ceil(error.retry_after)).encode()
            raise Refused(429, str(error), ((b"retry-after", seconds),)) from error
        except ResourceError as error:
            raise Refused(507 if is_full(error) else 503, str(error)) from error

    async def _append(self, found: Received) -> Place:
        """Append a block with all others that come while an earlier commit is under way."""
        future: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(found.topic, []).append((found.block, future))
        if found.topic not in self._working:
            self._working[found.topic] = asyncio.create_task(self._work(found.topic))
        return await future

    async def _work(self, topic: str) -> None:
        while waiting := self._waiting.pop(topic, []):
            blocks = [block for block, _ in waiting]
            try:
                places: Sequence[Place] = await asyncio.to_thread(
                    self.receiver.append, topic, blocks
                )
            except BaseException as error:  # noqa: BLE001  whatever it is, all who wait are told
                for _, future in waiting:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), place in zip(waiting, places, strict=True):
                if not future.done():
                    future.set_result(place)
        del self._working[topic]


def _kind(headers: dict[bytes, bytes]) -> bytes:
    return headers.get(b"content-type", b"").split(b";")[0].strip().lower()
