"""Kinds of damage. Each takes the text of a row and gives that of a damaged one.

None of them uses anything of Octavo.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from .clean import Clean

Row = list[str]


@dataclass(frozen=True)
class Damage:
    """One kind of damage.

    Attributes
    ----------
    name
        In words.
    roles
        What a set must have; the first is the column that is damaged.
    change
        ``(row, clean, place, rng)`` to the damaged row; None leaves the row as it is.
    whole
        Gives the damaged line itself instead, from that of the row.
    after
        The damaged row is put behind the original instead of in its place.
    """

    name: str
    roles: tuple[str, ...]
    change: Callable[[Row, Clean, int, random.Random], Row | None] | None = None
    whole: Callable[[str], bytes] | None = None
    after: bool = False


def value(
    name: str, role: str, change: Callable[[str, random.Random], str | None], *more: str
) -> Damage:
    """Return damage to single values of one column."""

    def damaged(row: Row, clean: Clean, place: int, rng: random.Random) -> Row | None:
        at = clean.at(role)
        new = change(row[at], rng) if row[at] else None
        return None if new is None or new == row[at] else [*row[:at], new, *row[at + 1 :]]

    return Damage(name, (role, *more), damaged)


def _grouped(text: str) -> str | None:
    number = float(text) * 1000
    return f"{number:,.1f}"


def _day_first(text: str) -> str:
    year, month, day = text.split("-")
    return f"{day}/{month}/{year}"


def _months(text: str) -> str:
    names = ("Jan", "Feb", "Mar", "Apr", "May", "Jun")
    names += ("Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    year, month, day = text.split("-")
    return f"{int(day)} {names[int(month) - 1]} {year}"


def _misread(text: str, _: random.Random) -> str | None:
    return text.encode().decode("cp1252") if "ü" in text else None


def _foreign(line: str) -> bytes:
    return line[0].encode() + b"\xe9" + line[1:].encode()


def _swapped(text: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(text) - 1)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _exchanged(row: Row, clean: Clean, place: int, rng: random.Random) -> Row:
    one, other = clean.at("one"), clean.at("other")
    row = list(row)
    row[one], row[other] = row[other], row[one]
    return row


def _taken_from_elsewhere(row: Row, clean: Clean, place: int, rng: random.Random) -> Row:
    at = clean.at("one")
    return [*row[:at], rng.choice(clean.rows)[at], *row[at + 1 :]]


def _other_owner(row: Row, clean: Clean, place: int, rng: random.Random) -> Row:
    at = clean.at("owner")
    others = sorted({r[at] for r in clean.rows} - {row[at]})
    return [*row[:at], rng.choice(others), *row[at + 1 :]]


def _other_group(row: Row, clean: Clean, place: int, rng: random.Random) -> Row | None:
    at, group = clean.at("grouped"), clean.at("label")
    other = rng.choice(clean.rows)
    if other[group] == row[group]:
        return None
    return [*row[:at], other[at], *row[at + 1 :]]


def _before(row: Row, clean: Clean, place: int, rng: random.Random) -> Row:
    first, last = clean.at("first"), clean.at("last")
    row = list(row)
    row[first], row[last] = row[last], row[first]
    return row


def _shifted(row: Row, clean: Clean, place: int, rng: random.Random) -> Row:
    return [row[-1], *row[:-1]]


def _same_key(row: Row, clean: Clean, place: int, rng: random.Random) -> Row | None:
    other, at = rng.choice(clean.rows), clean.at("key")
    return None if other[at] == row[at] else [*other[:at], row[at], *other[at + 1 :]]


def _stuck(row: Row, clean: Clean, place: int, rng: random.Random) -> Row:
    at = clean.at("number")
    before = clean.rows[max(place - 1, 0)][at]
    return [*row[:at], before, *row[at + 1 :]]


DAMAGE = (
    value("decimal comma", "number", lambda v, _: v.replace(".", ",")),
    value("thousands separated", "positive", lambda v, _: _grouped(v)),
    value("unit behind the number", "number", lambda v, _: f"{v} kg"),
    value("currency before it", "positive", lambda v, _: f"€ {v}"),
    value("percent sign", "range", lambda v, _: f"{v}%"),
    value("minus as typesetters write it", "number", lambda v, _: f"−{v}"),
    value("negative in parentheses", "number", lambda v, _: f"({v})"),
    value("letter O for zero", "number", lambda v, _: v.replace("0", "O") if "0" in v else None),
    value("leading zeros", "positive", lambda v, _: f"00{v.split('.')[0]}"),
    value("stray blanks", "label", lambda v, r: r.choice((f" {v}", f"{v} ", f"{v}  "))),
    value("invisible characters", "label", lambda v, r: v + r.choice("\u00a0\u200b\ufeff")),
    value("trailing dots", "label", lambda v, _: f"{v}."),
    value("upper or lower case", "label", lambda v, r: v.lower() if v.isupper() else v.upper()),
    value("accents lost", "label", lambda v, _: v.replace("ü", "u") if "ü" in v else None, "owner"),
    value("dash for blank", "label", lambda v, _: v.replace(" ", "-") if " " in v else None),
    value("typing error", "label", lambda v, r: _swapped(v, r) if len(v) > 6 else None),
    value("wrong encoding", "label", _misread, "owner"),
    value("control characters", "label", lambda v, _: f"{v[:2]}\x01{v[2:]}"),
    value("cut off", "label", lambda v, _: v[:4] if len(v) > 5 else None),
    value("another word for the same", "owner", lambda v, _: {"Germany": "Deutschland"}.get(v)),
    value("placeholder in a label", "label", lambda v, r: r.choice(("unknown", "n.a.", "tbd"))),
    value("null token", "number", lambda v, r: r.choice(("?", "NA", "-", ""))),
    value("−999", "number", lambda v, _: "-999"),
    value("9999", "number", lambda v, _: "9999"),
    value("0 for missing", "positive", lambda v, _: "0"),
    value("1970-01-01", "date", lambda v, _: "1970-01-01"),
    value("day first", "date", lambda v, _: _day_first(v)),
    value("month in letters", "date", lambda v, _: _months(v)),
    value("30 February", "date", lambda v, _: f"{v[:5]}02-30"),
    value("year 100 too late", "date", lambda v, _: f"21{v[2:]}"),
    Damage("end before beginning", ("first", "last"), _before),
    value("yes and no otherwise", "truth", lambda v, _: v[0].upper()),
    value("ten times as much", "positive", lambda v, _: str(float(v) * 10)),
    value("a thousand times as much", "number", lambda v, _: str(float(v) * 1000)),
    value("sign lost or gained", "positive", lambda v, _: f"-{v}"),
    value("inches for centimetres", "positive", lambda v, _: f"{float(v) / 2.54:.1f}"),
    value("infinite", "number", lambda v, _: "inf"),
    value("140 percent", "range", lambda v, _: "140"),
    Damage("value of another group", ("grouped", "label"), _other_group),
    Damage("two columns exchanged", ("one", "other"), _exchanged),
    Damage("value of another row", ("one",), _taken_from_elsewhere),
    Damage("value of the row before", ("number",), _stuck),
    Damage("owner of another", ("owner",), _other_owner),
    Damage("row repeated", ("number",), lambda row, *_: list(row), after=True),
    Damage("key repeated", ("key",), _same_key, after=True),
    Damage("shifted by a column", ("number",), _shifted),
    Damage("row cut short", ("number",), whole=lambda line: line[: line.rindex(",")].encode()),
    Damage("a field too many", ("number",), whole=lambda line: f"{line},7".encode()),
    Damage("quote left open", ("number",), whole=lambda line: f'"{line}'.encode()),
    Damage("not UTF-8", ("label",), whole=_foreign),
)  # fmt: skip
