"""Numbers, dates and truth values that are written as text, or in several ways at once.

It looks at text columns, and at the values that ingestion rejected since they did not fit their
column's type. It knows nothing of labels.
"""

import re
from collections.abc import Iterator

import polars as pl

from octavo.quality.finding import Finding, call, counted, enumerated, shown
from octavo.quality.labels import PLACEHOLDERS
from octavo.quality.table import Table

MOST = 0.8
"""Share of a column's values from which it counts as one of numbers, dates or truth values."""

_DIGITS = r"(?:[0-9]{1,3}(?:[,. '’\u{00A0}\u{202F}][0-9]{3})+|[0-9]+)(?:[.,][0-9]*)?|[.,][0-9]+"
_NUMBER = rf"[+\-\u{{2212}}]?(?:{_DIGITS})(?:[eE][+-]?[0-9]+)?"
# A comma that can only be decimal.
_COMMA = r"[0-9],[0-9]{1,2}(?:[^0-9]|$)|[0-9],[0-9]{4,}|\.[0-9]{3},[0-9]|^0,[0-9]"
_DOT = r"[0-9]\.[0-9]{1,2}(?:[^0-9]|$)|[0-9]\.[0-9]{4,}|,[0-9]{3}\.[0-9]|^0\.[0-9]"
_GROUPED = r"[0-9][. '’\u{00A0}\u{202F}][0-9]{3}(?:[^0-9]|$)|[0-9],[0-9]{3}(?:[^0-9]|$)"
_BEFORE = r"[^\w\s+\-.,()]{1,3}|[A-Z]{2,3}\s"  # €, USD; a letter before digits makes a code
_BEHIND = r"[^0-9\s+\-.,()][^0-9+\-.,()]{0,11}"
_UNITS = rf"^({_BEFORE})?\s*(?:{_NUMBER})\s*({_BEHIND})?$"
_NEGATIVE = rf"^\((?:{_DIGITS})\)$"
_WITH_UNIT = rf"{_UNITS}|{_NEGATIVE}"
_LETTERS = r"[0-9.][OoIl]|[OoIl][0-9.]"  # for 0 and 1
_FAMILIES = (
    {"kg": 1.0, "g": 1e-3, "mg": 1e-6, "t": 1e3, "lb": 0.45359237, "lbs": 0.45359237},
    {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "km": 1e3, "in": 0.0254, "ft": 0.3048, "mi": 1609.344},
    {"s": 1.0, "sec": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0, "hours": 3600.0},
)
_MINUS = "\u2212"
_NUMERIC = rf"^(?:{_NUMBER})$"
_DATES = (
    "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y%m%d",
    "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d-%b-%Y", "%d/%m/%y", "%m/%d/%y",
    "%d.%m.%y",
)  # fmt: skip
_TIMES = ("", " %H:%M:%S", " %H:%M", "T%H:%M:%SZ", "T%H:%M:%S", "T%H:%M:%S%z", " %I:%M %p")
_DATELIKE = (
    r"^[0-9]{1,4}[-/. ][0-9]{1,2}[-/. ][0-9]{1,4}|^(?:19|20)[0-9]{6}$"
    r"|^[A-Za-z]{3,9}\.? [0-9]{1,2},? [0-9]{4}"
    r"|^[0-9]{1,2}[ -][A-Za-z]{3,9}[ -][0-9]{2,4}"
)
_TRUTH = {
    "true": "true", "t": "true", "yes": "true", "y": "true", "on": "true", "1": "true",
    "false": "false", "f": "false", "no": "false", "n": "false", "off": "false", "0": "false",
}  # fmt: skip
_QUOTED = re.compile(r"^column '.*': (?P<value>'.*'|\".*\") is not an? (?P<noun>.*)$", re.DOTALL)


def written(table: Table) -> Iterator[Finding]:
    """Find text columns that hold numbers, dates or truth values."""
    for name in table.of_type("text"):
        values = table.counts(name)
        if values.height < 2:
            continue
        total = int(values["count"].sum())
        stripped = values.with_columns(text=pl.col("value").str.strip_chars())
        stripped = stripped.filter(~pl.col("text").str.to_lowercase().is_in(PLACEHOLDERS))
        for find in (_truth, _dates, _numbers):
            if found := list(find(table, name, stripped, total)):
                yield from found
                break


def _share(values: pl.DataFrame, mask: pl.Series, total: int) -> float:
    return int(values["count"].filter(mask).sum()) / max(total, 1)


