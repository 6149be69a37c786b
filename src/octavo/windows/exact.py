"""Sums of float64 and of their squares, kept exactly, in numba.

A finite float64 is an integer times a power of two. Over a common power ``2**base`` (the lowest
set bit of all the values concerned) a sum is one big integer,
held as *limbs*: digits of 32 bits in int64, signed, whose carries wait until the sum is read.
Adding and removing a value touches three limbs and is exact, so a window can slide; the
order of additions leaves no trace. Reading rounds once, to nearest even, as ``math.fsum`` does.
The sum of squares is kept the same way over ``2**(2 * base)``.

Method: the fixed-point superaccumulator of U. Kulisch, shortened to the exponents that occur.
This module knows nothing of windows or time.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from octavo.windows import machine
from octavo.windows.compiling import hot, inlined

MOST = 2**28
"""Most values one accumulator may hold.

A value and its square add less than ``2**32`` to a limb, so no limb leaves int64; and what a count
multiplies (`excess`) stays within a word of what it is multiplied with.
"""

DIGIT = 0xFFFFFFFF
FRACTION = (1 << 52) - 1
EXPONENT = 0x7FF
INFINITE = EXPONENT - 1075

COUNT, PLUS, MINUS, FIRST = 0, 1, 2, 3
"""Places in a row: values held, of them +inf and -inf, then the limbs."""

SLACK = 4
"""Places an array of rows has past its last one.

A value is added to three limbs and its square to six without asking which of them it needs: those
past the last limb get zeros, by choice of the form. These fall into what follows the row.
"""


class Form(NamedTuple):
    """How a row of int64 holds one accumulator: count, infinities, limbs, limbs of squares."""

    base: int
    """The sum is in units of ``2**base``: the lowest bit set in any value."""
    limbs: int
    """Limbs of the sum; the sum of squares has twice as many. 0 keeps the counts only."""
    width: int
    """int64 places of one row."""


@inlined
def bits_of(number) -> Any:
    """Return the bits of a number's float64 as an int64."""
    return np.float64(number).view(np.int64)


@inlined
def parts_of(number):
    """Integers of which the magnitude of a number is ``fraction * 2**power``."""
    bits = bits_of(number)
    field = (bits >> 52) & EXPONENT
    fraction = bits & FRACTION
    if field:
        return fraction | (FRACTION + 1), field - 1075
    return fraction, -1074


@hot
def counts_only():
    """Form of a row that keeps how many values it holds, and no sums."""
    return Form(0, 0, FIRST)


@hot
def form_of(values, sums, squares):
    """Choose the shortest form that holds sums of ``values``."""
    if not sums:
        return counts_only()
    lowest, highest = 2000, -2000
    for value in values:
        fraction, power = parts_of(value)
        if fraction and power < INFINITE:
            highest = max(highest, power + bit_length(fraction))
            lowest = min(lowest, power + bit_length(fraction & -fraction) - 1)
    if highest < lowest:
        lowest, highest = 0, 1
    limbs = (highest - lowest + 31) >> 5
    return Form(lowest, limbs, FIRST + limbs * (3 if squares else 1))


@inlined
def bit_length(number):
    """Bits of an integer in [1, 2**53], read from the exponent of its exact float."""
    return ((bits_of(number) >> 52) & EXPONENT) - 1022


@inlined
def add(row, at, form, value, sign):
    """Add (``sign`` 1) or remove (-1) a value in the row at ``row[at:]``; exact."""
    row[at + COUNT] += sign
    if form.limbs == 0:
        return
    fraction, power = parts_of(value)
    if power == INFINITE:
        row[at + (PLUS if value > 0 else MINUS)] += sign
        return
    if fraction == 0:
        return
    shift = power - form.base
    if shift < 0:  # the bits below the base are zeros
        fraction >>= -shift
        shift = 0
    limb = shift >> 5
    shift &= 31
    # The left shift may push high bits out of int64: they are taken by the right shift.
    rest = fraction >> (32 - shift)
    signed = sign if value > 0 else -sign
    place = at + FIRST + limb
    row[place] += signed * ((fraction << shift) & DIGIT)
    row[place + 1] += signed * (rest & DIGIT)
    row[place + 2] += signed * (rest >> 32)
    if form.width > FIRST + form.limbs:
        add_square(row, at + FIRST + form.limbs + 2 * limb, fraction, 2 * shift, sign)


@inlined
def add_square(row, place, fraction, shift, sign):
    """Add or remove ``fraction**2 * 2**shift``."""
    zero = np.uint64(0)
    low, high = machine.multiply_add(np.uint64(fraction), np.uint64(fraction), zero, zero)
    words = (low << np.uint64(shift), over(high, low, shift), over(zero, high, shift))
    for i in range(3):
        word = words[i]
        row[place + 2 * i] += sign * np.int64(word & np.uint64(DIGIT))
        row[place + 2 * i + 1] += sign * np.int64(word >> np.uint64(32))


@inlined
def over(high, low, shift):
    """High word of two, shifted left by less than 64."""
    return (high << np.uint64(shift)) | ((low >> np.uint64(1)) >> np.uint64(63 - shift))


