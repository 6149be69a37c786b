import polars as pl
import pytest

import octavo as ov
from octavo.errors import DefinitionError
from octavo.stages.segregation.api import _absent


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
