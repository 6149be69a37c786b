"""The corruption suite: damage, ingest, look; what is found, what is wrongly found, what is lost.

`python -m tests.corruption.suite` writes the table of ``docs/quality.md``.
"""

import csv
import math
import random
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from octavo.definition import Dataset, Files
from octavo.engines import LocalEngine
from octavo.quality import Finding, examine
from octavo.stages.ingestion.accept import Intake
from octavo.stages.ingestion.files import begin
from octavo.stores.home import Home
from octavo.stores.raw import ROWS_PER_BATCH, RawStore

from .clean import SETS, Clean, text_of
from .damage import DAMAGE, Damage

SHARES = (0.005, 0.05)
"""Shares of rows that are damaged: below and above what a column's type tolerates."""

NULLS = {"", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "-", "?"}


@dataclass(frozen=True)
class Result:
    """What one run found.

    Attributes
    ----------
    found
        Share of the damaged rows that a finding names which the clean data did not have.
    false
        Share of the other rows that such a finding names.
    kept
        Whether every row of the file is in the raw store or in the rejected table, as it was.
    rules
        Of the findings that name damaged rows.
    """

    damage: str
    clean: str
    share: float
    found: float
    false: float
    kept: bool
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Damaged:
    """A file with known damage."""

    data: bytes
    lines: list[bytes]
    at: np.ndarray
    """Numbers of the damaged rows, ascending."""
    origin: list[int]
    """For each line, the number of the clean row; -1 if it was added."""


def damaged(clean: Clean, damage: Damage, share: float, seed: int) -> Damaged:
    """Damage a share of the rows, the same ones for the same seed."""
    rng = random.Random(f"{seed} {clean.name} {damage.name} {share}")
    rows = [list(row) for row in clean.rows]
    wanted = max(3, round(share * len(rows)))
    chosen: dict[int, list[str] | bytes] = {}
    for place in rng.sample(range(len(rows)), len(rows)):
        if damage.whole:
            line = text_of(clean.names, [rows[place]]).splitlines()[1]
            chosen[place] = damage.whole(line)
        elif damage.change and (new := damage.change(rows[place], clean, place, rng)) is not None:
            chosen[place] = new
        if len(chosen) == wanted:
            break
    lines: list[bytes] = []
    at, origin = [], []
    for place, row in enumerate(rows):
        new = chosen.get(place)
        if new is None or damage.after:
            lines.append(_line(clean, row))
            origin.append(place)
        if new is not None:
            origin.append(-1 if damage.after else place)
            at.append(len(lines))
            lines.append(new if isinstance(new, bytes) else _line(clean, new))
    header = ",".join(clean.names).encode()
    return Damaged(b"\n".join([header, *lines, b""]), lines, np.array(at), origin)


def _line(clean: Clean, row: list[str]) -> bytes:
    return text_of(clean.names, [row]).split("\n", 1)[1].removesuffix("\n").encode()


@dataclass(frozen=True)
class Seen:
    """What came of a file."""

    findings: list[Finding]
    raw: pl.DataFrame
    rejected: pl.DataFrame


def look(data: bytes, folder: Path) -> Seen:
    """Ingest a file into a raw store of its own and examine what is stored."""
    path = folder / "file.csv"
    path.write_bytes(data)
    reading = begin(path, where_label="dataset", engine=LocalEngine())
    dataset = Dataset("data", Files("file.csv"))
    batch = {"batch_id": "b", "sequence": 1, "clock": None, "content_hash": "0" * 16}
    store = RawStore(Home(folder / "home"))
    with store.receive("data", "b") as incoming:
        intake = Intake(dataset, batch, store, list, incoming)
        for piece in reading.pieces():
            intake.take(piece)
        intake.finish()
        incoming.commit()
    raw = store.scan("data", [batch]).sort("_position").collect()
    raw = raw.with_columns((pl.col("_position") % ROWS_PER_BATCH).alias("_row"))
    rejected = store.rejected("data", "b")
    return Seen([*reading.noticed, *examine(raw, rejected=rejected)], raw, rejected)


def undamaged(clean: Clean) -> Seen:
    """Look at a set as it is."""
    with tempfile.TemporaryDirectory() as folder:
        text = text_of(clean.names, [list(row) for row in clean.rows])
        return look(text.encode(), Path(folder))


