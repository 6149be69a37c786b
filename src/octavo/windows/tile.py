"""Tiles of one entity: what is kept of all its observations of a stretch of event time, in numba.

A tile of width ``g`` ends at a multiple of ``g`` and stands for what was observed in ``(end - g,
end]``. It is a *record* of int64 words (floats by their bits):

====================  =============================================================================
`FIRST_TIME` …        event times and values of the earliest and the latest observation
`LEAST`, `GREATEST`   extremes
`BASE`, `LIMBS`       form of the sums; the base is a multiple of 32
`HEAVY`               where the rest begins, counted from the record's first word; 0 without one
`ROW` …               a row as of `exact`: count, infinities, limbs, limbs of squares
decays                how many, lowest and highest exponent of the values; then each: half-life,
                      infinities (2), first limb and how many of the weights, the same of the
                      values, and these limbs
values                how many, 1 if they are counted, the distinct values, and their counts
rounded values        how many, and each: upper 32 bits of the value, 32 bits of its count
====================  =============================================================================

A window with a resolution holds a tile wholly or not at all. Tiles and observations lie beside each
other, a late observation perhaps within the time of a tile: a tile is older in the log than every
observation. This module knows nothing of how tiles come about, nor of queries.
"""

from typing import NamedTuple

import numpy as np

from octavo.windows import exact
from octavo.windows.compiling import hot, inlined, once, part, shared
from octavo.windows.exact import Form
from octavo.windows.ranks import seek

(
    FIRST_TIME, LAST_TIME, FIRST_VALUE, LAST_VALUE, LEAST, GREATEST, BASE, LIMBS, HEAVY, ROW,
) = range(10)  # fmt: skip

HALFLIFE, PLUS, MINUS, WEIGHTS, WEIGHT_LIMBS, VALUES, VALUE_LIMBS, DECAY = range(8)
"""Words of a decay before its limbs."""

LOWER = 2**32 - 1
UPPER = ~LOWER
"""Masks of the halves of a word."""

