from datetime import timedelta

import pytest

from octavo.definition.durations import microseconds, spoken
from octavo.errors import DefinitionError


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("0s", 0),
        ("1us", 1),
        ("250ms", 250_000),
        ("90s", 90_000_000),
        ("1h", 3_600_000_000),
        ("1d12h", 129_600_000_000),
        ("7d", 604_800_000_000),
        ("2w", 1_209_600_000_000),
    ],
)
def test_text(text, length):
    assert microseconds(text, where="") == length


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0, "0s"),
        (1, "1us"),
        (90_000_000, "1m30s"),
        (604_800_000_000, "7d"),
        (1_209_600_000_000, "2w"),
        (691_200_000_000, "8d"),
    ],
)
def test_spoken_as_people_do(length, text):
    assert spoken(length) == text


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ("", "'' is not a duration"),
        ("7", "'7' is not a duration"),
        ("7 d", "'7 d' is not a duration"),
        ("1.5h", "'1.5h' is not a duration"),
        ("-1h", "'-1h' is not a duration"),
        ("1H", "'1H' is not a duration"),
        (3600, "3600 is not a duration"),
        (None, "None is not a duration"),
        (timedelta(seconds=-1), "a duration cannot be negative"),
        ("9999999w", "a duration cannot be longer than 9,000 years"),
    ],
)
def test_refused(wrong, what):
    with pytest.raises(DefinitionError) as refused:
        microseconds(wrong, where="View.late")
    assert str(refused.value).startswith(f"View.late: {what}.")
    assert refused.value.fix
