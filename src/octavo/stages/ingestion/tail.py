"""Following files that grow: what is appended to them, to the stream of their dataset.

A block is the whole records from one place of a file on. Its key names that place, so it is
appended once; how far a file was read is stored after that. If a kill comes in between, the key is
known when the same place is read again, and the block that is there says where it ends.

Files are looked at again and again: network folders tell nobody of changes. It knows nothing of
processes, or of what becomes of rows.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from octavo.definition import Dataset, Files, Pipeline
from octavo.errors import DataError, OctavoError
from octavo.stages.ingestion import growing
from octavo.stages.ingestion.as_sent import SAMPLE, Form, form_of, rows_of
from octavo.stages.ingestion.files import expand
from octavo.stages.ingestion.first_load import is_over, loads
from octavo.stages.ingestion.growing import Followed
from octavo.stages.ingestion.received import NDJSON
from octavo.stages.ingestion.records import LONGEST_FIELD
from octavo.stores.catalog import Catalog
from octavo.stores.home import Home
from octavo.stores.schemas import from_json
from octavo.streams import BacklogError, Block, Stream
from octavo.streams.topics import incoming

IDLE = 0.25
"""Seconds between two looks where nothing has come: two short reads and a stat for each file."""
SETTLED = 2.0
"""Seconds for which a file must look like another one before it is taken for that: what a network
folder says of a file that was just written may be older than what it said before."""
PATIENCE = 30.0
"""Seconds that a record with an open quote has to go on; it is taken for broken then."""
PIECE = 1 << 20
"""Bytes of a file in a block, at the most; one record, however long."""

Tell = Callable[[str], None]


class Tail:
    """Follows the files of all datasets that are followed; one process of a home may.

    Parameters
    ----------
    folder
        Where relative patterns begin.
    tell
        Is told what a person should know.
    clock
        Seconds, monotonic.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        folder: Path,
        home: Home,
        catalog: Catalog,
        stream: Stream,
        *,
        tell: Tell,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.datasets = [each for each in pipeline.datasets if each.is_followed]
        self._home = home
        self._followers = [
            _Follower(dataset, folder, home, catalog, stream, tell, clock)
            for dataset in self.datasets
        ]

    def run(self, stop: threading.Event) -> None:
        """Go on until told to stop; all that was read is in the stream then."""
        while not stop.is_set():
            with self._home.following() as is_alone:
                while is_alone and not stop.is_set():
                    if not self.turn():
                        stop.wait(IDLE)
            stop.wait(IDLE)

    def turn(self) -> bool:
        """Take at most one block of each file; return whether any was taken."""
        return sum(follower.turn() for follower in self._followers) > 0


