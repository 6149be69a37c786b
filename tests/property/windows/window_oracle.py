"""The plainest possible model of the fold: pure Python, exact fractions, no cleverness."""

import math
from contextlib import suppress
from fractions import Fraction

import numpy as np

from octavo.windows import Aggregate, LanePlan, Observations, Queries


def model(observations: Observations, queries: Queries, plan: LanePlan, retain: int | None):
    rows = sorted(
        zip(*(each.tolist() for each in observations.arrays().values()), strict=True),
        key=lambda row: (row[1], row[2], row[3]),
    )
    out = np.empty((len(queries), len(plan.columns)))
    asked = zip(*(each.tolist() for each in queries.arrays().values()), strict=True)
    for i, (entity, time, known, position) in enumerate(asked):
        visible = [
            (event_time, value)
            for key, event_time, known_at, place, value in rows
            if key == entity
            and (
                (known_at, place) < (known, position)
                or (plan.include_current and (known_at, place) == (known, position))
            )
            and (retain is None or event_time > known - retain)
        ]
        for j, (span, aggregate) in enumerate(plan.columns):
            end = time - span.delay
            window = [
                (event_time, value)
                for event_time, value in visible
                if event_time <= end and (span.over is None or event_time > end - span.over)
            ]
            out[i, j] = aggregate_of(aggregate, window, time)
    return out


def aggregate_of(aggregate: Aggregate, window: list[tuple[int, float]], time: int) -> float:
    values = [value for _, value in window]
    if aggregate == Aggregate.COUNT:
        return len(values)
    if not values:
        return math.nan
    return {
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
    }[aggregate]()


def total(values: list[float]) -> float:
    if not all(map(math.isfinite, values)):
        return sum(value for value in values if not math.isfinite(value))
    exact = sum(map(Fraction, values))
    try:
        rounded = float(exact)
    except OverflowError:
        rounded = math.inf if exact > 0 else -math.inf
    with suppress(OverflowError):  # fsum gives up on partial sums beyond float64
        assert rounded == math.fsum(values)
    return rounded


def mean(values: list[float]) -> float:
    whole = total(values)
    if math.isinf(whole) and all(map(math.isfinite, values)):
        return float(sum(map(Fraction, values)) / 2**64) / len(values) * 2.0**64
    return whole / len(values)


def spread(values: list[float]) -> tuple[float, float]:
    """Variance and deviation by the documented rounding: once, one division, one root."""
    size = len(values)
    if size < 2 or not all(map(math.isfinite, values)):
        return math.nan, math.nan
    exact = [Fraction(value) for value in values]
    excess = size * sum(each * each for each in exact) - sum(exact) ** 2
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
        return math.inf


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
