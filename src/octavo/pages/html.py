"""HTML that stands alone: one file, nothing from elsewhere, readable without scripts.

All text is escaped, but for `Markup`, which is only made here and in `octavo.pages.plots`, and by
pages from parts that are escaped. Knows nothing of what is shown.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5d6a7a; --line: #dde3ea; --page: #fff;
  --panel: #f8f9fb; --bar: #4a7bb5; --pale: #9db8d6; --empty: #eef1f5; --fault: #b3261e;
  --note: #8a6d1b; --gone: #d98c00; --good: #1d7a46; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #9aa7b6; --line: #323b47;
  --page: #14181e; --panel: #1c222a; --bar: #6ea3e0; --pale: #47678a; --empty: #262d37;
  --fault: #f28b82; --note: #d9b64a; --gone: #e2a336; --good: #63c58d; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); margin: 2.5rem auto;
  max-width: 64rem; padding: 0 1.5rem; background: var(--page); overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; } p { margin: .5rem 0; }
.soft { color: var(--soft); } code, pre { font: 13px/1.45 ui-monospace, monospace; }
.facts { display: flex; flex-wrap: wrap; gap: .8rem 2.2rem;
  margin: 1.2rem 0; } .facts b { display: block; font-size: 1.1rem; color: var(--ink);
  overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .35rem .6rem;
  border-bottom: 1px solid var(--line); vertical-align: middle; font-size: 14px; }
th { color: var(--soft); font-weight: 600; } td.number, th.number { text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap; } svg { display: block; }
.fill { fill: var(--bar); } .pale { fill: var(--pale); } .empty { fill: var(--empty); }
.gone { fill: var(--gone); }
@media (max-width: 40rem) { body { margin: 1.2rem auto; padding: 0 .9rem; }
  h1 { font-size: 1.3rem; } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --page: #fff;
  --panel: #fff; --bar: #33619a; --pale: #9db8d6; --empty: #eee; --fault: #b3261e; --note: #8a6d1b;
  --gone: #d98c00; --good: #1d7a46; }
  body { margin: 0; padding: 0; max-width: none; font-size: 12px; } .wide { overflow: visible; }
  td, th { font-size: 10.5px; padding: .2rem .4rem; } th.number { white-space: normal; }
  code, pre { font-size: 10.5px; } figure, tr, .finding, .facts div { break-inside: avoid; }
  h2, h3, tr:first-child { break-after: avoid; } }
"""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


class Figure(str):
    """A number that is written already, such as one with its unit."""

    __slots__ = ()


def document(title: str, body: Iterable[str], style: str = "") -> str:
    """Return a whole page.

    Parameters
    ----------
    title
        What the window is called.
    body
        HTML.
    style
        More CSS, after `STYLE`.
    """
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style>"
    )
    return (
        f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'
    )


def section(title: str, *parts: str) -> Markup:
    """Return parts under a heading; nothing where all are empty."""
    body = "".join(parts)
    return Markup(f"<section><h2>{escape(title)}</h2>{body}</section>" if body else "")


def facts(pairs: Iterable[tuple[str, Any]]) -> Markup:
    """Return names with values beneath, side by side."""
    each = "".join(f"<div>{escape(name)}<b>{cell(value)}</b></div>" for name, value in pairs)
    return Markup(f'<div class="facts soft">{each}</div>' if each else "")


def paragraph(*parts: str, soft: bool = False) -> Markup:
    """Return a paragraph; parts are sentences, text or `Markup`."""
    told = " ".join(cell(part) for part in parts if part)
    css = ' class="soft"' if soft else ""
    return Markup(f"<p{css}>{told}</p>" if told else "")


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Markup:
    """Return a table, with numbers to the right; nothing without rows.

    Parameters
    ----------
    head
        A name for each column; "" for none.
    rows
        Cells as `cell` takes them.
    """
    body = [list(row) for row in rows]
    if not body:
        return Markup("")
    right = [any(_is_number(row[at]) for row in body) for at in range(len(head))]
    names = "".join(f"<th{_side(r)}>{escape(n)}</th>" for n, r in zip(head, right, strict=True))
    lines = "".join(
        "<tr>"
        + "".join(f"<td{_side(r)}>{cell(v)}</td>" for v, r in zip(row, right, strict=True))
        + "</tr>"
        for row in body
    )
    return Markup(f'<div class="wide"><table><tr>{names}</tr>{lines}</table></div>')


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Figure)) and not isinstance(value, bool)


def _side(right: bool) -> str:
    return ' class="number"' if right else ""


def cell(value: Any) -> str:
    """Return a value as HTML: nothing known is a dash, a number is written by `number`."""
    if value is None:
        return "–"
    if isinstance(value, Markup):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape(number(value) if isinstance(value, (int, float)) else str(value))


def code(text: Any) -> Markup:
    """Return text as it is typed."""
    return Markup(f"<code>{escape(str(text))}</code>")


def number(value: float | None) -> str:
    """Return a number as far as its digits say something."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return "not defined" if math.isnan(value) else f"{value}"
    size = abs(value)
    if size == 0 or size >= 1000:
        return f"{value:,.0f}"
    if size >= 0.001:
        return f"{value:.{1 if size >= 100 else 2 if size >= 10 else 4}f}"
    return f"{value:.2g}"


def moment(microseconds: int | None) -> str:
    """Return microseconds since the epoch as a person reads them, UTC."""
    if microseconds is None:
        return "–"
    try:
        found = datetime.fromtimestamp(microseconds / 1e6, UTC)
    except (OverflowError, ValueError, OSError):
        return str(microseconds)
    return f"{found:%Y-%m-%d %H:%M}"
