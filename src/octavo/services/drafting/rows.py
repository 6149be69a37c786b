"""The features that a row gives by itself, written as source.

Columns as they stand, the length and words of prose, the calendar of times. It knows nothing of
other rows.
"""

from collections.abc import Sequence

import polars as pl

from octavo.definition import calendar
from octavo.services.drafting.code import (
    Code,
    Item,
    argument,
    call,
    column,
    listed,
    mapped,
    text,
    texts,
)
from octavo.services.drafting.columns import Column
from octavo.services.drafting.draft import Draft
from octavo.services.drafting.windows import DAY

_RESERVED = ("_", "key:")


def plain(draft: Draft) -> list[Column]:
    """Return the features that are a column as it stands."""
    kept = ("number", "boolean", "category")
    return [c for c in draft.features if c.role in kept and not c.name.startswith(_RESERVED)]


def row_features(draft: Draft) -> Code:
    """Return the list of row features."""
    extra: list[Code] = []
    for each in draft.features:
        if each.name.startswith(_RESERVED) and each.role in ("number", "boolean", "category"):
            extra.append(f"{column(each.name)}.alias({text(_stem(each.name, draft))})")
        elif each.role == "text":
            extra += _prose(each.name, draft)
        elif each.role == "time":
            extra.append(_other_time(each.name, draft))
    extra += _clock(draft)
    if not plain(draft):
        return listed(extra)
    if not extra:
        return "[pl.col(name) for name in features]"
    return listed(["*(pl.col(name) for name in features)", *extra])


def texts_read(draft: Draft) -> Item | None:
    """Say which texts are read word by word, with the evidence."""
    read = mapped({_stem(name, draft): "ov.Ngrams()" for name in draft.texts})
    skills = ", ".join(f"{name} {skill:.2f}" for name, skill in draft.texts.items())
    whose = "its words tell" if len(draft.texts) == 1 else "their words tell"
    said = f"{whose} of the target (skill, of 1: {skills})"
    return read and argument("texts", read, said)


def _stem(name: str, draft: Draft, endings: Sequence[str] = ("",)) -> str:
    """Return a name for the features of a column: not reserved, and no other column's."""
    stem = name.removeprefix("key:").lstrip("_") or "column"
    others = {c.name for c in draft.features if c.name != name} | {draft.target.name}
    tries = (stem, *(f"{stem}_{number}" for number in range(2, 9999)))
    return next(each for each in tries if not others & {each + ending for ending in endings})


def _prose(name: str, draft: Draft) -> list[Code]:
    found, own, stem = [], column(name), _stem(name, draft, ["_length", "_words"])
    if name in draft.texts:
        read = _stem(name, draft)
        found.append(own if read == name else f"{own}.alias({text(read)})")
    found.append(f"{own}.str.len_chars().alias({text(stem + '_length')})")
    words = f'count_matches(r"\\S+").alias({text(stem + "_words")})'
    return [*found, f"{own}.str.{words}"]


def _clock(draft: Draft) -> list[Code]:
    """Return what the clock says of a row, as far as that can repeat in the data."""
    clock = draft.clock
    if clock is None or not clock.is_calendar:
        return []
    words: list[str] = []
    if clock.step < DAY and clock.span >= 2 * DAY:
        words += ["hour", "day_cycle"]
    if clock.span >= 14 * DAY:
        words += ["weekday", "is_weekend"]
    if clock.span >= 730 * DAY:
        words += ["month", "year_cycle"]
    return [_calendar(clock.name, draft, words)] if words else []


def _other_time(name: str, draft: Draft) -> Code:
    """Return what another time of a row says: how long ago it was, and what it repeats."""
    hours = [] if draft.rows.frame[name].dtype == pl.Date else ["hour"]
    if draft.clock is not None and draft.clock.is_calendar:
        return _calendar(name, draft, ["weekday", *hours], until=text(draft.clock.name))
    return _calendar(name, draft, ["year", "month", "weekday", *hours])


def _calendar(name: str, draft: Draft, words: list[str], **options: Code) -> Code:
    given = [each.meta.output_name() for each in calendar(name, words, until=name)]
    stem = _stem(name, draft, [each.removeprefix(name) for each in given])
    if stem != name:
        options["name"] = text(stem)
    return call("*ov.calendar", text(name), texts(words), **options)