def _truth(table: Table, name: str, values: pl.DataFrame, total: int) -> Iterator[Finding]:
    lower = values["text"].str.to_lowercase()
    known = lower.is_in(list(_TRUTH))
    if values.height > 12 or lower.n_unique() < 2 or _share(values, known, total) < 0.95:
        return
    meant = lower.filter(known).replace_strict(_TRUTH)
    spelled = values.filter(known).with_columns(meant=meant)
    usual = spelled.unique("meant", keep="first", maintain_order=True)
    others = spelled.join(usual, on="value", how="anti")
    if others.is_empty():
        return
    standard = dict(usual.select("meant", "value").iter_rows())
    pairs = {value: standard[truth] for value, truth in others.select("value", "meant").iter_rows()}
    bad = table.frame[name].is_in(list(pairs))
    yield table.finding(
        "format",
        "truth",
        name,
        bad,
        f"`{name}` says yes and no in several ways, in {table.counted(bad)} unlike "
        f"most: {enumerated(map(shown, pairs))}.",
        call("Normalize", name, replace=pairs),
    )


def _numbers(table: Table, name: str, values: pl.DataFrame, total: int) -> Iterator[Finding]:
    text = values["text"].str.normalize("NFKC")
    numeric = text.str.contains(_WITH_UNIT) & ~text.str.contains(_LETTERS)
    if _share(values, numeric, total) < MOST:
        return
    zeros = text.str.contains(r"^[+-]?0[0-9]")
    units = _units(values.filter(numeric))
    if _share(values, zeros, total) > 1 - MOST or len(units) > 8:
        return  # codes such as 007, or flat numbers such as 12a, 12b, 12c
    line = _as_number(name, text.filter(numeric), units)
    spaced = pl.col(name).str.strip_chars()
    bare = spaced.str.normalize("NFKC").str.replace(_MINUS, "-")
    forms = {
        "unit": (~bare.str.contains(_NUMERIC) & ~bare.str.contains(_NEGATIVE), "units"),
        "parentheses": (bare.str.contains(_NEGATIVE), "parentheses, for what is negative"),
        "minus": (spaced.str.contains(_MINUS), "another sign than the minus"),
        "zeros": (bare.str.contains(r"^[+-]?0[0-9]"), "leading zeros"),
        "decimal_comma": (spaced.str.contains(_COMMA), "decimal commas"),
        "thousands": (spaced.str.contains(_GROUPED), "separators of thousands"),
    }
    inside = bare.str.contains(_WITH_UNIT) & ~bare.str.contains(_LETTERS)
    for rule, (pattern, what) in forms.items():
        if rule == "thousands" and "." in _decimal(text):
            pattern = spaced.str.contains(r"[0-9][, '’\u{00A0}\u{202F}][0-9]{3}(?:[^0-9]|$)")
        bad = table.where(inside & pattern)
        if bad.any():
            yield table.finding(
                "format",
                rule,
                name,
                bad,
                f"`{name}` is text: {table.counted(bad)} have numbers with {what}.",
                line,
            )
    lower = spaced.str.to_lowercase()
    bad = table.where(~inside & ~lower.is_in(PLACEHOLDERS))
    if bad.any():
        yield table.finding(
            "incorrect",
            "not_a_number",
            name,
            bad,
            f"`{name}` has numbers, but none in {table.counted(bad)}.",
            line,
        )


def _decimal(text: pl.Series) -> str:
    comma, dot = text.str.contains(_COMMA).any(), text.str.contains(_DOT).any()
    return ",." if comma and dot else "," if comma else "."


def _units(values: pl.DataFrame) -> list[str]:
    """Return the units found, the most frequent first."""
    parts = values["text"].str.normalize("NFKC").str.extract_groups(_UNITS).struct
    both = parts.field("1").fill_null("") + parts.field("2").fill_null("").str.strip_chars()
    found = values.with_columns(unit=both).filter(pl.col("unit") != "")
    counts = found.group_by("unit").agg(pl.col("count").sum())
    return counts.sort("count", "unit", descending=[True, False])["unit"].to_list()


def _as_number(name: str, text: pl.Series, units: list[str]) -> str:
    given = {}
    if (mark := _decimal(text)) != ".":
        given["decimal"] = mark
    if units:
        family = next((f for f in _FAMILIES if f.keys() >= set(units)), None)
        base = family[units[0]] if family else 1.0
        given["units"] = {u: round(family[u] / base, 9) if family else 1 for u in units}
    return call("AsNumber", name, **given)


