from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import octavo as ov
from octavo.definition import SplitByHash, SplitByTime
from octavo.errors import DefinitionError
from octavo.stages.segregation.api import _absent, hash_part, time_cuts

START = datetime(2024, 1, 1, tzinfo=UTC)


@given(
    hours=st.lists(st.integers(0, 50), min_size=10, max_size=200),
    train=st.sampled_from([0.5, 0.6, 0.7]),
)
def test_cuts_never_divide_an_instant(hours, train):
    split = SplitByTime(train=train, validation=0.2, test=0.8 - train)
    times = pl.Series("_event_time", [START + timedelta(hours=h) for h in hours])
    labeled = pl.DataFrame({"_event_time": times.cast(pl.Datetime("us", "UTC"))})
    cuts = time_cuts(split, labeled)
    stamps = labeled["_event_time"].cast(pl.Int64)
    assert cuts["validation"] <= cuts["test"]
    assert (stamps < cuts["validation"]).mean() <= train + 1 / len(hours)
    assert cuts["validation"] in set(stamps)


def test_hash_parts_cover_all_rows_once_and_keep_entities_together():
    rows = pl.DataFrame({"key:who": [f"c{i % 500}" for i in range(2000)]})
    split = SplitByHash("who", train=0.6, validation=0.2, test=0.2)
    parts = {part: hash_part(split, rows, part) for part in ("train", "validation", "test")}
    assert np.sum([part.to_numpy() for part in parts.values()], axis=0).tolist() == [1] * 2000
    assert parts["train"].mean() == pytest.approx(0.6, abs=0.06)
    who = {part: set(rows.filter(mask)["key:who"]) for part, mask in parts.items()}
    assert not who["train"] & who["test"]
    grown = pl.concat([rows, pl.DataFrame({"key:who": ["new1", "new2"]})])
    assert hash_part(split, grown, "train")[:2000].equals(parts["train"])
    salted = SplitByHash("who", train=0.6, validation=0.2, test=0.2, salt="2")
    assert not hash_part(salted, rows, "train").equals(parts["train"])


@pytest.mark.parametrize(
    ("absent", "dtype", "value"),
    [
        (False, pl.Boolean, False),
        (0, pl.Float64, 0.0),
        (0.0, pl.Int32, 0),
        ("lost", pl.String, "lost"),
        (False, pl.Null, False),
        (0, pl.Boolean, None),
        (False, pl.Int64, None),
        (0.5, pl.Int64, None),
        ("no", pl.Boolean, None),
        (0, pl.String, None),
    ],
)
def test_absent_is_of_the_type_of_the_outcomes_or_refused(absent, dtype, value):
    events = ov.Dataset("events", ov.Files("e.csv"), event_id="id", event_time="at")
    label = ov.Label("hit", events, pl.col("y"), "id", mature_after="1d", absent=absent)
    if value is None:
        with pytest.raises(DefinitionError, match=r"label 'hit': absent is .*, but"):
            _absent(label, dtype())
    else:
        assert pl.select(_absent(label, dtype())).to_series().to_list() == [value]
