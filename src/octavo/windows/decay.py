"""Sums weighted by age, kept exactly, in numba.

With half-life ``h`` an observation at event time ``s`` weighs ``2**(s / h) / 2**(end / h)`` at the
end of a window. The first factor does not depend on the query: ``s = whole * h + rest`` makes it
``2**(rest / h)``, a float64 from 1 to 2, times ``2**whole``. So a window keeps the sum of
``round(value * 2**(rest / h)) * 2**whole`` as one big integer, exactly; it is rounded once when
read, and divided by the second factor.

The integer is kept as in ``exact``, in limbs of 32 bits whose carries wait, but in a *ring*: a
limb's place is its number modulo the ring's size. A limb that no observation of the window
touches is zero, so the ring turns with time for nothing, and it need only be as long as a window
reaches. This module knows nothing of which observations a window holds.
"""

import math
from decimal import Context, Decimal
from typing import NamedTuple

import numpy as np

from octavo.windows import exact, tile
from octavo.windows.compiling import hot, inlined, once, part

STEPS = 32
_PRECISE = Context(prec=50)
POWERS = np.array([float(_PRECISE.power(Decimal(2), Decimal(i) / STEPS)) for i in range(STEPS + 1)])
"""``2**(i / 32)``, to nearest."""

TERMS = tuple(
    float(_PRECISE.power(_PRECISE.ln(Decimal(2)), Decimal(k)) / math.factorial(k)) for k in range(7)
)
"""Taylor coefficients of ``2**x``."""

HIDDEN = 1 << 52
DIGITS_OF_TERM = 3
"""Limbs that 53 bits may touch."""


class Decays(NamedTuple):
    """The weighted sums of all windows of one entity."""

    lowest: int
    highest: int
    """Exponents of the smallest and the largest finite value that is not 0."""
    size: int
    """Limbs of each ring of values, a power of two."""
    values: np.ndarray
    """int64 (windows * size,): weighted values."""
    small: int
    """Limbs of each ring of weights, a power of two."""
    weights: np.ndarray
    """int64 (windows * small,): weights alone."""
    infinite: np.ndarray
    """int64 (windows, 2): values of +inf and of -inf held."""
    row: np.ndarray
    words: np.ndarray
    """int64 and uint64: scratch for reading a ring."""


@hot
def weight(rest, halflife):
    """Return ``2**(rest / halflife)`` for ``0 <= rest < halflife``, within one unit.

    Only additions and multiplications of float64 in a set order: the same bits on every machine,
    where those of a library's ``exp2`` differ.
    """
    x = np.float64(rest) / np.float64(halflife)
    step = int(x * STEPS + 0.5)
    x -= step / STEPS
    more = TERMS[6]
    more = more * x + TERMS[5]
    more = more * x + TERMS[4]
    more = more * x + TERMS[3]
    more = more * x + TERMS[2]
    more = more * x + TERMS[1]
    return POWERS[step] + POWERS[step] * (more * x)


@inlined
def normal(value):
    """Split a finite value that is not 0 into a number in [1, 2), with sign, and an exponent."""
    shift = 0
    if abs(value) < 2.0**-1022:
        value *= 2.0**54
        shift = 54
    bits = exact.bits_of(value)
    exponent = ((bits >> 52) & exact.EXPONENT) - 1023
    return np.int64(bits - (exponent << 52)).view(np.float64), exponent - shift


@hot
def exponents(values):
    """Lowest and highest exponent among values; the other way round if there are none."""
    lowest, highest = 2000, -2000
    for value in values:
        if value != 0 and not math.isinf(value):
            exponent = normal(value)[1]
            lowest = min(lowest, exponent)
            highest = max(highest, exponent)
    return lowest, highest


@part
def ring_size(range_of_exponents, half_lives):
    """Limbs enough for values of a range of exponents in a window of some half-lives."""
    limbs = ((range_of_exponents + half_lives) >> 5) + 1 + DIGITS_OF_TERM
    size = 1
    while size < limbs:
        size *= 2
    return size