class _Follower:
    """One dataset: its files, and how far they were read."""

    def __init__(
        self,
        dataset: Dataset,
        folder: Path,
        home: Home,
        catalog: Catalog,
        stream: Stream,
        tell: Tell,
        clock: Callable[[], float],
    ) -> None:
        self._dataset, self._folder, self._catalog = dataset, folder, catalog
        self._home, self._kept = home, home.followed(dataset.name)
        self._stream, self._topic = stream, incoming(dataset)
        stream.create(self._topic)
        self._tell, self._clock = tell, clock
        self._files: list[Followed] | None = None
        self._forms: dict[str, Form] = {}
        self._said: set[str] = set()
        self._odd = 0.0
        """Since when files look like others than those that were read; 0: they do not."""
        self._open: dict[str, tuple[int, int, float]] = {}
        """By file: place and length of what has no whole record, and since when."""
        self._pause = 0.0

    def turn(self) -> bool:
        """Take at most one block of each file."""
        if self._clock() < self._pause:
            return False
        try:
            if not is_over(self._catalog, self._home, self._dataset.name):
                self._say("waits for the first `octavo run`, which loads what is there.")
                return False
            return sum(self._read(file) for file in self._look()) > 0
        except BacklogError as error:
            self._pause = self._clock() + error.retry_after
        except OctavoError as error:
            self._say(str(error))
            self._pause = self._clock() + SETTLED
        return False

    def _say(self, text: str) -> None:
        """Tell each thing once."""
        if text not in self._said:
            self._said.add(text)
            self._tell(f"{self._dataset.name}: {text}")

    def _look(self) -> list[Followed]:
        """Return the files that can be read on; what is new of them is stored first."""
        known = self._known()
        before = {each.id: each.path for each in known}
        there, lost = growing.divided(known)
        is_odd = any(Path(each.path).exists() for each in lost)
        if is_odd and not self._is_settled():
            return there
        self._odd = 0.0
        found = growing.look(there, lost, paths_of(self._dataset, self._folder))
        self._files = [*found.there, *found.away]
        if {each.id: each.path for each in self._files} != before:
            growing.store(self._kept, self._files)
        for text in found.told:
            self._tell(f"{self._dataset.name}: {text}")
        return found.there

    def _is_settled(self) -> bool:
        self._odd = self._odd or self._clock()
        return self._clock() - self._odd >= SETTLED

    def _known(self) -> list[Followed]:
        if self._files is None:
            self._files = growing.load(self._kept)
        if self._files is None:
            found = loads(self._catalog, self._dataset.name)
            self._files = [file for batch, file in found if batch["state"] != "planned"]
            growing.store(self._kept, self._files)
        return self._files

    def _read(self, file: Followed) -> bool:
        """Append the next whole records of a file as a block; return whether there were any."""
        try:
            path = Path(file.path)
            if path.stat().st_size == file.end:
                return False
            with path.open("rb") as source:
                form = self._form(file, source)
                if form is None:
                    return False
                data, skipped, cut = self._next(file, form, source)
                if not file.is_in(source):  # it was replaced just now
                    return False
        except OSError:
            return False  # or renamed, or is out of reach: it is looked for again
        if not cut:
            self._open.setdefault(file.id, (file.end, len(data), self._clock()))
            return False
        self._open.pop(file.id, None)
        self._append(file, form, data[: skipped + cut], skipped)
        return True

    def _next(self, file: Followed, form: Form, source: IO[bytes]) -> tuple[bytes, int, int]:
        """Return what comes next, how much of it is header, and where its whole records end."""
        size = PIECE
        while True:
            source.seek(file.end)
            data = source.read(size)
            skipped = max(0, form.begin - file.end)
            cut = form.end(data[skipped:], last=self._is_stuck(file, data))
            if cut or len(data) < size:
                return data, skipped, cut
            size *= 2

    def _is_stuck(self, file: Followed, data: bytes) -> bool:
        end, size, since = self._open.get(file.id, (-1, 0, 0.0))
        waited = end == file.end and self._clock() - since >= PATIENCE and b"\n" in data[:size]
        return waited or len(data) > LONGEST_FIELD

    def _form(self, file: Followed, source: IO[bytes]) -> Form | None:
        if file.id not in self._forms:
            columns = self._catalog.schemas()[self._dataset.name]
            try:
                form = form_of(self._dataset, file, source.read(SAMPLE), columns)
            except DataError as error:
                self._say(str(error))
                return None
            if form is None:
                return None
            self._forms[file.id] = form
            self._store()
        return self._forms[file.id]

    def _store(self) -> None:
        assert self._files is not None, "a file is of those that were looked at"
        growing.store(self._kept, self._files)

    def _append(self, file: Followed, form: Form, data: bytes, skipped: int) -> None:
        types = from_json(self._catalog.schemas()[self._dataset.name])
        line = file.line + data[:skipped].count(b"\n")
        place = f"file {file.path}"
        rows = rows_of(form, data[skipped:], place=place, line=line, types=types)
        if rows.rows:
            where = {"file": file.path, "begin": file.end, "length": len(data), "line": line}
            block = Block(
                partition=int(file.id, 16) % self._topic.partitions,
                rows=rows.rows,
                data=rows.data,
                key=f"tail/{file.id}/{file.end}",
                metadata={"format": NDJSON, **where},
            )
            (placed,) = self._stream.append(self._topic.name, [block])
            if placed.repeated:  # it was appended before a kill, perhaps as less or more of it
                at = {placed.partition: placed.offset}
                there = self._stream.read(self._topic.name, at, max_rows=1)[0].metadata
                with Path(file.path).open("rb") as source:
                    source.seek(file.end)
                    data = source.read(there["length"])
        file.read_on(data)
        self._store()


def paths_of(dataset: Dataset, folder: Path) -> list[Path]:
    """Return the files that are to be followed now; none is no fault."""
    told = dataset.offline
    assert isinstance(told, Files), "only files are followed"
    try:
        return expand(told.patterns, folder)  # type: ignore[arg-type]
    except DataError:
        return []


def behind(dataset: Dataset, folder: Path, home: Home) -> int:
    """Return how many bytes of a dataset's files are not yet in its stream."""
    known = growing.load(home.followed(dataset.name)) or []
    ends = {each.path: each.end for each in known}
    left = 0
    for path in {*map(str, paths_of(dataset, folder)), *ends}:
        try:
            left += max(0, Path(path).stat().st_size - ends.get(path, 0))
        except OSError:
            continue
    return left
