"""Pictures as SVG: curves, points and bars, coloured by the page's style.

Knows nothing of models: what an axis means, and what is drawn, is told.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from octavo.pages.html import Markup, number

STYLE = """
.plots { display: grid; gap: 1rem 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); }
figure { margin: 0; } figcaption { font-size: 13px; color: var(--soft); }
.plot { width: 100%; max-width: 26rem; height: auto; font: 11px system-ui, sans-serif; }
.plot text { fill: var(--soft); }
.plot .name { fill: var(--ink); font-weight: 600; font-size: 12px; }
.plot .grid { stroke: var(--line); stroke-width: 1; }
.plot .frame { stroke: var(--soft); fill: none; }
.plot .curve { stroke: var(--bar); stroke-width: 2; fill: none; }
.plot .plain { stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 5 4; fill: none; }
.plot .dot { fill: var(--bar); } .whisker { stroke: var(--bar); stroke-width: 1.5; }
.mark { stroke: var(--soft); stroke-dasharray: 3 2; }
@media print { .plots { grid-template-columns: 1fr 1fr; } }
"""

_WIDTH, _HEIGHT = 360.0, 280.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 10.0, 24.0, 40.0


@dataclass(frozen=True)
class Axis:
    """A direction of a picture: what it means, and from where to where it goes."""

    label: str
    low: float
    high: float

    @classmethod
    def around(cls, label: str, values: Iterable[float], *, zero: bool = False) -> "Axis":
        """Return an axis that shows all values, from one tick to another.

        Parameters
        ----------
        zero
            Whether it shows zero in any case.
        """
        known = [v for v in values if math.isfinite(v)] + ([0.0] if zero else [])
        low, high = min(known, default=0.0), max(known, default=1.0)
        if low == high:
            low, high = low - abs(low or 1) / 2, high + abs(high or 1) / 2
        step = _step(high - low)
        return cls(label, math.floor(low / step) * step, math.ceil(high / step) * step)

    @property
    def ticks(self) -> list[float]:
        """Round values along it, some five."""
        step = _step(self.high - self.low)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [at * step for at in range(first, last + 1)]

    def place(self, value: float) -> float:
        """Return where a value is, 0 to 1 within the picture."""
        return (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)


def _step(span: float) -> float:
    """Return the distance of ticks: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(span / 5))
    return next(power * n for n in (1, 2, 5, 10) if span / (power * n) <= 6)


def _tick(value: float, step: float) -> str:
    if abs(value) >= 1e6:
        return f"{value:.3g}"
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{digits}f}" if digits < 7 else f"{value:.2g}"


