"""What is found in small tables: the rows, and a treatment after which it is found no more."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

import octavo as ov
from octavo.definition.events import treated
from octavo.quality import Finding, examine

rng = np.random.default_rng(5)
SIZE = 400
LABELS = ["Hamburg", "Berlin", "Köln", "Bremen"]


def cities() -> list[str]:
    return [LABELS[i % 4] for i in range(SIZE)]


def numbers() -> list[float]:
    return rng.normal(50, 5, SIZE).round(1).tolist()


def days() -> list[date]:
    return [date(2024, 1, 1) + timedelta(days=i % 300) for i in range(SIZE)]


def one(findings: list[Finding], rule: str) -> Finding:
    found = [each for each in findings if each.rule == rule]
    assert len(found) == 1, [each.sentence for each in findings]
    return found[0]


def put(values: list, places: list[int], *new: object) -> list:
    values = list(values)
    for number, place in enumerate(places):
        values[place] = new[number % len(new)]
    return values


CASES = {
    "blanks": (put(cities(), [3, 9], " Hamburg", "Köln\u00a0"), [3, 9]),
    "case": (put(cities(), [3, 9], "HAMBURG", "bremen"), [3, 9]),
    "dots": (put(cities(), [3, 9], "Hamburg.", "Köln."), [3, 9]),
    "accents": (put(cities(), [3, 9], "Koln"), [3, 9]),
    "separators": (put(["New York", "Los Angeles"] * 200, [3], "New-York"), [3]),
    "misspelled": (put(cities(), [3, 9], "Hambrug", "Bermen"), [3, 9]),
    "encoding": (put(cities(), [3], "KÃ¶ln"), [3]),
    "placeholder": (put(cities(), [3, 9], "unknown", "n.a."), [3, 9]),
    "truth": (put(["yes", "no"] * 200, [3, 9], "Y", "N"), [3, 9]),
    "unit": (put(list(map(str, numbers())), [3, 9], "12 kg", "13kg"), [3, 9]),
    "decimal_comma": (put(list(map(str, numbers())), [3, 9], "12,5"), [3, 9]),
    "thousands": (put(list(map(str, numbers())), [3], "1,234.5"), [3]),
    "parentheses": (put(list(map(str, numbers())), [3], "(12.5)"), [3]),
    "zeros": (put(list(map(str, numbers())), [3], "0052.1"), [3]),
    "not_a_number": (put(list(map(str, numbers())), [3], "twelve"), [3]),
    "dates": (put(list(map(str, days())), [3], "31/12/2023"), [3]),
    "not_a_date": (put(list(map(str, days())), [3], "2024-02-30"), [3]),
    "sentinel": (put(numbers(), [3, 9], -999.0), [3, 9]),
    "infinite": (put(numbers(), [3], float("inf")), [3]),
    "median_mad": (put(numbers(), [3], 523.0), [3]),
}


@pytest.mark.parametrize("rule", CASES)
def test_damage_is_found_where_it_is_and_the_line_given_cures_it(rule):
    values, at = CASES[rule]
    frame = pl.DataFrame({"x": values})
    found = one(examine(frame), rule)
    assert found.at.tolist() == at
    assert found.columns == ("x",)
    assert found.examples[0][0] == at[0]
    assert found.treatment is not None
    declared = eval(found.treatment, {"ov": ov, "pl": pl})  # noqa: S307  the line we propose
    if isinstance(declared, ov.Check):
        assert declared.severity == "flag"
        assert (~frame.select(declared.condition).to_series()).arg_true().to_list() == at
        return
    cured = treated(ov.Dataset("d", ov.Files("d.csv"), treat=[declared]), frame)
    assert rule not in {each.rule for each in examine(cured)}
    untouched = [place for place in range(SIZE) if place not in at]
    if cured["x"].dtype == frame["x"].dtype:
        assert cured["x"].gather(untouched).equals(frame["x"].gather(untouched))
    else:
        assert cured["x"].gather(untouched).null_count() == 0


def test_nothing_is_said_of_clean_columns():
    frame = pl.DataFrame(
        {
            "id": [f"A{n:05}" for n in range(SIZE)],
            "city": cities(),
            "price": numbers(),
            "pieces": rng.poisson(3, SIZE),
            "amount": np.exp(rng.normal(4, 1.5, SIZE)),
            "pareto": rng.pareto(1.5, SIZE) + 1,
            "exponential": rng.exponential(10, SIZE),
            "day": days(),
            "open": ["yes", "no"] * 200,
            "flag": [True, False] * 200,
            "code": [f"{n % 90:04}" for n in range(SIZE)],
            "zip": [f"{n % 40 + 100}{chr(97 + n % 10)}" for n in range(SIZE)],
        }
    )
    assert [each.sentence for each in examine(frame)] == []


def test_columns_are_missing_together_or_alone():
    gone = [None if i % 10 == 0 else 1.5 for i in range(SIZE)]
    frame = pl.DataFrame({"a": gone, "b": gone, "c": [None, *gone[1:-1], None], "d": [None] * SIZE})
    found = examine(frame)
    assert one(found, "together").columns == ("a", "b")
    assert one(found, "values").columns == ("c",)
    assert one(found, "empty").columns == ("d",)
    assert one(found, "together").rows == 40


def test_a_missing_key_is_a_fault():
    frame = pl.DataFrame({"id": [None, *range(1, SIZE)]})
    assert one(examine(frame, keys=["id"]), "key").at.tolist() == [0]


def test_rows_that_repeat_and_keys_that_repeat():
    frame = pl.DataFrame({"id": [f"k{n}" for n in range(SIZE)], "x": numbers()})
    again = pl.concat([frame, frame.head(2), frame.head(1).with_columns(x=pl.lit(1.0))])
    found = examine(again)
    assert one(found, "rows").at.tolist() == [SIZE, SIZE + 1]
    assert one(found, "key").at.tolist() == [SIZE + 2]
    assert not [each for each in examine(again, keys=["id"]) if each.kind == "duplicate"]


def test_an_outlier_of_its_group_is_none_of_the_column():
    level = [100.0 * (i % 4) + rng.normal() for i in range(4000)]
    level[7] = 100.0  # in the group of 300
    frame = pl.DataFrame({"city": cities() * 10, "level": level})
    assert one(examine(frame), "median_mad_in_group").at.tolist() == [7]
    assert one(examine(frame, groups=["city"]), "median_mad_in_group").columns == ("level", "city")
    assert not examine(frame, groups=[])


def test_numbers_that_do_not_go_together_are_noted():
    one_, noise = rng.normal(size=(2, 2000))
    other = one_ + 0.02 * noise
    other[5] = -one_[5] if abs(one_[5]) > 1 else one_[5] + 2
    found = one(examine(pl.DataFrame({"a": one_, "b": other})), "covariance")
    assert found.at.tolist() == [5]
    assert found.weight == "note"


def test_a_multiple_of_another_column():
    speed = rng.uniform(1, 30, SIZE)
    gust = np.where(np.arange(SIZE) % 8 == 0, speed + 7, 1.1508 * speed)
    found = one(examine(pl.DataFrame({"speed": speed, "gust": gust})), "multiple")
    assert "`gust` is 1.1508 × `speed` in 87.5 %" in found.sentence


def test_a_copy_of_another_column():
    names = cities()
    found = one(examine(pl.DataFrame({"a": names, "b": put(names, [4], "Berlin")})), "copy")
    assert found.rows == (names[4] != "Berlin")


def test_two_clocks_of_one_moment():
    utc = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=i) for i in range(SIZE)]
    local = [moment - timedelta(hours=8) for moment in utc]
    parts = {name: [getattr(m, name) for m in local] for name in ("year", "month", "day", "hour")}
    frame = pl.DataFrame({"at": utc, **parts})
    assert "8 hours later" in one(examine(frame), "zone").sentence


def test_an_end_before_its_beginning():
    begin = days()
    end = [day + timedelta(days=3) for day in begin]
    end[11] = begin[11] - timedelta(days=1)
    found = one(examine(pl.DataFrame({"begin": begin, "end": end})), "order")
    assert found.at.tolist() == [11]


def test_a_label_that_goes_with_another():
    country = ["Germany", "France", "Germany", "Spain"] * 100
    frame = pl.DataFrame({"city": cities(), "country": put(country, [6], "Spain")})
    assert one(examine(frame), "dependency").at.tolist() == [6]


def test_clock_times_are_told_from_numbers():
    clock = [h * 100 + m for h in range(24) for m in range(0, 60, 5)]
    clock[7], clock[9] = 2400, 1275
    found = examine(pl.DataFrame({"dep": clock}))
    assert one(found, "midnight").at.tolist() == [7]
    assert one(found, "no_time").at.tolist() == [9]
    assert one(found, "clock").weight == "note"


@pytest.mark.parametrize(
    ("name", "bad"), [("latitude", 95), ("hour", 24), ("humid", 140), ("birth_year", 0)]
)
def test_ranges_are_told_by_the_name(name, bad):
    usual = 1950 if name == "birth_year" else 7
    values = put([usual + i % 9 for i in range(SIZE)], [2], bad)
    found = [each for each in examine(pl.DataFrame({name: values})) if each.at.tolist() == [2]]
    assert found


def test_values_that_another_dataset_lacks():
    flights = pl.DataFrame({"plane": put([f"N{i % 50}" for i in range(SIZE)], [8], "N999")})
    planes = pl.DataFrame({"plane": [f"N{i}" for i in range(50)]})
    found = one(examine(flights, others={"planes": planes}), "reference")
    assert found.at.tolist() == [8]
    assert "99.75 % are found" in found.sentence


def test_rejected_rows_say_which_treatment_lets_them_in():
    rejected = pl.DataFrame(
        {
            "_row": [5, 9],
            "text": ["a,12 kg", "b,13 kg"],
            "column": ["w", "w"],
            "rule": ["type", "type"],
            "reason": [f"column 'w': '{n} kg' is not a number" for n in (12, 13)],
        }
    )
    found = one(examine(pl.DataFrame({"w": [1.5]}), rejected=rejected), "type")
    assert found.treatment == 'ov.AsNumber("w", units={"kg": 1.0})'
    assert found.at.tolist() == [5, 9]
    assert found.of == 3


def test_rows_are_numbered_as_the_file_numbers_them():
    frame = pl.DataFrame({"x": put(numbers(), [3], -999.0), "_row": range(100, 100 + SIZE)})
    assert one(examine(frame), "sentinel").at.tolist() == [103]


def test_an_empty_batch_and_a_single_row_are_nothing_special():
    assert examine(pl.DataFrame(schema={"x": pl.Int64, "y": pl.String})) == []
    assert examine(pl.DataFrame({"x": [1], "y": ["a"]})) == []
    assert examine(pl.DataFrame()) == []
