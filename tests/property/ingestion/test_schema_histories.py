"""Batches whose columns come, go, are renamed and change their type, against a plain model.

The model is a list of dictionaries and knows three rules: what does not come is null, a fraction
makes a column of whole numbers one of numbers, and a text among numbers rejects its row.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.end_to_end.shop_project import Silent

from octavo.definition.versions import feature_fingerprints, table_fingerprints
from octavo.errors import DataError
from octavo.project import Project
from octavo.stores import versions
from octavo.stores.features import FeatureStore
from octavo.stores.raw import RawStore

ROWS = 8
SCRIPT = """
import polars as pl
import octavo as ov

sales = ov.Dataset(
    "sales", ov.Files("*.csv", renamed={"amt": "amount"}), event_id="id", event_time="at"
)
pipeline = ov.Pipeline(
    problem=ov.Problem("?", target="dear", kind="binary", metric="roc_auc", at_least=0.5),
    datasets=[sales], rows=sales,
    label=ov.Label("dear", of=sales, value=pl.col("amount") > 5),
    views=[ov.View("shop", key="shop", windows=[
        ov.Window(sales, "amount", over="30d", take=["count", "mean", "max"])])],
)
"""
KINDS = {"whole": (3, 4), "number": (1.5, 2.25), "text": ("a", "b")}
changes = st.sampled_from(["as before", "absent", "fractions", "some text"])
batches = st.fixed_dictionaries(
    {
        "amount": st.sampled_from(["amount", "amt", "missing"]),
        **dict.fromkeys(KINDS, changes),
        "new": st.sampled_from(["absent", "as before"]),
    }
)


def rows_of(number, batch, seen):
    """Return the rows of a file as they are written."""
    rows = []
    for row in range(ROWS):
        at = number * ROWS + row
        found = {"id": f"s{at}", "at": f"2024-01-{at + 1:02}", "shop": f"p{at % 2}"}
        if batch["amount"] != "missing":
            found[batch["amount"]] = at + 0.5
        for name, values in (KINDS | {"new": ("x", "y")}).items():
            how = batch[name] if name in seen else batch[name].replace("some text", "as before")
            if how == "absent":
                continue
            found[name] = values[row % 2]
            if how == "fractions" and name == "whole" and name in seen and row == 5:
                found[name] = 7.5
            if how == "some text" and row in (2, 3):
                found[name] = "many"
        rows.append(found)
    return rows


class Model:
    """What the events must be."""

    def __init__(self):
        self.rows, self.rejected, self.wide, self.seen = [], 0, False, {}

    def take(self, rows):
        for row in rows:
            self.seen |= dict.fromkeys(row)
            if "many" in (row.get("whole"), row.get("number")):
                self.rejected += 1
            else:
                amount = row.get("amount", row.get("amt"))
                self.rows.append({"id": row["id"], "amount": amount} | row)
        self.wide |= any(isinstance(row.get("whole"), float) for row in rows)

    def expected(self, name):
        found = [row.get(name) for row in self.rows]
        is_wide = name == "whole" and self.wide
        return [float(v) if is_wide and v is not None else v for v in found]


@settings(
    max_examples=8, deadline=None, suppress_health_check=[*HealthCheck]
)  # each runs a pipeline several times
@given(st.lists(batches, min_size=2, max_size=3))
def test_events_are_those_of_the_model(tmp_path_factory, history):
    folder = tmp_path_factory.mktemp("shop")
    (folder / "pipeline.py").write_text(SCRIPT)
    model, features = Model(), None
    history[0]["amount"] = "amount"
    for number, batch in enumerate(history):
        rows = rows_of(number, batch, model.seen)
        names = list(dict.fromkeys(name for row in rows for name in row))
        file = folder / f"{number}.csv"
        lines = [",".join(str(row[name]) for name in names) for row in rows]
        file.write_text("\n".join([",".join(names), *lines]) + "\n")
        project = Project(folder)
        if batch["amount"] == "missing":
            with pytest.raises(DataError, match=rf"{number}.csv: the file lacks 'amount' \("):
                project.run(Silent(), last="prep")
            file.unlink()
            continue
        project.run(Silent(), last="prep")
        model.take(rows)
        check_events(project, model)
        features = check_features(project, features, model)


def check_events(project, model):
    (dataset,) = project.definition.datasets
    raw, committed = RawStore(project.home), project.catalog.committed("sales")
    events = raw.events(dataset, committed)
    assert events["id"].to_list() == model.expected("id")
    for name in ("amount", *KINDS, "new"):
        assert (name in events.columns) == (name == "amount" or name in model.seen)
        if name in events.columns:
            assert events[name].to_list() == model.expected(name), name
            if name == "whole" and not model.wide:
                assert events[name].dtype.is_integer()
    assert "amt" not in events.columns
    assert raw.rejected("sales").height == model.rejected


def check_features(project, before, model):
    """Windows are over all batches, whatever a column was called; earlier rows stay to the bit."""
    pipeline, catalog = project.definition, project.catalog
    wanted = table_fingerprints(pipeline, catalog.loaded(pipeline.datasets))
    document = versions.current(catalog, wanted, feature_fingerprints(pipeline, wanted))
    found = FeatureStore(project.home).assembled(pipeline, document)
    assert before is None or found.head(before.height).equals(before)
    shops = [[r["amount"] for r in model.rows[: n + 1] if r["shop"] == row["shop"]]
             for n, row in enumerate(model.rows)]  # fmt: skip
    assert found["shop__amount_count_30d"].to_list() == [len(each) for each in shops]
    assert found["shop__amount_max_30d"].to_list() == [max(each) for each in shops]
    return found
