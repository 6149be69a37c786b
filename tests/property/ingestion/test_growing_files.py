"""Files grow in any pieces, are rotated and replaced, the tail is killed: each row is sent once."""

import csv
import io
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "ingestion"))

from following import Grown, Killed

from octavo.stages.ingestion import growing

texts = st.text('ab,"\n é', max_size=6)
step = st.one_of(
    st.tuples(st.just("write"), st.lists(texts, min_size=1, max_size=4), st.floats(0, 1)),
    st.tuples(st.sampled_from(["turn", "restart", "die", "rotate", "replace", "cut", "new"])),
)


class Writer:
    """Writes rows of CSV, and lets the last one wait half written."""

    def __init__(self, folder):
        self.folder, self.number, self.files = folder, 0, 0
        self.begin("a.csv")

    def begin(self, name):
        self.path, self.rest = self.folder / name, b""
        self.path.write_bytes(b"id,text\n")

    def write(self, texts, share):
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, lineterminator="\n")
        for text in texts:
            self.number += 1
            writer.writerow([f"n{self.number}", text])
        data = self.rest + buffer.getvalue().encode()
        cut = len(self.rest) + round(share * (len(data) - len(self.rest)))
        with self.path.open("ab") as file:
            file.write(data[:cut])
        self.rest = data[cut:]

    def finish(self):
        with self.path.open("ab") as file:
            file.write(self.rest)
        self.rest = b""

    def rotate(self):
        self.finish()
        self.files += 1
        name = self.path.name  # not that of another file, which would be cut
        self.path.rename(self.folder / f"old{self.files}.csv")
        self.begin(name)


def expected(contents):
    """Return the rows of whole files, as Python's own reader has them."""
    rows = []
    for data in contents:
        reader = csv.reader(io.StringIO(data.decode(), newline=""))
        next(reader)
        rows += [(n, text or None) for n, text in reader]
    return sorted(rows)


@pytest.mark.parametrize("partitions", [1, 3])
@settings(max_examples=25, deadline=None)
@given(st.lists(step, max_size=14), st.integers(1, 6))
@example([("write", ["a"], 1.0), ("die",), ("rotate",), ("write", ["b"], 1.0)], 5)
def test_each_row_once(partitions, steps, step_of_death):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        grown, writer, gone = Grown(folder, "*.csv", partitions=partitions), Writer(folder), []
        for kind, *told in steps:
            if kind == "write":
                writer.write(*told)
            elif kind == "turn":
                grown.turn()
            elif kind == "restart":
                grown.begin()
            elif kind == "die":
                die(grown, step_of_death)
            elif kind == "rotate":
                writer.rotate()
            elif kind == "new":
                writer.finish()
                writer.files += 1
                writer.begin(f"b{writer.files}.csv")
            else:  # what was not read before is lost with the file; so it is read
                writer.finish()
                grown.settle()
                gone.append(writer.path.read_bytes())
                if kind == "replace":
                    writer.path.unlink()
                writer.begin(writer.path.name)
                grown.settle()
        writer.finish()
        grown.settle()
        kept = [path.read_bytes() for path in folder.glob("*") if path.is_file()]
        found = sorted((row["id"], row["text"]) for row in grown.rows())
        assert found == expected([*gone, *kept])


def die(grown, number):
    """Kill the tail at its n-th durable step: before or after it appends, or stores."""
    store, append, left = growing.store, grown.stream.append, [number]

    def counted(call):
        def done(*arguments):
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return call(*arguments)

        return done

    growing.store, grown.stream.append = counted(store), counted(append)
    try:
        grown.turn()
        grown.turn()
    except Killed:
        pass
    finally:
        growing.store, grown.stream.append = store, append
    grown.begin()