def _dates(table: Table, name: str, values: pl.DataFrame, total: int) -> Iterator[Finding]:
    datelike = values["text"].str.contains(_DATELIKE)
    if _share(values, datelike, total) < MOST:
        return
    formats = _date_formats(values.filter(datelike).head(2000))
    if not formats:
        return
    line = call("AsTime", name, formats=formats)
    usual, *others = formats
    missing = table.where(pl.col(name).str.strip_chars().str.to_lowercase().is_in(PLACEHOLDERS))
    read = table.where(_fits(name, usual))
    rest = table.frame[name].is_not_null() & ~read & ~missing
    if others:
        wrong = rest & table.where(pl.any_horizontal([_fits(name, each) for each in others]))
        yield table.finding(
            "format",
            "dates",
            name,
            wrong,
            f"`{name}` has dates written in {len(formats)} ways; in "
            f"{table.counted(wrong)} not as in most ({usual}). A day that could as "
            "well be a month is read as in most rows.",
            line,
        )
        rest = rest & ~wrong
    elif not rest.any():
        yield table.finding(
            "format",
            "dates",
            name,
            read,
            f"`{name}` is text, and all of it are dates ({usual}).",
            line,
            "note",
        )
    if rest.any():
        yield table.finding(
            "incorrect",
            "not_a_date",
            name,
            rest,
            f"`{name}` has dates, but none that exists in {table.counted(rest)}.",
            line,
        )


def _fits(name: str, pattern: str) -> pl.Expr:
    parsed = (
        pl.col(name)
        .str.strip_chars()
        .str.to_datetime(
            pattern, strict=False, time_unit="us", time_zone="UTC" if "%z" in pattern else None
        )
    )
    return parsed.is_not_null() & parsed.dt.year().is_between(1000, 9999)


def _date_formats(values: pl.DataFrame) -> list[str]:
    """Return the formats that read all dates they can, the one of most rows first.

    Parameters
    ----------
    values
        ``text`` and ``count``.
    """
    left = values.rename({"text": "date"}).select("date", "count")
    formats: list[str] = []
    while left.height and len(formats) < 6:
        tried = [date + time for date in _DATES for time in _TIMES]
        fits = left.select(_fits("date", each).alias(each) for each in tried)
        shares = fits.select(
            (pl.col(each) * left["count"]).sum().alias(each) for each in tried
        ).row(0)
        best = max(range(len(tried)), key=lambda place: shares[place])
        if not shares[best]:
            break
        formats.append(tried[best])
        left = left.filter(~fits[tried[best]])
    return formats


def refused(table: Table, rejected: pl.DataFrame) -> Iterator[Finding]:
    """Find what rejected values have in common, and which treatment would let them in.

    Parameters
    ----------
    rejected
        As the raw store keeps rejected rows: ``_row, text, column, rule, reason``.
    """
    height = table.height + rejected.height
    for (rule, name), rows in rejected.group_by("rule", "column", maintain_order=True):
        at = rows["_row"].sort().to_numpy()
        where = f" in `{name}`" if name else ""
        sentence, treatment = f"{counted(len(at), height)} rejected{where}, rule {rule}", None
        if rule == "type":
            texts, noun = _values(rows["reason"])
            sentence += f": {enumerated(map(shown, texts[:3]))}; {noun} is expected"
            treatment = _letting_in(str(name), texts, noun)
        elif rows.height:
            sentence += f": {rows['reason'][0]}"
        examples = tuple(zip(rows["_row"][:3].to_list(), map(shown, rows["text"][:3]), strict=True))
        columns = (str(name),) if name else ()
        yield Finding(
            "rejected", str(rule), columns, at, height, sentence + ".", treatment, examples
        )


def _values(reasons: pl.Series) -> tuple[list[str], str]:
    """Return the values that reasons quote, and what they should have been."""
    texts, noun = [], ""
    for reason in reasons:
        if match := _QUOTED.match(reason):
            texts.append(match["value"][1:-1])
            noun = match["noun"]
    return texts, {"integer": "an integer", "true or false": "true or false"}.get(noun, f"a {noun}")


def _letting_in(name: str, texts: list[str], noun: str) -> str | None:
    """Return the treatment that reads most of some rejected values."""
    values = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    values = values.with_columns(pl.col("text").str.strip_chars(), count=pl.lit(1))
    if values.is_empty():
        return None
    if 2 * values["text"].str.to_lowercase().is_in(PLACEHOLDERS).sum() > values.height:
        return call("AsNumber", name) if noun != "a date" else None
    if noun in ("a number", "an integer"):
        numeric = values.filter(values["text"].str.normalize("NFKC").str.contains(_WITH_UNIT))
        if numeric.height >= 0.5 * values.height:
            # Those that were accepted are written with a dot, if they have a fraction.
            accepted = pl.Series(["0.5"]) if noun == "a number" else pl.Series([], dtype=pl.String)
            text = pl.concat([numeric["text"], accepted])
            return _as_number(name, text, _units(numeric))
    if noun.startswith("a date"):
        formats = _date_formats(values)
        if formats:
            usual = {"%d": "%m", "%m": "%d"}
            first = re.sub(
                r"^%[dm](.)%[dm]",
                lambda m: f"{usual[m[0][:2]]}{m[1]}{usual[m[0][-2:]]}",
                formats[0],
            )
            return call(
                "AsTime",
                name,
                formats=list(
                    dict.fromkeys([first if first != formats[0] else "%Y-%m-%d", *formats])
                ),
            )
    return None
