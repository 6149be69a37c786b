"""Token buckets beside the plainest model: tokens that are counted, and added as time goes."""

from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from octavo.services.limits import Buckets, Rate

RATES = st.builds(Rate, st.integers(1, 1000).map(float), st.sampled_from([1.0, 60.0, 3600.0]))
STEPS = st.lists(st.integers(0, 4000).map(lambda ms: ms / 1024), max_size=60)


@given(RATES, STEPS)
@example(Rate(3.0, 1.0), [0.0] * 5)
def test_as_many_as_there_are_tokens(rate, steps):
    buckets, now = Buckets(), 100.0
    capacity, per_second = Fraction(rate.requests), Fraction(rate.requests) / Fraction(rate.seconds)
    tokens = capacity
    for step in steps:
        now += step
        tokens = min(capacity, tokens + Fraction(step) * per_second)
        wait = buckets.take("a", rate, now)
        if abs(tokens - 1) < Fraction(1, 10**6):  # a matter of rounding
            tokens = tokens - 1 if wait == 0 else tokens
            continue
        assert (wait == 0) == (tokens >= 1)
        if wait == 0:
            tokens -= 1
        else:
            missing = float((1 - tokens) / per_second)
            assert abs(wait - missing) < 1e-6 * rate.seconds


@given(RATES, STEPS)
def test_who_waits_as_told_is_let_in(rate, steps):
    buckets, now = Buckets(), 0.0
    for step in steps:
        now += step
        if wait := buckets.take("a", rate, now):
            now += wait + 1e-6
            assert buckets.take("a", rate, now) == 0


def test_clients_do_not_take_from_each_other():
    buckets, rate = Buckets(), Rate(1, 60)
    assert [buckets.take(name, rate, 0) for name in "abab"] == [0, 0, 60, 60]


def test_no_more_are_remembered_than_said():
    buckets, rate = Buckets(most=2), Rate(1, 60)
    for name in "abc":
        buckets.take(name, rate, 0)
    assert buckets.take("c", rate, 0) == 60
    assert buckets.take("a", rate, 0) == 0, "the one that was silent longest was forgotten"
