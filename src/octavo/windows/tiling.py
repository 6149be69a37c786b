"""How observations become tiles, in numba.

Observations of a stretch of time become one record, or join the one that there is, if that takes
less room than they do. This module knows nothing of windows, queries or stores.
"""

from typing import NamedTuple

import numba as nb
import numpy as np

from octavo.windows import codes, compiling, decay, exact, log, machine, ranks, sketches, tile
from octavo.windows.compiling import entry, hot, part, shared
from octavo.windows.entity import ROWS, VALUES
from octavo.windows.exact import bits_of
from octavo.windows.tile import Tiles

HEAD = 3
"""Words of the heavy part of a record before its decays."""


class Kept(NamedTuple):
    """What tiles keep besides first, last, extremes and counts: a `TilePlan`."""

    sums: int
    """0: no sums; 1: sums; 2: sums of squares too."""
    values: int
    """0: no values; 1: those with the smallest hashes; 2: all of them, counted."""
    rounded: int
    """Whether rounded values are kept, counted."""
    halflives: np.ndarray
    """int64: half-lives of the decays."""
    category: bool
    """Whether the values are categories."""


@hot
def end_of(time, width):
    """End of the tile which a time falls into."""
    return -(-time // width) * width


@hot
def aligned(form):
    """Move the base of a form down to a multiple of 32."""
    base = form.base & ~31
    limbs = (form.base + 32 * form.limbs - base + 31) >> 5
    parts = (form.width - exact.FIRST) // form.limbs
    return exact.Form(base, limbs, exact.FIRST + limbs * parts)


@shared
def record_of(kept, old, times, values):
    """Make the record of some observations by rank and, before them, those of a tile, if any."""
    form = exact.form_of(values, kept.sums > 0, kept.sums > 1)
    if form.limbs:
        form = tile.widened(aligned(form), old)
    row = np.zeros(form.width + exact.SLACK, np.int64)
    first, last = (times[0], values[0]), (times[-1], values[-1])
    least, greatest = np.inf, -np.inf
    for value in values:
        exact.add(row, 0, form, value, 1)
        least, greatest = min(least, value), max(greatest, value)
    if old.ends.size:
        words, place = old.words, old.at[0]
        tile.merge(row, 0, form, words, place, 1)
        if words[place + tile.FIRST_TIME] <= first[0]:
            first = tile.first_time(old, 0), tile.number(words[place + tile.FIRST_VALUE])
        if words[place + tile.LAST_TIME] > last[0]:
            last = tile.last_time(old, 0), tile.number(words[place + tile.LAST_VALUE])
        least = min(least, tile.number(words[place + tile.LEAST]))
        greatest = max(greatest, tile.number(words[place + tile.GREATEST]))
    light = tile.ROW + form.width
    record = np.empty(light, np.int64)
    record[tile.FIRST_TIME], record[tile.LAST_TIME] = first[0], last[0]
    record[tile.FIRST_VALUE], record[tile.LAST_VALUE] = bits_of(first[1]), bits_of(last[1])
    record[tile.LEAST], record[tile.GREATEST] = bits_of(least), bits_of(greatest)
    record[tile.BASE], record[tile.LIMBS], record[tile.HEAVY] = form.base, form.limbs, 0
    for i in range(form.width):
        record[tile.ROW + i] = row[i]
    if kept.values or kept.rounded or kept.halflives.size:
        record[tile.HEAVY] = light
        return heavy_part(kept, old, times, values, record)
    return record, light


@part
def heavy_part(kept, old, times, values, record):
    """Add the heavy part to a record: decays, values and rounded values.

    Returns the record, and how many words of it are used.
    """
    earliest, latest = times[0], times[-1]
    lowest, highest = decay.exponents(values)
    known, counts, starts = np.empty(0), np.empty(0, np.int64), np.zeros(3, np.int64)
    if old.ends.size:
        earliest = min(earliest, tile.first_time(old, 0))
        latest = max(latest, tile.last_time(old, 0))
        lowest, highest = tile.exponents(old, lowest, highest)
        known, counts, starts = tile.values_of(old)
    size = record.size
    record = with_room(record, size + HEAD)
    record[size], record[size + 1], record[size + 2] = kept.halflives.size, lowest, highest
    size += HEAD
    for halflife in kept.halflives:
        made = decayed(halflife, old, times, values, earliest, latest, lowest, highest)
        record, size = appended(record, size, made)
    some, often = np.empty(0), np.empty(0, np.int64)
    if kept.values:
        old_values, old_counts = known[: starts[1]], counts[: starts[1]]
        some, often = tallied(old_values, old_counts, values, kept.category)
        if kept.values == 1:
            some, often = sampled(some, kept.category), often[:0]
    record = with_room(record, size + 2)
    record[size], record[size + 1] = some.size, 1 if kept.values == 2 else 0
    record, size = appended(record, size + 2, bits(some))
    record, size = appended(record, size, often)
    some, often = np.empty(0), np.empty(0, np.int64)
    if kept.rounded:
        short = np.empty(values.size)
        for i in range(values.size):
            short[i] = sketches.rounded(values[i])
        some, often = tallied(known[starts[1] :], counts[starts[1] :], short, kept.category)
    record = with_room(record, size + 1)
    record[size] = some.size
    for i in range(some.size):
        often[i] |= bits_of(some[i])
    return appended(record, size + 1, often)


@shared
def bits(values):
    """Bits of some float64 values, as int64."""
    found = np.empty(values.size, np.int64)
    for i in range(values.size):
        found[i] = bits_of(values[i])
    return found


@shared
def appended(words, size, more):
    """Put some words after those that are used; return all of them, and how many are used."""
    words = with_room(words, size + more.size)
    for i in range(more.size):
        words[size + i] = more[i]
    return words, size + more.size


@shared
def decayed(halflife, old, times, values, earliest, latest, lowest, highest):
    """Make the decay of one half-life, all that a record has of it."""
    first, last = earliest // halflife, latest // halflife
    sums = decay.decays_of(1, lowest, highest, last - first + 1)
    for i in range(times.size):
        decay.change(sums, 0, times[i], values[i], halflife, 1)
    if old.ends.size:
        decay.merge(sums, 0, old.words, tile.decay_in(old, 0, halflife), 1)
    weight, weights = decay.limbs_of(first, last)
    value, limbs = 0, 0
    if lowest <= highest:
        value, limbs = decay.limbs_of(first + lowest, last + highest)
    made = np.zeros(tile.DECAY + weights + limbs, np.int64)
    made[tile.HALFLIFE] = halflife
    made[tile.PLUS], made[tile.MINUS] = sums.infinite[0]
    made[tile.WEIGHTS], made[tile.WEIGHT_LIMBS] = weight, weights
    made[tile.VALUES], made[tile.VALUE_LIMBS] = value, limbs
    for i in range(weights):
        made[tile.DECAY + i] = sums.weights[(weight + i) & (sums.small - 1)]
    for i in range(limbs):
        made[tile.DECAY + weights + i] = sums.values[(value + i) & (sums.size - 1)]
    return made


@shared
def tallied(values, counts, more, category):
    """Count how often each value occurs: some counted ones, and more."""
    code, distinct = codes.coded(codes.joined(values, more), category)
    often = np.zeros(distinct.size, np.int64)
    for i in range(code.size):
        often[code[i]] += counts[i] if i < counts.size else 1
    return distinct, often


@part
def sampled(distinct, category):
    """Keep the values with the smallest hashes."""
    if distinct.size <= sketches.MOST:
        return distinct
    hashes = np.empty(distinct.size, np.int64)
    for i in range(distinct.size):
        hashes[i] = sketches.hash_of(distinct[i], category)
    order = np.argsort(hashes, kind="mergesort")
    return ranks.taken(distinct, order[: sketches.MOST])


@shared
def with_room(words, size):
    """Make room for so many words."""
    if size <= words.size:
        return words
    longer = np.empty(2 * size, np.int64)
    for i in range(words.size):
        longer[i] = words[i]
    return longer


FLAGS = nb.types.Array(nb.boolean, 1, "C", readonly=True)
TILED = nb.types.Tuple((nb.int64[::1], nb.int64[::1], nb.int64[::1], nb.boolean[::1]))


def _entry(source):
    @entry(TILED(*[nb.int64] * 4, ROWS, nb.boolean, nb.int64, *[ROWS] * 4, VALUES, FLAGS))
    def fold_into(
        width, sums, values_kept, rounded, halflives, category, spare,
        ends, at, words, times, values, fresh,
    ):  # fmt: skip
        """Fold observations of one entity, by rank, into its tiles.

        ``at`` has a last element, where the records end. Only where one is ``fresh`` is anything
        done. A new tile may take ``spare`` words more than its observations.

        Returns ends, places and words of the tiles, and which observations stay as they are.
        """
        _ = source
        kept = Kept(sums, values_kept, rounded, halflives, category)
        times, values = times.copy(), values.copy()  # not read-only: what follows is compiled once
        loose = np.zeros(times.size, np.bool_)
        made_ends = np.empty(ends.size + times.size, np.int64)
        made_at = np.zeros(ends.size + times.size + 1, np.int64)
        made = np.empty(words.size, np.int64)
        record = np.empty(0, np.int64)
        tiles, old, row = 0, 0, 0
        while old < ends.size or row < times.size:
            end = log.NEVER
            if old < ends.size:
                end = ends[old]
            if row < times.size:
                end = min(end, end_of(times[row], width))
            past = row
            while past < times.size and times[past] <= end:
                past += 1
            here = 1 if old < ends.size and ends[old] == end else 0
            was = Tiles(ends[old : old + here], at[old : old + here], words)
            seen, size = False, 0
            for i in range(row, past):
                seen |= fresh[i]
            if seen:
                record, size = record_of(kept, was, times[row:past], values[row:past])
                is_tile = here or size <= 2 * (past - row - 1) + spare
            else:
                record, is_tile = words[at[old] : at[old + here]], here > 0
                size = record.size
            if is_tile:
                made, made_at[tiles + 1] = appended(made, made_at[tiles], record[:size])
                made_ends[tiles] = end
                tiles += 1
            for i in range(row, past):
                loose[i] = not (is_tile and seen)
            old, row = old + here, past
        return made_ends[:tiles], made_at[: tiles + 1], made[: made_at[tiles]], loose

    return fold_into


fold_into = _entry(
    compiling.source_of([codes, compiling, decay, exact, log, machine, ranks, sketches, tile])
)
