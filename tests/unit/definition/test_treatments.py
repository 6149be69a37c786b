"""What a treatment makes of a value, and which declarations are refused."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

import octavo as ov
from octavo.definition.events import computed, treated
from octavo.definition.expressions import check_row_expression
from octavo.definition.treatments import Treatment
from octavo.errors import DefinitionError

MOMENT = datetime(2014, 3, 4, 17, 5, tzinfo=UTC)


def after(treatment: Treatment, *values: object) -> list[object]:
    frame = pl.DataFrame({treatment.column: list(values)})
    return frame.select(treatment.expression)[treatment.column].to_list()


@pytest.mark.parametrize(
    ("given", "text", "number"),
    [
        ({}, "12", 12.0),
        ({}, " -1.5 ", -1.5),
        ({}, "−4", -4.0),
        ({}, "1,234.5", 1234.5),
        ({}, "1'234", 1234.0),
        ({}, "1 234", 1234.0),
        ({}, "1e3", 1000.0),
        ({}, "(12.5)", -12.5),
        ({}, "007", 7.0),
        ({}, "1,23", None),  # no group of three: 123 would be a guess
        ({}, "12 kg", None),
        ({}, "?", None),
        ({}, "2-3", None),
        ({}, "12 34", None),
        ({}, None, None),
        ({"decimal": ","}, "1.234,5", 1234.5),
        ({"decimal": ","}, "1.5", None),
        ({"decimal": ",."}, "1.5", 1.5),
        ({"decimal": ",."}, "1,5", 1.5),
        ({"decimal": ",."}, "1.234", 1.234),
        ({"decimal": ",."}, "-1.234,5", -1234.5),
        ({"decimal": ",."}, "1,234.5", 1234.5),
        ({"decimal": ",."}, "1.234.567", 1234567.0),
        ({"decimal": ",."}, "1,234,567.25", 1234567.25),
        ({"decimal": ",."}, "12.34,5", None),
        ({"decimal": ",."}, "1.2.3", None),
        ({"decimal": ",."}, "192.168.100.1", None),
        ({"decimal": ",."}, "1.234.567.89", None),
        ({"decimal": ",."}, "1.234,56.7", None),
        ({"decimal": ",."}, "1.234,,", None),
        ({"units": {"kg": 1, "g": 0.001}}, "12 kg", 12.0),
        ({"units": {"kg": 1, "g": 0.001}}, "500g", 0.5),
        ({"units": {"kg": 1, "g": 0.001}}, "3 lb", None),
        ({"units": {"€": 1}}, "€ 12", 12.0),
        ({"units": {"%": 0.01}}, "45%", 0.45),
    ],
)
def test_text_becomes_numbers(given, text, number):
    assert after(ov.AsNumber("x", **given), text, "1") == [number, 1.0]


def test_text_becomes_dates_by_the_first_format_that_fits():
    found = after(ov.AsTime("x", ["%d/%m/%Y", "%Y-%m-%d"]), "3/4/2014", "2014-04-03", "soon", None)
    assert found == [date(2014, 4, 3), date(2014, 4, 3), None, None]


def test_text_becomes_times_in_utc():
    formats = ["%Y-%m-%d %H:%M", "%d.%m.%Y", "%Y-%m-%dT%H:%M%z"]
    texts = ("2014-03-04 17:05", "04.03.2014", "2014-03-04T18:05+0100")
    found = after(ov.AsTime("x", formats), *texts)
    assert found == [MOMENT, MOMENT.replace(hour=0, minute=0), MOMENT]


@pytest.mark.parametrize(
    ("treatment", "values", "expected"),
    [
        (ov.Null("x", [-999, -1]), [1, -1, -999, None], [1, None, None, None]),
        (ov.Null("x", [-999]), [1.5, -999.0], [1.5, None]),
        (ov.Null("x", ["?", "UNK"]), ["a", "?", "UNK"], ["a", None, None]),
        (ov.Null("x", where=pl.col("x") > 9), [9, 10, None], [9, None, None]),
        (ov.Clip("x", 0, 10), [-1, 5, 11, None], [0, 5, 10, None]),
        (ov.Clip("x", low=0), [-1, 5], [0, 5]),
        (ov.Normalize("x", strip=True), [" a \u00a0b\u200b", "  ", None], ["a b", None, None]),
        (ov.Normalize("x", case="upper"), ["aB", "AB"], ["AB", "AB"]),
        (ov.Normalize("x", dots=True), ["Inc.", "Inc"], ["Inc", "Inc"]),
        (ov.Normalize("x", strip=True, case="lower", replace={"y": "yes"}), [" Y"], ["yes"]),
        (ov.Normalize("x", replace={2400: 0}), [2400, 1], [0, 1]),
        (ov.Normalize("x", strip=True), ["Mu\u0308nchen"], ["München"]),
    ],
    ids=lambda each: type(each).__name__,
)
def test_values_after_a_treatment(treatment, values, expected):
    assert after(treatment, *values) == expected


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ov.Null("x"), "either values or a condition"),
        (lambda: ov.Null("x", [1], where=pl.col("x") > 1), "either values or a condition"),
        (lambda: ov.Null("x", where=pl.col("x") > pl.col("x").mean()), "whole frame"),
        (lambda: ov.Null("", [1]), "names no column"),
        (lambda: ov.Clip("x"), "no bound"),
        (lambda: ov.Clip("x", 2, 1), "above high"),
        (lambda: ov.Normalize("x"), "nothing is to be done"),
        (lambda: ov.Normalize("x", case="camel"), "camel"),
        (lambda: ov.AsNumber("x", decimal=";"), ";"),
        (lambda: ov.AsNumber("x", units={"kg": "1"}), "kg"),
        (lambda: ov.AsTime("x"), "a format is lacking"),
        (lambda: ov.Dataset("d", ov.Files("d.csv"), treat=[3]), "Treatment"),
        (
            lambda: ov.Dataset(
                "d", ov.Files("d.csv", types={"x": pl.Int64}), treat=[ov.AsNumber("x")]
            ),
            "reads 'x' as text",
        ),
    ],
)
def test_declarations_that_cannot_be_meant_are_refused(make, said):
    with pytest.raises(DefinitionError, match=said):
        make()


def test_treatments_are_applied_in_order_and_before_computed_columns():
    dataset = ov.Dataset(
        "d",
        ov.Files("d.csv"),
        treat=[ov.AsNumber("w", units={"kg": 1}), ov.Null("w", [-999]), ov.Clip("w", high=100)],
        columns={"double": pl.col("w") * 2},
    )
    rows = computed(dataset, pl.DataFrame({"w": ["12 kg", "-999", "500"]}))
    assert rows["w"].to_list() == [12.0, None, 100.0]
    assert rows["double"].to_list() == [24.0, None, 200.0]


def test_a_treatment_of_no_column_names_the_nearest():
    dataset = ov.Dataset("d", ov.Files("d.csv"), treat=[ov.Clip("wieght", 0)])
    with pytest.raises(DefinitionError, match=r"(?s)wieght.*weight"):
        treated(dataset, pl.DataFrame({"weight": [1]}))


def test_a_treatment_that_does_not_suit_the_type_says_where():
    dataset = ov.Dataset("d", ov.Files("d.csv"), treat=[ov.Normalize("x", case="upper")])
    with pytest.raises(DefinitionError, match=r"dataset 'd', treat, Normalize 'x'"):
        treated(dataset, pl.DataFrame({"x": [1]}))


def test_what_events_are_changes_with_a_treatment_and_stamps_only_if_it_concerns_them():
    def dataset(*treat: Treatment) -> ov.Dataset:
        return ov.Dataset("d", ov.Files("d.csv"), event_time="at", treat=treat)

    plain, other, stamp = dataset(), dataset(ov.Clip("x", 0)), dataset(ov.AsTime("at", ["%Y"]))
    assert len({d.events_fingerprint for d in (plain, other, stamp)}) == 3
    assert plain.stamps_fingerprint == other.stamps_fingerprint != stamp.stamps_fingerprint


@pytest.mark.parametrize(
    "treatment",
    [
        ov.Null("x", [1]),
        ov.Clip("x", 0, 1),
        ov.Normalize("x", strip=True, dots=True, case="lower", replace={"a": "b"}),
        ov.AsNumber("x", units={"kg": 2}),
        ov.AsTime("x", ["%Y-%m-%d", "%Y-%m-%dT%H:%M%z"]),
    ],
    ids=lambda each: type(each).__name__,
)
def test_every_treatment_is_a_row_expression(treatment):
    check_row_expression(treatment.expression, where="test")