WIDEST = exact.FIRST + 3 * ((1024 + 1074) // 32 + 2)
"""Places of a row of the longest form there is."""


class Tiles(NamedTuple):
    """The tiles of one entity."""

    ends: np.ndarray
    """int64 (tiles,): ascending."""
    at: np.ndarray
    """int64 (tiles,): where the record of each begins."""
    words: np.ndarray
    """int64: records, of other entities too."""


class Sums(NamedTuple):
    """What the windows of one entity hold of its tiles."""

    low: np.ndarray
    high: np.ndarray
    """int64 (spans,): the window holds the tiles in ``[low, high)``."""
    rows: np.ndarray
    """int64 (spans * form.width,): exact sums."""
    least: np.ndarray
    greatest: np.ndarray
    """float64 (spans,): extremes, unless stale."""
    stale: np.ndarray
    """bool (spans,): an extreme has left the window; find it again before reading."""
    row: np.ndarray
    """int64 (form.width,): scratch for the sums of tiles and observations together."""


@part
def sums_of(spans, any_tiles):
    """Make room for windows over the tiles of one entity after another."""
    wide = WIDEST if any_tiles else 0
    return Sums(
        np.zeros(spans, np.int64),
        np.zeros(spans, np.int64),
        np.zeros(spans * wide, np.int64),
        np.empty(spans),
        np.empty(spans),
        np.zeros(spans, np.bool_),
        np.empty(wide, np.int64),
    )


@part
def tiles_at(entity, owned, ends, at, words):
    """Tiles of one of the entities; ``owned`` tells the first and the last of each, if any."""
    first, last = 0, 0
    if ends.size:
        first, last = owned[entity]
    return Tiles(ends[first:last], at[first:last], words)


@inlined
def number(word):
    """Float64 of the bits in a word."""
    return np.int64(word).view(np.float64)


@inlined
def count_of(tiles, tile):
    """How many observations a tile stands for."""
    return tiles.words[tiles.at[tile] + ROW + exact.COUNT]


@hot
def widened(form, tiles):
    """Widen a form of sums so that it holds those of the tiles."""
    if form.limbs == 0 or tiles.ends.size == 0:
        return form
    base, top = form.base & ~31, form.base + 32 * form.limbs
    for tile in range(tiles.ends.size):
        place = tiles.at[tile]
        base = min(base, tiles.words[place + BASE])
        top = max(top, tiles.words[place + BASE] + 32 * tiles.words[place + LIMBS])
    limbs = (top - base + 31) >> 5
    parts = (form.width - exact.FIRST) // form.limbs
    return Form(base, limbs, exact.FIRST + limbs * parts)


@inlined
def merge(row, at, form, words, place, sign):
    """Add (``sign`` 1) or remove (-1) the sums of a record in a row whose form holds them."""
    for i in range(exact.FIRST):
        row[at + i] += sign * words[place + ROW + i]
    if form.limbs == 0:
        return
    limbs = words[place + LIMBS]
    shift = (words[place + BASE] - form.base) >> 5
    to, source = at + exact.FIRST + shift, place + ROW + exact.FIRST
    for i in range(limbs):
        row[to + i] += sign * words[source + i]
    if form.width > exact.FIRST + form.limbs:
        to, source = to + form.limbs + shift, source + limbs
        for i in range(2 * limbs):
            row[to + i] += sign * words[source + i]


@hot
def clear(sums, form):
    """Empty all windows, for another entity or another form."""
    sums.low[:] = 0
    sums.high[:] = 0
    sums.rows[: sums.low.size * form.width] = 0
    sums.least[:] = np.inf
    sums.greatest[:] = -np.inf
    sums.stale[:] = False


@hot
def shift(sums, span, form, tiles, start, end, sign):
    """Add or remove the tiles in ``[start, end)``."""
    for tile in range(start, end):
        place = tiles.at[tile]
        merge(sums.rows, span * form.width, form, tiles.words, place, sign)
        least, greatest = number(tiles.words[place + LEAST]), number(tiles.words[place + GREATEST])
        if sign > 0:
            sums.least[span] = min(sums.least[span], least)
            sums.greatest[span] = max(sums.greatest[span], greatest)
        elif least <= sums.least[span] or greatest >= sums.greatest[span]:
            sums.stale[span] = True


@hot
def slide(sums, span, form, tiles, start, end):
    """Move a window over the tiles to those of the event times in ``(start, end]``."""
    old_low, old_high = sums.low[span], sums.high[span]
    high = seek(tiles.ends, old_high, end)
    low = min(seek(tiles.ends, old_low, start), high)
    shift(sums, span, form, tiles, old_low, min(low, old_high), -1)
    shift(sums, span, form, tiles, max(high, old_low), old_high, -1)
    shift(sums, span, form, tiles, low, min(high, old_low), 1)
    shift(sums, span, form, tiles, max(low, old_high), high, 1)
    sums.low[span] = low
    sums.high[span] = high


@once
def together(sums, span, form, rows):
    """Write the sums of a window, of tiles and of observations, into ``sums.row``."""
    at = span * form.width
    for i in range(form.width):
        sums.row[i] = sums.rows[at + i] + rows[at + i]


@once
def extremes(sums, span, tiles):
    """Smallest and largest value in the tiles of a window."""
    if sums.stale[span]:
        sums.least[span], sums.greatest[span] = np.inf, -np.inf
        for tile in range(sums.low[span], sums.high[span]):
            place = tiles.at[tile]
            sums.least[span] = min(sums.least[span], number(tiles.words[place + LEAST]))
            sums.greatest[span] = max(sums.greatest[span], number(tiles.words[place + GREATEST]))
        sums.stale[span] = False
    return sums.least[span], sums.greatest[span]


@once
def earlier(sums, span, tiles, time, value):
    """Event time and value of a window's first observation: in its tiles, or the one given.

    Of two at the same time the tile's is older in the log.
    """
    if sums.low[span] < sums.high[span]:
        place = tiles.at[sums.low[span]]
        if tiles.words[place + FIRST_TIME] <= time:
            return tiles.words[place + FIRST_TIME], number(tiles.words[place + FIRST_VALUE])
    return time, value


@once
def later(sums, span, tiles, time, value):
    """Event time and value of a window's last observation: in its tiles, or the one given."""
    if sums.low[span] < sums.high[span]:
        place = tiles.at[sums.high[span] - 1]
        if tiles.words[place + LAST_TIME] > time:
            return tiles.words[place + LAST_TIME], number(tiles.words[place + LAST_VALUE])
    return time, value


@inlined
def first_time(tiles, tile):
    """Event time of the earliest observation of a tile."""
    return tiles.words[tiles.at[tile] + FIRST_TIME]


@inlined
def last_time(tiles, tile):
    """Event time of the latest observation of a tile."""
    return tiles.words[tiles.at[tile] + LAST_TIME]


@hot
def exponents(tiles, lowest, highest):
    """Widen a range of exponents by those of the values of all tiles."""
    for tile in range(tiles.ends.size):
        heavy = tiles.at[tile] + tiles.words[tiles.at[tile] + HEAVY]
        lowest = min(lowest, tiles.words[heavy + 1])
        highest = max(highest, tiles.words[heavy + 2])
    return lowest, highest


@hot
def decay_in(tiles, tile, halflife):
    """Where in the words a tile has the decay of a half-life; there must be one."""
    place = tiles.at[tile] + tiles.words[tiles.at[tile] + HEAVY] + 3
    while tiles.words[place + HALFLIFE] != halflife:
        place = after_decay(tiles.words, place)
    return place


@inlined
def after_decay(words, place):
    """Where what follows a decay begins."""
    return place + DECAY + words[place + WEIGHT_LIMBS] + words[place + VALUE_LIMBS]


@hot
def values_at(words, record):
    """Where a record has its values, and its rounded values."""
    heavy = record + words[record + HEAVY]
    place = heavy + 3
    for _ in range(words[heavy]):
        place = after_decay(words, place)
    return place, place + 2 + words[place] * (1 + words[place + 1])


@shared
def values_of(tiles):
    """Collect the values that tiles keep.

    Returns the values, how often each occurs (once, where that is not known), and where of each
    tile the values begin and then the rounded ones.
    """
    words = tiles.words
    starts = np.zeros(2 * tiles.ends.size + 1, np.int64)
    for tile in range(tiles.ends.size):
        place, rounded = values_at(words, tiles.at[tile])
        starts[2 * tile + 1] = starts[2 * tile] + words[place]
        starts[2 * tile + 2] = starts[2 * tile + 1] + words[rounded]
    values, counts = np.empty(starts[-1]), np.empty(starts[-1], np.int64)
    for tile in range(tiles.ends.size):
        place, rounded = values_at(words, tiles.at[tile])
        at, kept = starts[2 * tile], words[place]
        for i in range(kept):
            values[at + i] = number(words[place + 2 + i])
            counts[at + i] = words[place + 2 + kept + i] if words[place + 1] else 1
        at = starts[2 * tile + 1]
        for i in range(words[rounded]):
            word = words[rounded + 1 + i]
            values[at + i] = number(word & UPPER)
            counts[at + i] = word & LOWER
    return values, counts, starts