@hot
def words_of(limbs):
    """Words of 64 bits that a sum of so many limbs takes, its waiting carries included."""
    return (limbs >> 1) + 1


@inlined
def pair(row, place, carry):
    """Word of two limbs and the carry from below; and the carry from it."""
    carry += row[place]
    low = carry & DIGIT
    carry = (carry >> 32) + row[place + 1]
    return np.uint64(low) | (np.uint64(carry) << np.uint64(32)), carry >> 32


@inlined
def settle(row, first, limbs, words):
    """Write the magnitude of a number into ``words_of(limbs)`` words; return its sign."""
    carry = 0
    for i in range(limbs >> 1):
        words[i], carry = pair(row, first + 2 * i, carry)
    if limbs & 1:
        carry += row[first + limbs - 1]
    words[words_of(limbs) - 1] = np.uint64(carry)
    if carry >= 0:
        return 1
    one = np.uint64(1)
    for i in range(words_of(limbs)):
        words[i], one = machine.multiply_add(~words[i], np.uint64(1), one, np.uint64(0))
    return -1


@inlined
def rounded(words, top):
    """Round the number in ``words[:top]`` to 53 bits: (integral float, power of two)."""
    while top > 1 and words[top - 1] == 0:
        top -= 1
    lead = words[top - 1]
    if lead == 0:
        return 0.0, 0
    shift = machine.leading_zeros(lead)
    lost = np.uint64(0)
    window = lead << np.uint64(shift)
    if top > 1:
        window = over(lead, words[top - 2], shift)
        lost = words[top - 2] << np.uint64(shift)
        below = top - 2
        while lost == 0 and below > 0:
            below -= 1
            lost = words[below]
    # The window has 10 bits to spare, so its lowest may stand for everything below it, and the
    # conversion rounds once, to nearest even.
    number = np.int64(window >> np.uint64(1)) | np.int64((window & np.uint64(1)) | (lost != 0))
    return np.float64(number), 64 * (top - 1) - shift + 1


@inlined
def scaled(number, power):
    """Round ``number * 2**power`` once; ``number`` is 0 or between 2**-60 and 2**64."""
    if -900 < power < 900:
        return number * np.int64((power + 1023) << 52).view(np.float64)
    return math.ldexp(number, power)


@inlined
def total(row, at, form, words):
    """Sum and mean of a row that holds at least one value; ``words`` is scratch."""
    count = row[at + COUNT]
    plus, minus = row[at + PLUS], row[at + MINUS]
    if plus or minus:
        if plus and minus:
            return np.nan, np.nan
        return (np.inf, np.inf) if plus else (-np.inf, -np.inf)
    sign = settle(row, at + FIRST, form.limbs, words)
    number, power = rounded(words, words_of(form.limbs))
    number *= sign
    power += form.base
    whole = scaled(number, power)
    if math.isinf(whole):
        return whole, scaled(number / count, power)
    return whole, whole / count


@inlined
def spread(row, at, form, words):
    """Sample variance and standard deviation of a row; ``words`` is scratch.

    ``n * S2 - S1**2`` is computed exactly and rounded once, then divided once by ``n * (n - 1)``:
    within two units in the last place of the exact variance, and 0 only where all values agree.
    The standard deviation is the root of that quotient, before it may over- or underflow.
    """
    count = row[at + COUNT]
    if count < 2 or row[at + PLUS] or row[at + MINUS]:
        return np.nan, np.nan
    # Most columns need few limbs; told how many, the compiler unrolls the loops: twice as fast.
    if form.limbs == 3:
        number, power = excess(row, at + FIRST, 3, count, words)
    elif form.limbs == 2:
        number, power = excess(row, at + FIRST, 2, count, words)
    else:
        number, power = excess(row, at + FIRST, form.limbs, count, words)
    number /= np.float64(count) * np.float64(count - 1)
    power += 2 * form.base
    return scaled(number, power), scaled(math.sqrt(number * (1 + (power & 1))), power >> 1)


@inlined
def excess(row, first, limbs, count, words):
    """Compute ``n * S2 - S1**2`` of ``count`` values, rounded once: (float, power of two)."""
    settle(row, first, limbs, words)
    size = words_of(limbs)
    result = words[size:]
    for i in range(size):
        result[i] = 0
    for i in range(size):
        carry = np.uint64(0)
        for j in range(size):
            result[i + j], carry = machine.multiply_add(words[i], words[j], result[i + j], carry)
        result[i + size] = carry
    # Subtracting is adding the complement and 1. The sum of squares is settled on the way.
    waiting = 0
    carry = np.uint64(1)
    for k in range(2 * size):
        word = np.uint64(waiting)
        if k < limbs:
            word, waiting = pair(row, first + limbs + 2 * k, waiting)
        else:
            waiting = 0
        result[k], carry = machine.multiply_add(word, np.uint64(count), ~result[k], carry)
    return rounded(result, 2 * size)


@inlined
def merge(row, at, other, start, form, sign):
    """Add or remove a whole row of the same form."""
    for i in range(form.width):
        row[at + i] += sign * other[start + i]


@hot
def scratch_size(limbs):
    """Words ``total`` and ``spread`` write at most."""
    return 3 * words_of(limbs)
