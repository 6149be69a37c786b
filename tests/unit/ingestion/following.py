"""A dataset whose files are followed, over a catalog that is made up, and what was sent of them."""

import json

import msgspec

import octavo as ov
from octavo.stages.ingestion import growing
from octavo.stages.ingestion.tail import Tail
from octavo.stores.home import Home
from octavo.streams.memory import MemoryStream


class Killed(BaseException):
    """Stands for SIGKILL."""


class Loaded:
    """Stands for the catalog after the first run; nothing of the files was there then."""

    def __init__(self, name, columns):
        file = growing.Followed(
            id="0" * 32, path="/nowhere/history.csv", end=3, head=b"abc", last=b"abc"
        )
        told = {"followed": msgspec.to_builtins(file)}
        self.batch = {"state": "committed", "through": told, "source": file.path}
        self.known = {name: dict.fromkeys(columns, "text")}

    def rows(self, query):
        return [self.batch]

    def schemas(self):
        return self.known


class Grown:
    """A folder of files, a tail of it that may be killed, and a stream that outlives it."""

    def __init__(self, folder, patterns, columns=("id", "text"), partitions=1, **options):
        self.folder, self.now, self.told = folder, 0.0, []
        self.dataset = ov.Dataset(
            "grown",
            ov.Files(patterns, follow=True, **options),
            online=ov.Stream(partitions=partitions),
        )
        self.catalog = Loaded("grown", columns)
        self.stream = MemoryStream()
        self.home = Home(folder / ".octavo")
        self.begin()

    def begin(self):
        self.tail = Tail(
            type("Pipeline", (), {"datasets": [self.dataset]}),
            self.folder,
            self.home,
            self.catalog,
            self.stream,
            tell=self.told.append,
            clock=lambda: self.now,
        )

    def turn(self):
        self.now += 1
        return self.tail.turn()

    def settle(self):
        """Look until nothing comes any more, long enough for any doubt to be over."""
        quiet = 0
        while quiet < 5:
            quiet = 0 if self.turn() else quiet + 1

    def lines(self):
        """Return the rows that were sent, each as text, in order."""
        found = []
        for partition, extent in enumerate(self.stream.extents("incoming.grown")):
            at = {partition: extent.begin}
            for record in self.stream.read("incoming.grown", at, max_rows=10**9, max_bytes=10**9):
                lines = record.data.decode().splitlines()
                assert len(lines) == record.rows
                found += lines
        return found

    def rows(self):
        return [json.loads(line) for line in self.lines()]