@part
def decays_of(windows, lowest, highest, half_lives):
    """Make empty sums of a number of windows, each of at most so many half-lives."""
    if lowest > highest:
        lowest = highest = 0
    size = ring_size(highest - lowest, half_lives)
    small = ring_size(0, half_lives)
    return Decays(
        lowest,
        highest,
        size,
        np.zeros(windows * size, np.int64),
        small,
        np.zeros(windows * small, np.int64),
        np.zeros((windows, 2), np.int64),
        np.empty(size, np.int64),
        np.empty(exact.words_of(size), np.uint64),
    )


@inlined
def add(ring, at, size, number, power, sign):
    """Add or remove ``number * 2**power``, which has 53 bits at most, in the ring at ``at``."""
    fraction, low_bit = exact.parts_of(number)
    power += low_bit
    limb, shift = power >> 5, power & 31
    rest = fraction >> (32 - shift)
    signed = sign if number > 0 else -sign
    ring[at + (limb & (size - 1))] += signed * ((fraction << shift) & exact.DIGIT)
    ring[at + ((limb + 1) & (size - 1))] += signed * (rest & exact.DIGIT)
    ring[at + ((limb + 2) & (size - 1))] += signed * (rest >> 32)


@inlined
def change(decays, window, time, value, halflife, sign):
    """Add (``sign`` 1) or remove (-1) an observation."""
    whole = time // halflife
    factor = weight(time - whole * halflife, halflife)
    add(decays.weights, window * decays.small, decays.small, factor, whole, sign)
    if math.isinf(value):
        decays.infinite[window, 0 if value > 0 else 1] += sign
    elif value != 0:
        number, power = normal(value)
        add(decays.values, window * decays.size, decays.size, number * factor, whole + power, sign)


@hot
def join(ring, at, size, first, words, start, limbs, sign):
    """Add or remove a number whose limbs, from the ``first`` on, are given as words."""
    for i in range(limbs):
        ring[at + ((first + i) & (size - 1))] += sign * words[start + i]


@hot
def merge(decays, window, words, place, sign):
    """Add or remove the decay of a tile, in the words from ``place`` on."""
    decays.infinite[window, 0] += sign * words[place + tile.PLUS]
    decays.infinite[window, 1] += sign * words[place + tile.MINUS]
    limbs, start = words[place + tile.WEIGHT_LIMBS], place + tile.DECAY
    first = words[place + tile.WEIGHTS]
    join(decays.weights, window * decays.small, decays.small, first, words, start, limbs, sign)
    start += limbs
    limbs, first = words[place + tile.VALUE_LIMBS], words[place + tile.VALUES]
    join(decays.values, window * decays.size, decays.size, first, words, start, limbs, sign)


@inlined
def limbs_of(lowest, highest):
    """First limb, and how many, that weighted numbers touch whose exponents are in a range."""
    first = (lowest - 52) >> 5
    return first, ((highest - 51) >> 5) + DIGITS_OF_TERM - first


@hot
def read(decays, ring, at, size, lowest, highest):
    """Round a ring whose numbers have exponents in a range: (integral float, power of two)."""
    first, limbs = limbs_of(lowest, highest)
    for i in range(limbs):
        decays.row[i] = ring[at + ((first + i) & (size - 1))]
    sign = exact.settle(decays.row, 0, limbs, decays.words)
    number, power = exact.rounded(decays.words, exact.words_of(limbs))
    return sign * number, power + 32 * first


@once
def weighed(decays, window, earliest, latest, end, halflife):
    """Count, sum and mean, weighted at time ``end``, of a window that holds an observation.

    ``earliest`` and ``latest`` are times between which all its observations lie.
    """
    first, last = earliest // halflife, latest // halflife
    whole = end // halflife
    factor = weight(end - whole * halflife, halflife)
    weights, power = read(decays, decays.weights, window * decays.small, decays.small, first, last)
    count = exact.scaled(weights / factor, power - whole)
    if decays.infinite[window, 0] or decays.infinite[window, 1]:
        total = np.inf if decays.infinite[window, 0] else -np.inf
        if decays.infinite[window, 0] and decays.infinite[window, 1]:
            total = np.nan
        return count, total, total
    values, other = read(
        decays, decays.values, window * decays.size, decays.size,
        first + decays.lowest, last + decays.highest,
    )  # fmt: skip
    total = exact.scaled(values / factor, other - whole)
    if math.isinf(total):
        return count, total, exact.scaled(values / weights, other - power)
    return count, total, total / count
