"""The files that a definition is drafted from, read as ingestion will read them.

Small files are read whole; of a large one, pieces spread over all of it. It knows nothing of what
columns mean.
"""

import keyword
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from octavo.definition import Nested, Treatment
from octavo.engines import LocalEngine
from octavo.errors import DefinitionError
from octavo.quality import Finding
from octavo.services.drafting.reading import Reading, of_lines, split_in_vain, told
from octavo.stages.ingestion.files import Parsed, begin, whole
from octavo.stages.ingestion.loaded import ROW
from octavo.stages.ingestion.opening import opened

WHOLE = 1 << 26
"""Bytes of text, unpacked, up to which a file is read whole; of a larger one that much is read."""

WHOLE_ROWS = 1_000_000
"""The same for rows of a Parquet file."""

PIECE = 1 << 22
"""Bytes of text in a piece of a sample."""

_TAKEN = {
    *("ov", "pl", "Path", "DATA", "pipeline", "features", "past", "usual", "watched", "days"),
    *("what", "name", "each", "how_far", "i", "range"),
    *keyword.kwlist,
}
"""What drafted source calls by name, besides datasets."""


@dataclass(frozen=True)
class Repair:
    """A treatment as a line of a definition.

    Attributes
    ----------
    line
        Its source.
    treatment
        What that gives.
    why
        What it is for, a sentence.
    declared
        Whether it clearly repairs. If not, it may take away what was meant, and is written as a
        comment.
    """

    line: str
    treatment: Treatment
    why: str
    declared: bool

    @property
    def column(self) -> str:
        """What it treats."""
        return self.treatment.column


@dataclass(frozen=True)
class Table:
    """One dataset as far as it was read.

    Attributes
    ----------
    name
        What the dataset is called: a Python name.
    paths
        Its files; all have the same columns.
    frame
        The rows that were read, typed, in the order of the files.
    rejected
        The records among them that cannot be rows: ``_row, text, column, rule, reason``.
    share
        How much of all there is was read, a fraction.
    reading
        What its files have to be told to be read so.
    findings
        What is wrong with them as they were read.
    repairs
        The treatments that this calls for, in the order in which they apply; those that are
        declared have been applied to ``frame``.
    """

    name: str
    paths: tuple[Path, ...]
    frame: pl.DataFrame
    rejected: pl.DataFrame
    share: float = 1.0
    reading: Reading = field(default_factory=Reading)
    findings: Sequence[Finding] = ()
    repairs: Sequence[Repair] = ()

    @property
    def whole(self) -> bool:
        """Whether all was read."""
        return self.share == 1.0

    def identifies(self, name: str) -> bool:
        """Return whether each row has a value of its own in a column, of all rows there are."""
        if self.whole:
            return self.frame[name].null_count() == 0 and self.frame[name].is_unique().all()
        if not all(path.suffix.lower() == ".parquet" for path in self.paths):
            return False
        column = pl.scan_parquet(list(self.paths), glob=False).select(name)
        found = column.select(pl.len(), pl.col(name).count().alias("known"), pl.n_unique(name))
        return len(set(found.collect().row(0))) == 1

    @property
    def rows(self) -> str:
        """How many rows were read, in words."""
        return f"{self.frame.height:,} rows" + ("" if self.whole else " (a sample)")


def read_tables(paths: Sequence[Path]) -> list[Table]:
    """Read files; those with the same columns are one dataset.

    Raises
    ------
    DataError
        If a file cannot be read.
    """
    found: dict[tuple[str, ...], dict[Path, _Part]] = {}
    for path in dict.fromkeys(paths):
        part = _read(path)
        found.setdefault(tuple(part.frame.columns), {})[path] = part
    tables: list[Table] = []
    for parts in found.values():
        name = _name(list(parts), [table.name for table in tables])
        tables.append(_together(name, parts))
    return tables


def read_again(table: Table, as_text: Collection[str]) -> Table:
    """Read a table's files once more, some columns as the text that stands in them."""
    return _together(table.name, {path: _read(path, as_text) for path in table.paths})


@dataclass(frozen=True)
class _Part:
    """What was read of one file; ``share`` is how much of it that was."""

    frame: pl.DataFrame
    rejected: pl.DataFrame
    noticed: Sequence[Finding]
    share: float
    reading: Reading


def _together(name: str, parts: Mapping[Path, _Part]) -> Table:
    """Make one table of the files of one dataset."""
    read = list(parts.values())
    frames = [part.frame for part in read]
    # Ingestion reads later files by the first one's types, and says what does not fit.
    frame = pl.concat(frames) if _alike(frames) else frames[0]
    of = sum(part.frame.height / part.share for part in read)
    return Table(
        name,
        tuple(parts),
        frame,
        pl.concat([part.rejected for part in read]),
        min(frame.height / of, 1.0) if of else 1.0,
        read[0].reading,
        [each for part in read for each in part.noticed],
    )