class Plot:
    """A picture with two axes, to which lines and points are added.

    What is not a finite number is left out of it.
    """

    def __init__(self, name: str, x: Axis, y: Axis) -> None:
        self.name, self.x, self.y = name, x, y
        self._drawn: list[str] = []

    def line(self, xs: Sequence[float], ys: Sequence[float], *, plain: bool = False) -> "Plot":
        """Add a line through points; ``plain``: of what it is compared with."""
        points = " ".join(f"{self._x(x):.1f},{self._y(y):.1f}" for x, y in _finite(xs, ys))
        css = "plain" if plain else "curve"
        self._drawn.append(f'<polyline class="{css}" points="{points}"/>')
        return self

    def steps(self, xs: Sequence[float], ys: Sequence[float]) -> "Plot":
        """Add a line that has at x, and since the point before it, the value y."""
        points = _finite(xs, ys)
        before = [x for x, _ in points[:1]] + [x for x, _ in points[:-1]]
        corners = [
            pair for (x, y), old in zip(points, before, strict=True) for pair in ((old, y), (x, y))
        ]
        return self.line([x for x, _ in corners], [y for _, y in corners])

    def dot(self, x: float, y: float, said: str, ends: tuple[float, float] | None = None) -> "Plot":
        """Add a point that says something when it is pointed at, and how far it may be off."""
        if not (math.isfinite(x) and math.isfinite(y)):
            return self
        at, title = f"{self._x(x):.1f}", f"<title>{escape(said)}</title>"
        if ends:
            low, high = (f"{self._y(end):.1f}" for end in ends)
            self._drawn.append(
                f'<line class="whisker" x1="{at}" x2="{at}" y1="{low}" y2="{high}"/>'
            )
        self._drawn.append(
            f'<circle class="dot" cx="{at}" cy="{self._y(y):.1f}" r="3.5">{title}</circle>'
        )
        return self

    def figure(self, caption: str) -> Markup:
        """Return the picture with a caption beneath."""
        parts = [*self._grid(), *self._drawn, *self._labels()]
        size = f'viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img"'
        svg = f'<svg class="plot" {size} aria-label="{escape(self.name)}">{"".join(parts)}</svg>'
        return Markup(f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>")

    def _x(self, value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * self.x.place(value)

    def _y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * self.y.place(value)

    def _grid(self) -> Iterable[str]:
        left, right, top, bottom = _LEFT, _WIDTH - _RIGHT, _TOP, _HEIGHT - _BOTTOM
        for tick in self.x.ticks:
            at, said = self._x(tick), _tick(tick, _step(self.x.high - self.x.low))
            yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{bottom}"/>'
            yield f'<text x="{at:.1f}" y="{bottom + 14}" text-anchor="middle">{said}</text>'
        for tick in self.y.ticks:
            at, said = self._y(tick), _tick(tick, _step(self.y.high - self.y.low))
            yield f'<line class="grid" x1="{left}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>'
            yield f'<text x="{left - 5}" y="{at + 4:.1f}" text-anchor="end">{said}</text>'
        size = f'width="{right - left}" height="{bottom - top}"'
        yield f'<rect class="frame" x="{left}" y="{top}" {size}/>'

    def _labels(self) -> Iterable[str]:
        middle = (_TOP + _HEIGHT - _BOTTOM) / 2
        across = (_LEFT + _WIDTH - _RIGHT) / 2
        yield f'<text class="name" x="{_LEFT}" y="14">{escape(self.name)}</text>'
        under = f'x="{across}" y="{_HEIGHT - 6}" text-anchor="middle"'
        yield f"<text {under}>{escape(self.x.label)}</text>"
        turned = f'transform="rotate(-90 11 {middle})" text-anchor="middle"'
        yield f'<text x="11" y="{middle}" {turned}>{escape(self.y.label)}</text>'


def _finite(xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float]]:
    pairs = zip(xs, ys, strict=True)
    return [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]


def plots(figures: Iterable[str]) -> Markup:
    """Return pictures side by side, as many as there is room for."""
    body = "".join(figures)
    return Markup(f'<div class="plots">{body}</div>' if body else "")


def bar(value: float, low: float, high: float, width: float = 160.0) -> Markup:
    """Return a bar from zero to a value, on a scale from low to high that holds zero."""
    if not math.isfinite(value) or high <= low:
        return Markup("")
    scale = width / (high - low)
    begin, end = sorted(((0 - low) * scale, (value - low) * scale))
    css = "fill" if value >= 0 else "gone"
    size = f'width="{width:.0f}" height="12" role="img" aria-label="{number(value)}"'
    shape = f'<rect class="{css}" x="{begin:.1f}" width="{end - begin:.1f}" height="12"/>'
    return Markup(f"<svg {size}>{shape}</svg>")


def span(
    value: float | None,
    ends: Sequence[float | None],
    scale: tuple[float, float],
    mark: float,
    width: float = 160.0,
) -> Markup:
    """Return a value with its interval on a scale, and a mark that it is compared with."""
    low, high = scale
    known = [v for v in (value, *ends, mark) if v is not None and math.isfinite(v)]
    if len(known) < 4 or not high > low:
        return Markup("")
    inner = width - 8  # dots at the ends are whole
    at, begin, end, marked = (4 + inner * (v - low) / (high - low) for v in known)
    label = f"{number(known[0])}, {number(known[1])} to {number(known[2])}"
    return Markup(
        f'<svg width="{width:.0f}" height="14" role="img" aria-label="{label}">'
        f'<line class="mark" x1="{marked:.1f}" x2="{marked:.1f}" y1="0" y2="14"/>'
        f'<line class="whisker" x1="{begin:.1f}" x2="{end:.1f}" y1="7" y2="7"/>'
        f'<circle class="fill" cx="{at:.1f}" cy="7" r="3.5"/></svg>'
    )
