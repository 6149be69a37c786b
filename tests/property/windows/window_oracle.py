"""The plainest possible model of the fold: pure Python, exact fractions, no cleverness."""

import math
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from octavo.windows import Aggregate, LanePlan, Observations, Queries, Span
from octavo.windows.hashing import splitmix64

COUNTS = {Aggregate.COUNT, Aggregate.N_UNIQUE, Aggregate.DECAYED_COUNT}
"""What is 0, not null, of an empty window."""


class Seen(NamedTuple):
    """One observation as the model reads it."""

    entity: int
    time: int
    place: tuple[int, int]
    gone: tuple[int, int] | None
    value: float


def seen_of(observations: Observations) -> list[Seen]:
    """Observations by event time and then log order."""
    arrays = {name: array.tolist() for name, array in observations.arrays().items()}
    gone = [None] * len(observations)
    if "gone_known_at" in arrays:
        gone = list(zip(arrays["gone_known_at"], arrays["gone_position"], strict=True))
    places = zip(arrays["known_at"], arrays["position"], strict=True)
    rows = map(Seen, arrays["entity"], arrays["event_time"], places, gone, arrays["value"])
    return sorted(rows, key=lambda row: (row.time, row.place))


def model(observations: Observations, queries: Queries, plan: LanePlan, late: int | None):
    rows = seen_of(observations)
    out = np.empty((len(queries), len(plan.columns)))
    asked = zip(*(each.tolist() for each in queries.arrays().values()), strict=True)
    for i, (entity, time, known, position) in enumerate(asked):

        def before(place, query=(known, position)):
            return place < query or (plan.include_current and place == query)

        visible = [
            (row.time, row.value)
            for row in rows
            if row.entity == entity and before(row.place) and not (row.gone and before(row.gone))
        ]
        for j, (span, aggregate, parameter) in enumerate(plan.columns):
            start, end = edges(span, time, time if late is None else max(time, known - late))
            window = tuple(each for each in visible if start < each[0] <= end)
            asked_of = aggregate, parameter, plan.category, not span.is_exact
            out[i, j] = aggregate_of(asked_of, window, time, time - span.delay)
    return out


def edges(span: Span, time: int, oldest: int) -> tuple[float, int]:
    """Where a window begins and ends, floored where that is asked.

    ``oldest`` is the time of the query, or of the oldest that does not come too late.
    """
    step = span.resolution or 1
    end = time - span.delay
    start = -math.inf
    if span.over is not None:
        start = (oldest - span.delay - span.over) // step * step
    if span.delay or time < oldest // step * step:
        end = end // step * step
    return start, end


def aggregate_of(asked, window: tuple[tuple[int, float], ...], time: int, end: int) -> float:
    aggregate, parameter, category, sketched = asked
    values = tuple(value for _, value in window)
    if not values:
        return 0.0 if aggregate in COUNTS else math.nan
    return {
        Aggregate.COUNT: lambda: len(values),
        Aggregate.SUM: lambda: total(values),
        Aggregate.MEAN: lambda: mean(values),
        Aggregate.MIN: lambda: min(values) + 0.0,
        Aggregate.MAX: lambda: max(values) + 0.0,
        Aggregate.VAR: lambda: spread(values)[0],
        Aggregate.STD: lambda: spread(values)[1],
        Aggregate.FIRST: lambda: values[0],
        Aggregate.LAST: lambda: values[-1],
        Aggregate.SINCE_FIRST: lambda: (time - window[0][0]) / 1e6,
        Aggregate.SINCE_LAST: lambda: (time - window[-1][0]) / 1e6,
        Aggregate.LAG: lambda: values[-1 - parameter] if parameter < len(values) else math.nan,
        Aggregate.N_UNIQUE: lambda: distinct(keys(values, category), category, sketched),
        Aggregate.TOP: lambda: top(keys(values, category), category),
        Aggregate.QUANTILE: lambda: quantile(
            sorted(map(shortened, values) if sketched else values), parameter
        ),
        Aggregate.DECAYED_COUNT: lambda: decayed(window, end, parameter)[0],
        Aggregate.DECAYED_SUM: lambda: decayed(window, end, parameter)[1],
        Aggregate.DECAYED_MEAN: lambda: decayed(window, end, parameter)[2],
    }[aggregate]()


def keys(values: tuple[float, ...], category: bool) -> list[int] | list[float]:
    """What values compare by: categories by their bits, numbers with one zero."""
    if category:
        return np.array(values).view(np.uint64).tolist()
    return [value + 0.0 for value in values]


def distinct(values: list, category: bool, sketched: bool) -> float:
    """How many there are; of a sketch, from the 1,024 smallest hashes alone."""
    found = set(values)
    if not sketched or len(found) < 1024:
        return len(found)
    as_bits = [each if category else int(np.float64(each).view(np.uint64)) for each in found]
    last = sorted(splitmix64(np.array(as_bits, np.uint64)).tolist())[1023] >> 1
    return max(1024, round(1023 * 2.0**63 / last))


def shortened(value: float) -> float:
    """Round to 8 significant bits; what this makes too large stays the largest of so many."""
    if math.isinf(value) or value == 0:
        return value + 0.0
    _, power = math.frexp(value)
    unit = Fraction(2) ** (max(power, -1021) - 8)
    nearest = round(Fraction(value) / unit) * unit
    most = (2 - Fraction(1, 2**7)) * 2**1023
    return float(min(max(nearest, -most), most)) + 0.0


def top(values: list, category: bool) -> float:
    counts = Counter(values)
    often = max(counts.values())
    most = min(value for value in counts if counts[value] == often)
    return np.uint64(most).view(np.float64) if category else most


