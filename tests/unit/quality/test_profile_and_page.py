"""A profile counts what is there; a page holds all of it and loads nothing."""

import json
import re

import numpy as np
import polars as pl
import pytest

from octavo.quality import examine, profile
from octavo.quality.page import page
from octavo.quality.profile import BINS


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    rng = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "x": [*rng.normal(size=498), 1e6, None],
            "name": [*["<b>bold</b>", "plain"] * 249, "plain ", None],
            "day": pl.date_range(pl.date(2024, 1, 1), pl.date(2025, 5, 14), eager=True),
            "empty": pl.Series([None] * 500, dtype=pl.Float64),
            "flag": [True, False] * 250,
            "wild": [float("inf"), float("nan"), *range(498)],
        },
        strict=False,
    )


def test_a_histogram_counts_every_value_once(frame):
    found = profile(frame)
    assert sum(found["x"]["histogram"]) == 499
    assert len(found["x"]["histogram"]) == BINS
    assert (found["x"]["nulls"], found["x"]["max"]) == (1, 1e6)
    assert found["wild"]["max"] == 497
    assert found["name"]["common"][0] == ["<b>bold</b>", 249]
    assert found["name"]["distinct"] == frame["name"].n_unique()


def test_where_values_are_missing_is_kept_in_stretches(frame):
    found = profile(frame)
    assert found["empty"]["missing"] == [1.0] * 60
    assert found["x"]["missing"][:-1] == [0.0] * 59
    assert found["x"]["missing"][-1] > 0


def test_a_report_is_json(frame):
    report = {"columns": profile(frame), "findings": [f.document() for f in examine(frame)]}
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_a_page_names_all_and_loads_nothing(frame):
    findings = [each.document() for each in examine(frame)]
    report = {
        "columns": profile(frame),
        "findings": findings,
        "noticed": [],
        "flagged": {"a < b": 3},
        "treated": [{"treatment": "Clip x", "changed": 1, "nulls": 0}],
    }
    text = page(report, title="orders & more", rows=500)
    assert not re.search(r"<script|<link|<img|src=|href=|url\(|https?://|<b>bold", text)
    assert "orders &amp; more" in text
    assert text.count("<svg") >= 5
    for each in findings:
        assert (each["treatment"] or "").split('"')[0] in text
    first = text.index('class="finding fault"')
    assert first < text.index('class="finding note"')
