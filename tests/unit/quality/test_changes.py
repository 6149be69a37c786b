"""What is different from earlier batches, told from profiles alone."""

import numpy as np
import polars as pl
import pytest

from octavo.quality import changes, profile

rng = np.random.default_rng(3)


def batch(rows: int = 200) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [f"k{n}" for n in range(rows)],
            "city": rng.choice(["Hamburg", "Berlin"], rows),
            "height": rng.normal(170, 8, rows),
            "pieces": rng.poisson(5, rows),
        }
    )


EARLIER = [profile(batch(n)) for n in (200, 210, 190)]
COUNTS = [200, 210, 190]


def found(frame: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    seen = changes(profile(frame), frame.height, EARLIER, COUNTS, source="ov.Files")
    return {each.rule: each.columns for each in seen}


def test_nothing_is_said_of_a_batch_like_the_others():
    for _ in range(20):
        assert found(batch()) == {}


def test_the_first_batch_has_nothing_to_be_compared_with():
    assert list(changes(profile(batch()), 200, [], [], source="ov.Files")) == []


@pytest.mark.parametrize(
    ("frame", "rules"),
    [
        (batch().rename({"height": "Height_cm"}), {"renamed": ("height", "Height_cm")}),
        (batch().rename({"city": "town"}), {"renamed": ("city", "town")}),
        (batch().drop("height"), {"lost": ("height",)}),
        (batch().with_columns(new=pl.lit("a")), {"new": ("new",)}),
        (batch().with_columns(pl.col("pieces").cast(pl.String)), {"retyped": ("pieces",)}),
        (batch().with_columns(id=pl.lit("k1")), {"key_lost": ("id",)}),
        (batch(20), {"rows": ()}),
        (batch(2000), {"rows": ()}),
        (batch().with_columns(pl.col("height") / 2.54), {"shifted": ("height",)}),
        (
            batch().with_columns(height=pl.when(pl.col("pieces") > 4).then("height")),
            {"missing_more": ("height",)},
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_change_is_named(frame, rules):
    assert found(frame) == rules


def test_another_unit_is_recognized_by_its_ratio():
    frame = batch().with_columns(pl.col("height") / 2.54)
    (shift,) = changes(profile(frame), 200, EARLIER, COUNTS, source="ov.Files")
    assert "another unit (2.54 to 1)" in shift.sentence


@pytest.mark.parametrize("source", ["ov.Files", "ov.Sql", "ov.Stream"])
def test_a_declared_line_says_how_a_column_is_called_now(source):
    renamed = batch().rename({"city": "town"})
    (each,) = changes(profile(renamed), 200, EARLIER, COUNTS, source=source)
    assert each.treatment == f'{source}(…, renamed={{"town": "city"}})'


def test_numbers_that_identify_events_go_on_in_small_batches():
    earlier = [profile(pl.DataFrame({"sale": range(at, at + 9)})) for at in (10, 12)]
    now, counts = profile(pl.DataFrame({"sale": range(30, 39)})), [9, 9]
    (shift,) = changes(now, 9, earlier, counts, source="ov.Stream")
    assert shift.rule == "shifted"
    assert not list(changes(now, 9, earlier, counts, source="ov.Stream", keys=["sale"]))


def test_columns_that_come_and_go_are_compared_with_the_batches_that_had_them():
    without = profile(batch(200).drop("id"))
    earlier, counts = [EARLIER[0], without, EARLIER[1]], [200, 200, 210]
    assert not list(changes(profile(batch()), 200, earlier, counts, source="ov.Files"))
    (lost,) = changes(without, 200, earlier, counts, source="ov.Files")
    assert (lost.rule, lost.columns) == ("lost", ("id",))
    more, counted = [*earlier, without], [*counts, 200]
    back = list(changes(profile(batch()), 200, more, counted, source="ov.Files"))
    assert not back, "it is not new"


def test_whole_numbers_that_became_numbers_are_a_note():
    wider = batch().with_columns(pl.col("pieces").cast(pl.Float64))
    (each,) = changes(profile(wider), 200, EARLIER, COUNTS, source="ov.Files")
    assert (each.rule, each.weight) == ("retyped", "note")
