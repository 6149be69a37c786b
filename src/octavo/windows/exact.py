"""Sums of float64 and of their squares, kept exactly, in numba.

A finite float64 is an integer times a power of two. Over a common power ``2**base`` (the lowest
set bit of all the values concerned) a sum is one big integer,
held as *limbs*: digits of 32 bits in int64, signed, whose carries wait until the sum is read.
Adding and removing a value touches at most three limbs and is exact, so a window can slide; the
order of additions leaves no trace. Reading rounds once, to nearest even, as ``math.fsum`` does.
The sum of squares is kept the same way over ``2**(2 * base)``.

Method: the fixed-point superaccumulator of U. Kulisch, shortened to the exponents that occur.
This module knows nothing of windows or time.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from octavo.windows.compiling import hot, inlined

MOST = 2**28
"""Most values one accumulator may hold.

One square adds less than ``5 * 2**32`` to a limb, so no limb leaves int64 before ``2**28.6``.
"""

DIGIT = 0xFFFFFFFF
FRACTION = (1 << 52) - 1
EXPONENT = 0x7FF
INFINITE = EXPONENT - 1075

COUNT, PLUS, MINUS, FIRST = 0, 1, 2, 3
"""Places in a row: values held, of them +inf and -inf, then the limbs."""


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
def product(a, b):
    """Low and high digit of the product of two digits."""
    both = np.uint64(a) * np.uint64(b)
    return np.int64(both & np.uint64(DIGIT)), np.int64(both >> np.uint64(32))


@hot
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
    low = (fraction << shift) & DIGIT
    rest = fraction >> (32 - shift)
    middle = rest & DIGIT
    high = rest >> 32

    signed = sign if value > 0 else -sign
    place = at + FIRST + limb
    row[place] += signed * low
    # Digits past the last limb are zero by choice of the form, and must not be written.
    if rest:
        row[place + 1] += signed * middle
        if high:
            row[place + 2] += signed * high
    if form.width > FIRST + form.limbs:
        add_square(row, at + FIRST + form.limbs + 2 * limb, low, middle, high, sign)


@inlined
def add_square(row, place, low, middle, high, sign):
    """Add or remove the square of a value given as three digits; carries are left waiting."""
    least, carry = product(low, low)
    row[place] += sign * least
    if not (middle or high):
        row[place + 1] += sign * carry
        return
    lm_low, lm_high = product(low, middle)
    mm_low, mm_high = product(middle, middle)
    row[place + 1] += sign * (carry + 2 * lm_low)
    if not high:
        row[place + 2] += sign * (2 * lm_high + mm_low)
        row[place + 3] += sign * mm_high
        return
    lh_low, lh_high = product(low, high)
    mh_low, mh_high = product(middle, high)
    hh_low, hh_high = product(high, high)
    row[place + 2] += sign * (2 * lm_high + mm_low + 2 * lh_low)
    row[place + 3] += sign * (mm_high + 2 * lh_high + 2 * mh_low)
    row[place + 4] += sign * (2 * mh_high + hh_low)
    row[place + 5] += sign * hh_high


@inlined
def settle(row, first, limbs, digits):
    """Write the magnitude of a number as ``limbs + 1`` proper digits; return its sign."""
    carry = 0
    for i in range(limbs):
        number = row[first + i] + carry
        digits[i] = number & DIGIT
        carry = number >> 32
    digits[limbs] = carry
    if carry >= 0:
        return 1
    carry = 0
    for i in range(limbs):
        number = carry - row[first + i]
        digits[i] = number & DIGIT
        carry = number >> 32
    digits[limbs] = carry
    return -1


@inlined
def rounded(digits, top):
    """Round the number in ``digits[:top]`` to 53 bits: (integral float, power of two)."""
    while top > 0 and digits[top - 1] == 0:
        top -= 1
    if top == 0:
        return 0.0, 0
    lead = digits[top - 1]
    room = 31 - bit_length(lead)
    if top == 1:
        return np.float64(lead), 0
    if room < 0:  # lead has all 32 bits: keep 63 in all, so that the window stays an int64
        window = (lead << 31) | (digits[top - 2] >> 1)
        lost = digits[top - 2] & 1
        below = top - 2
    else:
        window = (lead << 32) | digits[top - 2]
        lost = 0
        below = top - 2
        if room > 0 and top > 2:
            window = (window << room) | (digits[top - 3] >> (32 - room))
            lost = digits[top - 3] & ((1 << (32 - room)) - 1)
            below = top - 3
        else:
            room = 0
    while lost == 0 and below > 0:
        below -= 1
        lost = digits[below]
    # The window has 10 bits to spare, so its lowest may stand for everything below it, and the
    # conversion rounds once, to nearest even.
    if lost:
        window |= 1
    return np.float64(window), 32 * (top - 2) - room


@inlined
def scaled(number, power):
    """Round ``number * 2**power`` once; ``number`` is 0 or between 2**-60 and 2**64."""
    if -900 < power < 900:
        return number * np.int64((power + 1023) << 52).view(np.float64)
    return math.ldexp(number, power)


@hot
def total(row, at, form, digits):
    """Sum and mean of a row that holds at least one value; ``digits`` is scratch."""
    count = row[at + COUNT]
    plus, minus = row[at + PLUS], row[at + MINUS]
    if plus or minus:
        if plus and minus:
            return np.nan, np.nan
        return (np.inf, np.inf) if plus else (-np.inf, -np.inf)
    sign = settle(row, at + FIRST, form.limbs, digits)
    number, power = rounded(digits, form.limbs + 1)
    number *= sign
    power += form.base
    whole = scaled(number, power)
    if math.isinf(whole):
        return whole, scaled(number / count, power)
    return whole, whole / count


@hot
def spread(row, at, form, digits):
    """Sample variance and standard deviation of a row; ``digits`` is scratch.

    ``n * S2 - S1**2`` is computed exactly and rounded once, then divided once by ``n * (n - 1)``:
    within two units in the last place of the exact variance, and 0 only where all values agree.
    The standard deviation is the root of that quotient, before it may over- or underflow.
    """
    count = row[at + COUNT]
    if count < 2 or row[at + PLUS] or row[at + MINUS]:
        return np.nan, np.nan
    # Most columns need few limbs; told how many, the compiler unrolls the loops: twice as fast.
    if form.limbs == 3:
        number, power = excess(row, at + FIRST, 3, count, digits)
    elif form.limbs == 2:
        number, power = excess(row, at + FIRST, 2, count, digits)
    else:
        number, power = excess(row, at + FIRST, form.limbs, count, digits)
    number /= np.float64(count) * np.float64(count - 1)
    power += 2 * form.base
    variance = scaled(number, power)
    if power & 1:
        return variance, scaled(math.sqrt(2.0 * number), (power - 1) >> 1)
    return variance, scaled(math.sqrt(number), power >> 1)


@inlined
def excess(row, first, limbs, count, digits):
    """Compute ``n * S2 - S1**2`` of ``count`` values, rounded once: (float, power of two)."""
    settle(row, first, limbs, digits)
    waiting = 0  # carry of the sum of squares, whose limbs are settled on the way
    carry = 0
    result = digits[limbs + 1 :]
    for k in range(2 * limbs + 2):
        if k < 2 * limbs:
            waiting += row[first + limbs + k]
        low, high = product(waiting & DIGIT, count)
        waiting >>= 32
        for i in range(max(0, k - limbs), (k + 1) >> 1):
            less, more = product(digits[i], digits[k - i])
            low -= 2 * less
            high -= 2 * more
        if k & 1 == 0:
            less, more = product(digits[k >> 1], digits[k >> 1])
            low -= less
            high -= more
        low += carry
        result[k] = low & DIGIT
        carry = (low >> 32) + high
    return rounded(result, 2 * limbs + 2)


@inlined
def merge(row, at, other, start, form, sign):
    """Add or remove a whole row of the same form."""
    for i in range(form.width):
        row[at + i] += sign * other[start + i]


@hot
def scratch_size(form):
    """Digits ``total`` and ``spread`` write at most."""
    return 3 * form.limbs + 4
