"""What is different from earlier batches: columns, keys, numbers of rows, and what columns hold.

It compares profiles, and so needs no rows of earlier batches.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from statistics import median
from typing import Any, Literal

import numpy as np

from octavo.quality.finding import Finding, literal, percent

Profile = Mapping[str, Mapping[str, Any]]

_UNITS = (
    0.0254, 0.3048, 0.45359237, 0.5144444, 0.621371, 1.150779, 1.609344, 1.852, 2.54, 3.28084,
    2.2046226, 3.6, 10.0, 60.0, 100.0, 1000.0, 1e6,
)  # fmt: skip
"""Ratios between common units; each also the other way round."""


def changes(
    now: Profile,
    rows: int,
    earlier: Sequence[Profile],
    counts: Sequence[int],
    *,
    source: str,
    keys: Collection[str] = (),
) -> Iterator[Finding]:
    """Find what a batch has unlike those before it.

    Parameters
    ----------
    now
        Profile of the batch.
    rows
        Its rows.
    earlier
        Profiles of earlier batches, the newest last.
    counts
        Their rows.
    source
        What declares its source, as it is written: ``"ov.Files"``.
    keys
        Columns that identify events: their numbers go on from batch to batch.
    """
    if not earlier:
        return
    known = {name: found for each in earlier for name, found in each.items()}  # the newest of each
    yield from _columns(now, known, earlier[-1], rows, source)
    yield from _rows(rows, counts)
    for name in now.keys() & known.keys():
        before = [each[name] for each in earlier if name in each]
        of = [count for each, count in zip(earlier, counts, strict=True) if name in each]
        yield from _column(name, now[name], before, of, rows, name in keys)


def _finding(
    rule: str,
    columns: Sequence[str],
    rows: int,
    sentence: str,
    treatment: str | None = None,
    weight: Literal["fault", "note"] = "fault",
) -> Finding:
    none = np.empty(0, np.int64)
    return Finding("schema", rule, tuple(columns), none, rows, sentence, treatment, weight=weight)


def _columns(
    now: Profile, known: Profile, last: Profile, rows: int, source: str
) -> Iterator[Finding]:
    lost = [name for name in last if name not in now]
    new = [name for name in now if name not in known]
    for name in list(lost):
        other = _renamed(name, last[name], {n: now[n] for n in new})
        if other is not None:
            lost.remove(name)
            new.remove(other)
            yield _finding(
                "renamed",
                [name, other],
                rows,
                f"The column `{name}` is now called `{other}`, it seems: what it holds is alike. "
                f"Until that is declared, `{name}` is null in this batch.",
                f"{source}(…, renamed={literal({other: name})})",
            )
    for name in lost:
        gone = f"The column `{name}` of earlier batches is gone: in this one it is null."
        yield _finding("lost", [name], rows, gone)
    for name in new:
        came = f"The column `{name}` is new: in earlier batches it is null."
        yield _finding("new", [name], rows, came, None, "note")
    for name, found in now.items():
        if name in known and (before := known[name]["type"]) != found["type"]:
            wider = (before, found["type"]) == ("Int64", "Float64")
            yield _finding(
                "retyped",
                [name],
                rows,
                f"`{name}` was {before} and is now {found['type']}"
                + (": all of it is read as numbers." if wider else "."),
                None,
                "note" if wider else "fault",
            )


def _renamed(name: str, before: Mapping[str, Any], new: Profile) -> str | None:
    """Return the new column that a lost one has become: by what it holds, else by its name."""
    alike = [other for other, found in new.items() if _alike(before, found)]
    plain = {"".join(filter(str.isalnum, other)).lower(): other for other in alike or ()}
    close = get_close_matches("".join(filter(str.isalnum, name)).lower(), list(plain), 1, 0.6)
    if close:
        return plain[close[0]]
    telling = before["distinct"] > 10 or "common" in before
    return alike[0] if len(alike) == 1 and telling else None


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if one["type"] != other["type"]:
        return False
    if "median" in one and "median" in other:
        width = max(one["to"] - one["from"], 1e-12) if "from" in one else 1e-12
        return (
            "from" in other
            and abs(one["median"] - other["median"]) <= 0.25 * width
            and (0.5 <= (other["to"] - other["from"]) / width <= 2)
        )
    if "common" in one and "common" in other:
        both = {text for text, _ in one["common"]} & {text for text, _ in other["common"]}
        return len(both) * 2 >= min(len(one["common"]), len(other["common"]))
    return True


def _rows(rows: int, counts: Sequence[int]) -> Iterator[Finding]:
    usual = median(counts)
    deviation = 1.4826 * median(abs(count - usual) for count in counts)
    width = max(8 * deviation, 0.5 * usual)
    if len(counts) >= 3 and abs(rows - usual) > width:
        yield _finding(
            "rows", [], rows, f"{rows:,} rows, where earlier batches had about {usual:,.0f}."
        )


def _column(
    name: str,
    now: Mapping[str, Any],
    before: Sequence[Mapping[str, Any]],
    counts: Sequence[int],
    rows: int,
    identifies: bool,
) -> Iterator[Finding]:
    unique = all(b["distinct"] == count for b, count in zip(before, counts, strict=True))
    # Others are different by chance.
    is_key = unique and now["type"] in ("String", "Int64") and min(counts) >= 20
    if is_key and now["distinct"] < rows:
        yield _finding(
            "key_lost",
            [name],
            rows,
            f"`{name}` was different in every row of earlier batches; now "
            f"{rows - now['distinct']:,} rows repeat one.",
        )
    shares = [b["nulls"] / max(count, 1) for b, count in zip(before, counts, strict=True)]
    share = now["nulls"] / max(rows, 1)
    if share > 0.05 and share > 3 * max(shares) + 0.02:
        yield _finding(
            "missing_more",
            [name],
            rows,
            f"`{name}` is missing in {percent(share)} of the rows; earlier in "
            f"{percent(max(shares))} at the most.",
        )
    if not (is_key or identifies):  # its numbers go on from batch to batch
        yield from _unit(name, now, before, rows)


def _unit(
    name: str, now: Mapping[str, Any], before: Sequence[Mapping[str, Any]], rows: int
) -> Iterator[Finding]:
    """Find a column whose median is another one by the ratio of two units."""
    if now["type"] != before[-1]["type"] or not all(b.get("median") for b in before):
        return
    usual = [float(b["median"]) for b in before]
    ratio = (now.get("median") or 0.0) / median(usual)
    steady = max(usual) <= 1.3 * min(usual) if min(usual) > 0 else False
    if not steady or ratio <= 0 or 0.6 < ratio < 1.6:
        return
    unit = min(_UNITS, key=lambda u: min(abs(ratio / u - 1), abs(ratio * u - 1)))
    close = min(abs(ratio / unit - 1), abs(ratio * unit - 1)) < 0.1
    said = f", as by another unit ({unit:g} to 1)" if close else ""
    yield _finding(
        "shifted",
        [name],
        rows,
        f"`{name}` is {ratio:.4g} times what it was in earlier batches (median "
        f"{now['median']:.6g} against {median(usual):.6g}){said}.",
    )
