"""Labels spelled in several ways: blanks, case, dots, accents, placeholders, typing errors.

It looks at text as text; numbers and dates in text are `octavo.quality.written`'s.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from octavo.quality.finding import Finding, call, check, column, enumerated, shown
from octavo.quality.table import Table

_INVISIBLE = r"\u{00A0}\u{200B}-\u{200D}\u{2060}\u{FEFF}"
_STRAY = rf"^\s|\s$|[{_INVISIBLE}]"
_DOUBLED = rf"\s\s|{_STRAY}"
_BROKEN = r"[ÃÂ][\u{0080}-\u{00BF}]|Ã[€-™]|â€|\u{FFFD}|[\x00-\x08\x0B\x0C\x0E-\x1F]"
_LONG = 60  # characters from which a text is prose, where two blanks are nothing
_RARE = 50  # times as often as its misspelling a label must be there
_REPLACED = 8  # spellings up to which a treatment names each of them
PLACEHOLDERS = frozenset(
    (
        *("unknown", "unk", "none", "nil", "null", "na", "n/a", "n.a.", "n.a", "nan", "missing"),
        *("empty", "blank", "undefined", "tbd", "tba", "xxx", "???", "?", "--", "---", "-", ".."),
        *("...", ".", "*", "#n/a", "#na", "#null!", "#value!", "#ref!", "#div/0!", "(null)"),
        *("(none)", "<na>", "\\n", "not available", "not applicable", "no data", "k.a."),
    )
)
"""Texts, in lower case, that mostly stand for a missing value."""


def labels(table: Table) -> Iterator[Finding]:
    """Find labels whose spelling differs, column by column."""
    for name in table.of_type("text"):
        yield from _blanks(table, name)
        yield from _broken(table, name)
        yield from _placeholders(table, name)
        if table.counts(name).height <= table.height / 2:
            yield from _variants(table, name)
            yield from _misspelled(table, name)


def _blanks(table: Table, name: str) -> Iterator[Finding]:
    values = table.counts(name)["value"]
    prose = values.str.len_chars().mean() > _LONG  # type: ignore[operator]
    pattern = _STRAY if prose else _DOUBLED
    if not values.str.contains(pattern).any():
        return
    bad = table.frame[name].str.contains(pattern)
    yield table.finding(
        "format",
        "blanks",
        name,
        bad,
        f"`{name}` has stray blanks or invisible characters in {table.counted(bad)}.",
        call("Normalize", name, strip=True),
    )


def _broken(table: Table, name: str) -> Iterator[Finding]:
    if not table.counts(name)["value"].str.contains(_BROKEN).any():
        return
    bad = table.frame[name].str.contains(_BROKEN)
    yield table.finding(
        "format",
        "encoding",
        name,
        bad,
        f"`{name}` has letters that were read in another encoding than they were written in, or "
        f"control characters, in {table.counted(bad)}.",
        check(f"{name} is readable", f'~{column(name)}.str.contains("Ã|Â|â€|\\ufffd")'),
    )


def _placeholders(table: Table, name: str) -> Iterator[Finding]:
    counts = table.counts(name)
    found = counts.filter(pl.col("value").str.strip_chars().str.to_lowercase().is_in(PLACEHOLDERS))
    if found.is_empty() or found.height == counts.height:
        return
    spelled = found["value"].to_list()
    bad = table.frame[name].is_in(spelled)
    yield table.finding(
        "missing",
        "placeholder",
        name,
        bad,
        f"`{name}` says {enumerated(map(shown, spelled))} in {table.counted(bad)}: "
        "this seems to mean that there is no value.",
        call("Null", name, values=spelled),
    )


def _variants(table: Table, name: str) -> Iterator[Finding]:
    """Find labels that are the same but for case, dots, accents or marks between words."""
    counts = table.counts(name).filter(~pl.col("value").str.contains(_STRAY))
    bare = pl.col("value").str.normalize("NFKD").str.replace_all(r"\p{M}", "")
    counts = counts.with_columns(
        plain=pl.col("value").str.normalize("NFKC"), lower=bare.str.to_lowercase()
    ).with_columns(dotless=pl.col("lower").str.strip_chars_end(". "))
    joined = pl.col("dotless").str.replace_all(r"[\s_-]+", "")
    wordy = pl.col("dotless").str.contains(r"\p{L}{3}")
    counts = counts.with_columns(key=pl.when(wordy).then(joined).otherwise("dotless"))
    # Accents are lost more easily than gained: a spelling that has them need not be most frequent.
    accented = pl.col("value").str.normalize("NFKD").str.contains(r"\p{M}")
    counts = counts.sort(pl.col("count") * (1 + 3 * accented), "value", descending=[True, False])
    counts = counts.with_columns(
        pl.all().exclude("key").first().over("key").name.prefix("usual_"),
    ).filter(pl.col("value") != pl.col("usual_value"))
    rules = {
        "case": pl.col("plain").str.to_lowercase() == pl.col("usual_plain").str.to_lowercase(),
        "accents": pl.col("lower") == pl.col("usual_lower"),
        "dots": pl.col("dotless") == pl.col("usual_dotless"),
        "separators": pl.lit(True),
    }
    for rule, same in rules.items():
        found, counts = counts.filter(same), counts.filter(~same)
        if found.height:
            yield _variant(table, name, rule, found)


def _variant(table: Table, name: str, rule: str, found: pl.DataFrame) -> Finding:
    differing = {
        "case": "upper and lower case",
        "accents": "accents",
        "dots": "a dot at the end",
        "separators": "blanks, dashes and underscores",
    }
    bad = table.frame[name].is_in(found["value"].to_list())
    pairs = dict(found.select("value", "usual_value").iter_rows())
    quoted = enumerated([f"{shown(a)} beside {shown(b)}" for a, b in pairs.items()], most=3)
    return table.finding(
        "format",
        rule,
        name,
        bad,
        f"`{name}` has labels that differ only in {differing[rule]}, in "
        f"{table.counted(bad)}: {quoted}.",
        _unified(table, name, rule, pairs),
    )


def _unified(table: Table, name: str, rule: str, pairs: dict[str, str]) -> str:
    usual = pl.Series(list(pairs.values()))
    if rule == "case" and len(pairs) > _REPLACED:
        for case in ("upper", "lower", "title"):
            if (usual == getattr(usual.str, f"to_{case}case")()).all():
                return call("Normalize", name, case=case)
    if rule == "dots" and len(pairs) > _REPLACED and not usual.str.ends_with(".").any():
        return call("Normalize", name, dots=True)
    return call("Normalize", name, replace=pairs)


def _misspelled(table: Table, name: str) -> Iterator[Finding]:
    """Find rare labels that are one letter off a frequent one."""
    counts = table.counts(name).filter(pl.col("value").str.contains(r"^[\p{L} .'-]{6,40}$"))
    often = counts.filter(pl.col("count") >= 50)
    if often.is_empty() or often.height > 500:
        return
    rare = counts.filter(pl.col("count") <= pl.lit(often["count"]).max() / _RARE).head(500)
    pairs: dict[str, str] = {}
    for value, count in rare.iter_rows():
        for usual, times in often.iter_rows():
            same = value.strip(" .").casefold() == usual.strip(" .").casefold()
            if times >= _RARE * count and not same and _one_off(value, usual):
                pairs[value] = usual
                break
    if pairs:
        bad = table.frame[name].is_in(list(pairs))
        quoted = enumerated([f"{shown(a)} for {shown(b)}" for a, b in pairs.items()], most=3)
        yield table.finding(
            "incorrect",
            "misspelled",
            name,
            bad,
            f"`{name}` seems to be misspelled in {table.counted(bad)}: {quoted}.",
            call("Normalize", name, replace=pairs),
        )


def _one_off(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Return whether one letter was changed, left out, added, or exchanged with the next."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), -1)
    if start < 0:
        return True
    if len(one) == len(other):
        swapped = one[start : start + 2] == other[start : start + 2][::-1]
        return one[start + 1 :] == other[start + 1 :] or (
            swapped and one[start + 2 :] == other[start + 2 :]
        )
    short, long = sorted((one, other), key=len)
    return short[start:] == long[start + 1 :]