def _alike(frames: Sequence[pl.DataFrame]) -> bool:
    return len({tuple(frame.schema.items()) for frame in frames}) == 1


def _read(path: Path, as_text: Collection[str] = ()) -> _Part:
    texts = {name: pl.String() for name in as_text}
    with tempfile.TemporaryDirectory(prefix="octavo-") as folder:
        sample, share = _sample(path, Path(folder)) or (path, 1.0)
        said = Reading(lines=of_lines(path))
        parsed = _parsed(sample, said, texts)
        flat: set[str] = set()
        while (better := told(parsed.frame.drop(texts), said, flat)) != said:
            parsed = _parsed(sample, better, texts)
            flat |= split_in_vain(parsed.frame, better)
            said = replace(better, whole=tuple(p for p in better.whole if p not in flat))
    return _Part(parsed.frame.drop(ROW), parsed.rejected, parsed.noticed, share, said)


def _parsed(path: Path, said: Reading, texts: Mapping[str, pl.DataType]) -> Parsed:
    return whole(
        begin(
            path,
            where_label="init",
            engine=LocalEngine(),
            overrides={**said.types, **texts},
            nested=Nested(whole=said.whole),
            lines=said.lines,
        )
    )


def _sample(path: Path, folder: Path) -> tuple[Path, float] | None:
    """Write a smaller file of the same kind, and say how much smaller; None if none is needed."""
    if path.suffix.lower() == ".parquet":
        return _sample_of_parquet(path, folder)
    if path.is_dir() or path.suffix.lower() in (".arff", ".json", ".xlsx", ".xls"):
        return None
    with opened(path, "init") as source:
        head = source.read(WHOLE)
        if len(head) < WHOLE:
            return None
        ratio = len(head) / max(source.done, 1)
        every = max(int(source.total * ratio / WHOLE), 1)
        sample = folder / Path(source.name).name
        with sample.open("wb") as out:
            out.write(head[: head.rfind(b"\n", 0, PIECE) + 1])
            for piece in _spread(source.read, every):
                out.write(piece)
    return sample, sample.stat().st_size / (source.total * ratio)


def _spread(read: Callable[[int], bytes], every: int) -> Iterator[bytes]:
    """Give the whole lines of every so-manieth piece of what is left."""
    number = 0
    while piece := read(PIECE):
        number += 1
        if number % every == 0:
            yield piece[piece.find(b"\n") + 1 : piece.rfind(b"\n") + 1]


def _sample_of_parquet(path: Path, folder: Path) -> tuple[Path, float] | None:
    try:
        scan = pl.scan_parquet(path, glob=False)
        height = scan.select(pl.len()).collect().item()
    except (pl.exceptions.PolarsError, OSError):
        return None  # reading it says what is wrong
    if height <= WHOLE_ROWS:
        return None
    pieces = 20
    length = WHOLE_ROWS // pieces
    starts = [round(i * (height - length) / (pieces - 1)) for i in range(pieces)]
    sample = folder / path.name
    pl.concat(scan.slice(start, length) for start in starts).collect().write_parquet(sample)
    return sample, pieces * length / height


def _name(paths: Sequence[Path], taken: Sequence[str]) -> str:
    """Return a Python name for a dataset, from what its files' names have in common."""
    stems = [path.name.split(".")[0] for path in paths]
    common = stems[0]
    if len(stems) > 1:
        length = next(
            (i for i, letters in enumerate(zip(*stems, strict=False)) if len(set(letters)) > 1),
            min(map(len, stems)),
        )
        common = stems[0][:length].rstrip("0123456789-_ .") or stems[0]
    plain = identifier(common, "data")
    plain = f"{plain}_rows" if plain in _TAKEN else plain  # it is a variable too
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain}_{number}", number + 1
    return name


def identifier(given: str, otherwise: str) -> str:
    """Return a name as Octavo takes it, as near to the given one as can be."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", given).strip("_")
    if not name:
        return otherwise
    return name if name[0].isalpha() else f"{otherwise}_{name}"


def check_column(table: Table, name: str, *, what: str) -> None:
    """Refuse a column that is not there, naming the nearest."""
    if name not in table.frame.columns:
        raise DefinitionError.unknown(
            "column", name, table.frame.columns, where=f"{what}, {table.paths[0].name}"
        )