def quantile(ordered: list[float], part: int) -> float:
    """Linear between order statistics, from the nearer one; zeros have one sign."""
    below, rest = divmod((len(ordered) - 1) * part, 1000)
    low, high = ordered[below] + 0.0, ordered[min(below + 1, len(ordered) - 1)] + 0.0
    share = rest / 1000
    if share == 0 or low == high:
        return low
    if math.isinf(high - low):
        return low * (1 - share) + high * share
    if share < 0.5:
        return low + (high - low) * share
    return high - (high - low) * (1 - share)


@lru_cache(maxsize=4)
def decayed(window: tuple[tuple[int, float], ...], end: int, halflife: int) -> tuple[float, ...]:
    """Count, sum and mean weighted by age: exact sums of terms of 53 bits, rounded once each."""
    infinite = [value for _, value in window if math.isinf(value)]
    weights, terms = [], []
    for time, value in window:
        whole, rest = divmod(time, halflife)
        factor = weight(rest, halflife)
        weights.append((factor, whole))
        if not math.isinf(value):
            part, power = math.frexp(value)
            terms.append((part * factor, power + whole))
    weights, terms = exact_sum(weights), exact_sum(terms)
    count = ratio_of(weights, end, halflife)
    whole = sum(infinite) if infinite else ratio_of(terms, end, halflife)
    if infinite or not math.isinf(whole):
        return count, whole, whole / count
    (number, power), (divisor, other) = rounded(terms), rounded(weights)
    return count, whole, scaled(number / divisor, power - other)


def exact_sum(terms: list[tuple[float, int]]) -> tuple[int, int]:
    """Sum ``number * 2**power`` of numbers of 53 bits below 4: (integer, power of two)."""
    lowest = min((power for _, power in terms), default=0)
    return sum(int(math.ldexp(number, 60)) << (power - lowest) for number, power in terms), (
        lowest - 60
    )


def ratio_of(exact: tuple[int, int], end: int, halflife: int) -> float:
    """Scale a sum of terms to the end of its window."""
    number, power = rounded(exact)
    whole, rest = divmod(end, halflife)
    return scaled(number / weight(rest, halflife), power - whole)


def rounded(exact: tuple[int, int]) -> tuple[float, int]:
    """Round an integer to 53 bits, whatever its power of two."""
    number, power = exact
    surplus = max(0, abs(number).bit_length() - 53)
    return float(round(Fraction(number, 2**surplus))), power + surplus


@cache
def weight(rest: int, halflife: int) -> float:
    """Compute ``2**(rest / halflife)`` as documented: a table of 32 steps and a polynomial."""
    x = float(rest) / float(halflife)
    step = int(x * 32 + 0.5)
    x -= step / 32
    with localcontext(Context(prec=50)):
        logarithm = Decimal(2).ln()
        base = float(Decimal(2) ** (Decimal(step) / 32))
        terms = [float(logarithm**k / math.factorial(k)) for k in range(1, 7)]
    more = 0.0
    for term in reversed(terms):
        more = more * x + term
    return base + base * (more * x)


def exactly(values: Iterable[float], power: int = 1) -> Fraction:
    """Sum finite values, or powers of them, as one fraction."""
    ratios = [value.as_integer_ratio() for value in values]
    common = max(divisor for _, divisor in ratios)
    whole = sum((number * (common // divisor)) ** power for number, divisor in ratios)
    return Fraction(whole, common**power)


@lru_cache(maxsize=4)
def total(values: tuple[float, ...]) -> float:
    if not all(map(math.isfinite, values)):
        return sum(value for value in values if not math.isfinite(value))
    exact = exactly(values)
    try:
        rounded = float(exact)
    except OverflowError:
        rounded = math.inf if exact > 0 else -math.inf
    with suppress(OverflowError):  # fsum gives up on partial sums beyond float64
        assert rounded == math.fsum(values)
    return rounded


def mean(values: tuple[float, ...]) -> float:
    whole = total(values)
    if math.isinf(whole) and all(map(math.isfinite, values)):
        return float(exactly(values) / 2**64) / len(values) * 2.0**64
    return whole / len(values)


@lru_cache(maxsize=4)
def spread(values: tuple[float, ...]) -> tuple[float, float]:
    """Variance and deviation by the documented rounding: once, one division, one root."""
    size = len(values)
    if size < 2 or not all(map(math.isfinite, values)):
        return math.nan, math.nan
    excess = size * exactly(values, 2) - exactly(values) ** 2
    numerator, power = excess.numerator, 1 - excess.denominator.bit_length()
    surplus = max(0, numerator.bit_length() - 53)
    quotient = round(Fraction(numerator, 2**surplus)) / (size * (size - 1))
    power += surplus
    odd = power % 2
    return scaled(quotient, power), scaled(math.sqrt(quotient * 2**odd), (power - odd) // 2)


def scaled(number: float, power: int) -> float:
    try:
        return math.ldexp(number, power)
    except OverflowError:
        return math.copysign(math.inf, number)


def exact_variance(values: list[float]) -> Fraction:
    exact = [Fraction(value) for value in values]
    center = sum(exact) / len(exact)
    return sum((each - center) ** 2 for each in exact) / (len(exact) - 1)


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal to the last bit, zeros' signs included; all NaNs are one."""
    one, other = np.asarray(one), np.asarray(other)
    nulls = np.isnan(one)
    return bool(
        one.shape == other.shape
        and (nulls == np.isnan(other)).all()
        and (one[~nulls].view(np.int64) == other[~nulls].view(np.int64)).all()
    )
