"""Pictures along time: stretches in lanes, and columns of what came when.

Shapes are stretched to the width of the page, and what is written stands beside them as text, so
that it is as large on a telephone as on a wall.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from octavo.pages.html import Markup, moment, number

STYLE = """
.lanes { display: grid; grid-template-columns: minmax(5rem, auto) 1fr; gap: .3rem .8rem;
  align-items: center; margin: .8rem 0; font-size: 13px; }
.lanes svg, .columns svg { width: 100%; height: 1.1rem; }
.lanes .ends, .columns .ends { display: flex; justify-content: space-between; font-size: 12px;
  color: var(--soft); } .lanes .ends { grid-column: 2; }
.columns { margin: .8rem 0; } .columns svg { height: 5rem;
  border-bottom: 1px solid var(--line); } .columns figcaption b { color: var(--ink); }
.good { fill: var(--good); } .fault { fill: var(--fault); } .note { fill: var(--note); }
"""

BUCKETS = 60
"""Columns of a picture, at the most."""
MINUTE = 60_000_000
"""Microseconds."""
_WIDTH = 1000.0
_LEAST = 3.0
"""Of `_WIDTH`: what is shorter is drawn as long, to be seen."""


class Stretch(NamedTuple):
    """Something that lasted."""

    begin: int
    """Microseconds since the epoch, as all moments here."""
    end: int
    css: str
    """``fill``, ``pale``, ``empty``, ``gone``, ``good``, ``fault`` or ``note``."""
    said: str
    """What is said when it is pointed at."""


def lanes(rows: Iterable[tuple[str, Sequence[Stretch]]]) -> Markup:
    """Return names with their stretches beside them, on one scale; nothing without any."""
    drawn = [(name, stretches) for name, stretches in rows if stretches]
    if not drawn:
        return Markup("")
    every = [each for _, stretches in drawn for each in stretches]
    low, high = min(each.begin for each in every), max(each.end for each in every)
    body = "".join(
        f"<span>{escape(name)}</span>{_lane(name, stretches, low, high)}"
        for name, stretches in drawn
    )
    return Markup(f'<div class="lanes">{body}{_ends(low, high)}</div>')


def _lane(name: str, stretches: Sequence[Stretch], low: int, high: int) -> str:
    scale = _WIDTH / max(high - low, 1)
    shapes = ['<rect class="empty" width="1000" height="12"/>']
    for each in stretches:
        width = max((each.end - each.begin) * scale, _LEAST)
        x = min((each.begin - low) * scale, _WIDTH - width)
        shapes.append(
            f'<rect class="{each.css}" x="{x:.1f}" width="{width:.1f}" height="12">'
            f"<title>{escape(each.said)}</title></rect>"
        )
    return _svg(name, 12, shapes)


def columns(caption: str, points: Iterable[tuple[int, float]]) -> Markup:
    """Return how much came when, summed up in at most `BUCKETS` columns.

    Parameters
    ----------
    points
        Moments, and what came then; what came within a minute, or would be fewer than three
        columns, is not drawn.
    """
    found = sorted(points)
    if not found:
        return Markup("")
    low, high = found[0][0], found[-1][0]
    sums: list[float] = [0] * BUCKETS
    for at, value in found:
        sums[min(BUCKETS * (at - low) // max(high - low, 1), BUCKETS - 1)] += value
    if high - low < MINUTE or sum(map(bool, sums)) < 3:
        return Markup("")
    top, width = max(sums) or 1, _WIDTH / BUCKETS
    shapes = [
        f'<rect class="fill" x="{n * width:.1f}" y="{80 - 76 * value / top:.1f}" '
        f'width="{width - 2:.1f}" height="{76 * value / top:.1f}">'
        f"<title>{escape(f'{moment(low + (high - low) * n // BUCKETS)}: {number(value)}')}</title>"
        "</rect>"
        for n, value in enumerate(sums)
        if value
    ]
    told = f"{escape(caption)}; the highest column: <b>{number(top)}</b>"
    return Markup(
        f'<figure class="columns">{_svg(caption, 80, shapes)}{_ends(low, high)}'
        f"<figcaption>{told}</figcaption></figure>"
    )


def _svg(name: str, height: int, shapes: Iterable[str]) -> str:
    size = f'viewBox="0 0 1000 {height}" preserveAspectRatio="none" role="img"'
    return f'<svg {size} aria-label="{escape(name)}">{"".join(shapes)}</svg>'


def _ends(low: int, high: int) -> str:
    return f'<div class="ends"><span>{moment(low)}</span><span>{moment(high)}</span></div>'