def named(findings: list[Finding]) -> dict[str, set[int]]:
    """Return, by rule, the rows that findings name."""
    rows: dict[str, set[int]] = {}
    for each in findings:
        rows.setdefault(each.rule, set()).update(each.at.tolist())
    return rows


def run(
    clean: Clean, damage: Damage, share: float, baseline: list[Finding], seed: int = 1
) -> Result | None:
    """Damage a set and look what is found; None if no row of it can be damaged so."""
    file = damaged(clean, damage, share, seed)
    if not file.at.size:
        return None
    with tempfile.TemporaryDirectory() as folder:
        seen = look(file.data, Path(folder))
    before = named(baseline)
    rows = {
        rule: {row for row in found if file.origin[row] not in before.get(rule, ())}
        for rule, found in named(seen.findings).items()
    }
    bad = set(file.at.tolist())
    every = set().union(*rows.values())
    clean_rows = len(file.lines) - len(bad)
    return Result(
        damage.name,
        clean.name,
        share,
        len(every & bad) / len(bad),
        len(every - bad) / clean_rows,
        kept(file, seen, clean.names),
        tuple(sorted(rule for rule, found in rows.items() if found & bad)),
    )


def kept(file: Damaged, seen: Seen, names: tuple[str, ...]) -> bool:
    """Return whether every line can be told again from the raw store or the rejected table."""
    refused = dict(seen.rejected.select("_row", "text").iter_rows())
    stored = {row["_row"]: row for row in seen.raw.iter_rows(named=True)}
    if refused.keys() & stored.keys() or len(refused) + len(stored) != len(file.lines):
        return False
    encoding = _encoding(file.lines)
    for place, line in enumerate(file.lines):
        if place in refused:
            if refused[place] != line.decode(errors="backslashreplace"):
                return False
            continue
        values = next(csv.reader([line.decode(encoding, errors="backslashreplace")]))
        if not all(_same(stored[place][n], v) for n, v in zip(names, values, strict=True)):
            return False
    return True


def _encoding(lines: Sequence[bytes]) -> str:
    """Return how a file is to be read: as Windows-1252 only if no letter in it is one of UTF-8."""
    text = b"\n".join(lines)
    is_utf8 = re.search(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}", text)
    return "utf-8" if is_utf8 or text.isascii() else "cp1252"


def _same(value: object, text: str) -> bool:
    """Return whether a stored value says what the file said."""
    if value is None:
        return text.strip() in NULLS
    if isinstance(value, str):
        return value == text
    if isinstance(value, bool):
        return text.strip().lower() == str(value).lower()
    if isinstance(value, int | float):
        return math.isclose(float(text), value, rel_tol=1e-12)
    digits = "".join(filter(str.isdigit, text))  # dates, in whatever order
    shown = "".join(filter(str.isdigit, str(value)))[: len(digits)]
    return sorted(digits) == sorted(shown) or (bool(digits) and digits in shown)


def everything(
    sets: tuple[Callable[[], Clean], ...] = SETS, damages: tuple[Damage, ...] = DAMAGE
) -> list[Result]:
    """Run all damage on all sets that have what it needs."""
    results = []
    for make in sets:
        clean = make()
        baseline = undamaged(clean).findings
        for damage in damages:
            if set(damage.roles) <= clean.roles.keys():
                for share in SHARES:
                    if (result := run(clean, damage, share, baseline)) is not None:
                        results.append(result)
    return results


def table(results: list[Result]) -> str:
    """Return the results as a table in Markdown, the sets taken together."""
    lines = ["| damage | sets | found, of 0.5 % | found, of 5 % | falsely flagged | kept | by |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name in dict.fromkeys(r.damage for r in results):
        of = [r for r in results if r.damage == name]
        shares = [np.mean([r.found for r in of if r.share == share]) for share in SHARES]
        false = max(r.false for r in of)
        rules = dict.fromkeys(rule for r in of for rule in r.rules)
        cells = [
            name,
            str(len({r.clean for r in of})),
            *(f"{share:.0%}" for share in shares),
            f"{false:.2%}" if false else "0",
            "all" if all(r.kept for r in of) else "**not all**",
            ", ".join(f"`{rule}`" for rule in rules) or "—",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


PAGE = Path(__file__).parents[2] / "docs" / "quality.md"
BEGIN, END = "<!-- begin: written by tests.corruption.suite -->", "<!-- end -->"


def main() -> None:
    """Run all of it and write the table into the page."""
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n" + table(everything()) + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
