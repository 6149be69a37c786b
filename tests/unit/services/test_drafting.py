"""What `octavo init` decides, one decision at a time."""

import ast
import datetime as dt
import keyword
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from octavo.errors import DataError, DefinitionError
from octavo.services.drafting import (
    code,
    make_draft,
    make_watch,
    script,
    series_script,
    tables,
)
from octavo.services.drafting.clock import find_clock
from octavo.services.drafting.columns import describe
from octavo.services.drafting.draft import _repeated_id
from octavo.services.drafting.hints import empty_with_target
from octavo.services.drafting.joins import find_links
from octavo.services.drafting.tables import Table, identifier, read_tables
from octavo.services.drafting.target import find_target
from octavo.services.drafting.windows import is_regular, spans


def table(frame: pl.DataFrame | dict, name: str = "rows") -> Table:
    return Table(name, (Path(f"{name}.csv"),), pl.DataFrame(frame), pl.DataFrame())


def evaluated(source: str, **names: pl.Expr) -> pl.Expr:
    """Return the expression that drafted source stands for."""
    return eval(source, {"pl": pl, **names})  # noqa: S307  our own text


def moments(rows: int, every: str = "1h") -> pl.Series:
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    return pl.datetime_range(start, start + dt.timedelta(days=4000), every, eager=True).head(rows)


N = 200
TARGETS = [
    # values, kind, metric, the label's expression
    ([True, False] * 100, "binary", "roc_auc", 'pl.col("y")'),
    ([0, 1] * 100, "binary", "roc_auc", 'pl.col("y")'),
    ([0.0, 1.0] * 100, "binary", "roc_auc", 'pl.col("y")'),
    ([1, 2] * 50 + [1] * 100, "binary", "roc_auc", 'pl.col("y") == 2'),
    (["yes", "no", "no", "no", "no"] * 40, "binary", "average_precision", 'pl.col("y") == "yes"'),
    (["No", "Yes", "Yes"] * 66, "binary", "roc_auc", 'pl.col("y") == "Yes"'),
    (["a", "b", "c", "d"] * 50, "multiclass", "accuracy", 'pl.col("y")'),
    (["a"] * 150 + ["b"] * 30 + ["c"] * 20, "multiclass", "balanced_accuracy", 'pl.col("y")'),
    ([3, 4, 5, 6, 7] * 40, "multiclass", "accuracy", 'pl.col("y")'),
    (list(range(N)), "regression", "r2", 'pl.col("y")'),
    ([i * 0.37 for i in range(N)], "regression", "r2", 'pl.col("y")'),
]


@pytest.mark.parametrize(("values", "kind", "metric", "expression"), TARGETS)
def test_the_kind_of_problem_follows_from_the_target(values, kind, metric, expression):
    found = find_target(table({"y": values}), "y", None, None)
    assert (found.kind, found.metric, found.value) == (kind, metric, expression)
    labels = pl.DataFrame({"y": values}).select(evaluated(expression)).to_series()
    assert (
        labels.cast(pl.String).to_list()
        == found.labels.cast(labels.dtype).cast(pl.String).to_list()
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([None] * N, "it is empty in every row"),
        ([5] * N, "it is 5 in every row"),
        ([f"n{i}" for i in range(N)], "it has 200 different texts in 200 rows"),
        ([float("inf"), float("-inf"), 1.5, None], "it has no two finite values"),
    ],
)
def test_a_target_that_teaches_nothing_is_said(values, said):
    with pytest.raises(DataError, match=said):
        find_target(table({"y": values}), "y", None, None)


def test_a_condition_is_a_binary_target_and_an_unknown_column_an_error():
    rows = table({"delay": [1.0, 20.0, None, 40.0], "a > b": ["x", "y", "x", "y"]})
    found = find_target(rows, "delay > 15", None, None)
    assert found.value == 'pl.col("delay") > 15'
    assert found.labels.to_list() == [False, True, None, True]
    assert "1 rows (25.0%) have no outcome" in found.rows_note
    assert find_target(rows, "a > b", None, None).column == "a > b"
    with pytest.raises(DefinitionError, match="Did you mean 'delay'"):
        find_target(rows, "dealy > 15", None, None)


def test_rare_classes_and_infinite_numbers_are_unlabeled():
    many = ["a"] * 50 + ["b"] * 50 + ["c", "d", "d"]
    found = find_target(table({"y": many}), "y", None, None)
    assert found.labels.null_count() == 3
    assert "2 classes have fewer than 10 rows each, 3 in all" in found.rows_note
    numbers = [float(i) for i in range(N)] + [float("inf")]
    found = find_target(table({"y": numbers}), "y", None, None)
    assert "is_finite" in str(found.value)
    assert found.labels.null_count() == 1


CLOCKS = [
    ({"at": moments(N)}, 'pl.col("at")'),
    ({"day": pl.date_range(dt.date(2024, 1, 1), dt.date(2024, 7, 1), eager=True)}, 'pl.col("day")'),
    ({"stamp": [1_700_000_000 + 60 * i for i in range(N)]},
     'pl.from_epoch(pl.col("stamp"), time_unit="s")'),
    ({"stamp": [1_700_000_000_000 + 60 * i for i in range(N)]},
     'pl.from_epoch(pl.col("stamp"), time_unit="ms")'),
    ({"date": [20240101 + i % 28 + 100 * (i // 28) for i in range(N)]},
     'pl.col("date").cast(pl.String).str.to_date("%Y%m%d")'),
    ({"year": [2024] * N, "month": [1 + i // 28 for i in range(N)],
      "day": [1 + i % 28 for i in range(N)]},
     'pl.datetime("year", "month", "day")'),
    ({"Year": [2024.0] * N, "Month": [1.0] * N, "Day": [1.0] * N,
      "Hour": [float(i % 25) for i in range(N)]},
     'pl.datetime("Year", "Month", "Day") + pl.duration(hours="Hour")'),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "expression"), CLOCKS)
def test_a_time_is_found_and_its_expression_gives_it(columns, expression):
    frame = pl.DataFrame(columns)
    found = find_clock(table(frame), None)
    assert found is not None
    assert found.expression == expression
    given = frame.select(evaluated(expression)).to_series().cast(pl.Datetime("us", "UTC"))
    assert given.to_list() == found.values.to_list()


def test_times_without_a_year_get_that_of_the_file(tmp_path):
    path = tmp_path / "rows.csv"
    path.touch()
    os.utime(path, (1_710_000_000, 1_710_000_000))  # in 2024
    shown = [f"Feb {1 + i // 24:2} {i % 24:02}:00:00" for i in range(N)]
    rows = Table("rows", (path,), pl.DataFrame({"time": [*shown[1:], None]}), pl.DataFrame())
    found = find_clock(rows, None)
    assert found is not None
    given = rows.frame.select(evaluated(found.expression)).to_series()
    assert given[0] == dt.datetime(2024, 2, 1, 1, tzinfo=dt.UTC)
    assert given.equals(found.values, null_equal=True)
    assert "2024 is taken" in found.why
    words = Table("rows", (path,), pl.DataFrame({"time": ["Feb or so"] * N}), pl.DataFrame())
    assert find_clock(words, None) is None


def test_a_number_that_only_grows_is_a_time_if_it_is_called_one():
    order = [i // 4 * 0.5 for i in range(N)]
    within = [float(i % 4) for i in range(N)]
    rows = table({"period": order, "quarter": within, "x": list(range(N))})
    assert find_clock(rows, None) is None
    found = find_clock(table(rows.frame.rename({"period": "date"})), None)
    assert found is not None
    assert not found.is_calendar
    assert found.made_of == ("date", "quarter")
    assert found.values.is_sorted()
    assert found.values.n_unique() == N
    days = evaluated(found.before.removeprefix("days = "))
    given = rows.frame.rename({"period": "date"}).select(evaluated(found.expression, days=days))
    assert given.to_series().cast(pl.Datetime("us", "UTC")).to_list() == found.values.to_list()


@pytest.mark.parametrize(
    ("values", "role"),
    [
        (pl.Series("a", [None] * 9, dtype=pl.String), "nothing"),
        (pl.Series("a", ["x"] * 9), "nothing"),
        (pl.Series("user_id", range(900)), "id"),
        (pl.Series("a", [f"u{i}" for i in range(900)]), "id"),
        (pl.Series("a", [f"some words about number {i}" for i in range(90)]), "text"),
        (pl.Series("a", ["x", "y"] * 9), "category"),
        (pl.Series("a", [150, 12, 99, 71] * 9), "number"),
        (pl.Series("price", list(np.random.default_rng(1).integers(0, 10**6, 99))), "number"),
    ],
)
def test_what_a_column_is_good_for(values, role):
    assert describe(values).role == role


def test_columns_that_are_empty_with_the_target_are_written_with_it():
    labels = pl.Series([None] * 10 + [1] * 90)
    frame = pl.DataFrame(
        {
            "late": [None] * 10 + list(range(90)),
            "mostly": [None] * 7 + list(range(93)),
            "often": [None if i % 2 else i for i in range(100)],
            "always": list(range(100)),
        }
    )
    found = empty_with_target(frame, "y", labels)
    assert list(found) == ["late", "mostly"]
    assert found["late"].startswith("empty in all 10 rows")


def test_tables_meet_by_equal_names_or_equal_values():
    who = [f"c{i % 40}" for i in range(N)]
    rows = table({"customer": who, "place": [f"town {i % 30}" for i in range(N)], "y": range(N)})
    people = table(
        {"customer": [f"c{i}" for i in range(60)], "age": range(60),
         "name": [f"n{i}" for i in range(60)]}, "people",
    )  # fmt: skip
    towns = table({"town": [f"town {i}" for i in range(30)], "size": range(30)}, "towns")
    other = table({"z": [f"z{i}" for i in range(30)], "w": range(30)}, "other")
    links = find_links(rows, [people, towns, other], None)
    met = {link.table.name: (link.rows_key, link.key) for link in links}
    assert met == {"people": (("customer",), ("customer",)), "towns": (("place",), ("town",))}
    assert [c.name for c in links[0].columns] == ["age"]  # the name says no more than the key


def test_windows_hold_a_few_events_and_fit_into_the_data():
    frame = pl.DataFrame({"who": [i % 10 for i in range(2000)]})
    assert spans(frame, ["who"], moments(2000)) == ["7d"]
    assert spans(frame, [], moments(2000)) == ["6h", "1d", "7d"]
    assert is_regular(frame, [], moments(2000))
    assert is_regular(frame, ["who"], moments(2000))
    ragged = moments(2000).gather(np.sort(np.random.default_rng(0).integers(0, 2000, 2000)))
    assert not is_regular(frame, [], ragged)


@pytest.mark.parametrize(
    ("given", "name"),
    [("a-b c", "a_b_c"), ("2014", "data_2014"), ("__x__y", "x_y"), ("продано", "data"), ("A", "A")],
)
def test_names_become_such_as_octavo_takes(given, name):
    assert identifier(given, "data") == name


def test_files_with_the_same_columns_are_one_dataset_named_by_what_they_share(tmp_path):
    for name in ("orders-1", "orders-2", "class"):
        column = "b" if name == "class" else "a"
        (tmp_path / f"{name}.csv").write_text(f"{column},y\n1,2\n3,4\n")
    found = read_tables(sorted(tmp_path.iterdir()))
    assert [(t.name, len(t.paths), t.frame.height) for t in found] == [
        ("class_rows", 1, 2), ("orders", 2, 4),
    ]  # fmt: skip


def test_files_of_equal_names_and_unlike_types_are_read_in_part(tmp_path):
    (tmp_path / "a1.csv").write_text("at,x\n" + "".join(f"{i},{i}\n" for i in range(30)))
    (tmp_path / "a2.csv").write_text("at,x\n" + "".join(f"{i},{i / 8}\n" for i in range(10)))
    (found,) = read_tables(sorted(tmp_path.iterdir()))
    assert found.frame.height == 30, "ingestion reads later files by the first one's types"
    assert found.share == 30 / 40
    assert not found.whole


def test_a_large_file_is_sampled_from_all_over(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "WHOLE", 40_000)
    monkeypatch.setattr(tables, "PIECE", 2_000)
    text = "n,name\n" + "".join(f"{i},name {i}\n" for i in range(20_000))
    (tmp_path / "t.csv").write_text(text)
    found = read_tables([tmp_path / "t.csv"])[0]
    assert 0.05 < found.share < 0.4
    assert found.frame["n"].min() == 0
    assert found.frame["n"].max() > 18_000
    assert found.frame["name"].to_list() == [f"name {n}" for n in found.frame["n"]]
    assert found.rejected.height == 0


def test_source_is_python_however_long_and_hard_its_names():
    names = [f'column "{i}" {{}}\\' for i in range(60)]
    window = code.call("ov.Window", "rows", "what", over=code.texts(["1d", "7d"]))
    views = code.listed([code.Each(window, [code.text(n) for n in names]), "other"])
    listing = code.filled(
        [*map(code.text, names), code.Item(code.text("x"), comment="why", off=True)]
    )
    for source in (code.written(views), listing, code.written(code.mapped({"k": window}))):
        ast.parse(source)
        assert max(map(len, source.splitlines())) <= code.WIDTH
    assert '    # "x",  # why' in listing


def test_a_draft_is_short_and_says_why(tmp_path):
    rng = np.random.default_rng(3)
    frame = pl.DataFrame(
        {
            "row_id": range(300),
            "empty": [None] * 300,
            "x": rng.normal(size=300),
            "z": rng.normal(size=300),
        }
    ).with_columns((pl.col("x") + pl.col("z") > 0).alias("sold"))
    draft = make_draft([table(frame)], "sold", None, [])
    source = script(draft, tmp_path)
    assert source.count("\n") < 45
    assert '# "empty",  # empty in every row' in source
    assert 'event_id="row_id"' in source
    assert "split=ov.SplitStratified(folds=5),  # the rows have no time" in source
    compile(source, "pipeline.py", "exec")


def names_of(folder: Path) -> Iterator[tuple[str, set[str]]]:
    """Give drafted sources of all kinds, and the datasets in them."""
    rng = np.random.default_rng(5)
    rows = 600
    shop = rng.integers(0, 30, rows)
    numbers = {f"x{n}": rng.normal(size=rows) for n in range(12)}
    sales = pl.DataFrame({"at": moments(rows), "shop_id": shop, **numbers})
    sales = sales.with_columns(y=pl.Series(rng.random(rows) < 0.4))
    known = {"shop_id": range(30), "size": rng.gamma(3, 2, 30), "age": rng.integers(1, 60, 30)}
    both = [replace(table(frame, name), paths=(Path(f"/data/{name}.csv"),)) for name, frame in
            (("sales", sales), ("shops", known))]  # fmt: skip
    yield script(make_draft(both, "y", None, []), folder), {"sales", "shops"}
    daily = sales.drop("at", "shop_id").with_columns(date=pl.int_range(rows) // 3)
    yield script(make_draft([table(daily, "daily")], "y", "date", []), folder), {"daily"}
    heat = pl.DataFrame({"at": moments(rows), "heat (°C)": rng.normal(size=rows), "load": shop})
    yield series_script(make_watch([table(heat, "heat")], None, []), folder), {"heat"}


def test_no_dataset_is_called_what_drafted_source_calls_something_else(tmp_path):
    used = set()
    for source, datasets in names_of(tmp_path):
        exec(source, {})
        assert datasets <= code.names_in(source)
        used |= code.names_in(source) - datasets
    assert used == tables._TAKEN - {*keyword.kwlist}
    (tmp_path / "name.csv").write_text("a,b\n1,2\n")
    assert read_tables([tmp_path / "name.csv"])[0].name == "name_rows"


def test_columns_are_compared_as_a_whole_only_where_it_matters(monkeypatch):
    def refused(*_):
        raise AssertionError("all rows were compared")

    monkeypatch.setattr(pl.DataFrame, "unique", refused)
    plain = pl.DataFrame({"x": [1.5, 2.5, 2.5], "name": ["a", "b", "b"]})
    assert _repeated_id(table(plain), ["x", "name"]) is None
    sampled = replace(table(plain.rename({"name": "row_id"})), share=0.5)
    assert _repeated_id(sampled, ["x", "row_id"]) is None


def test_computed_columns_take_no_name_of_the_source(tmp_path):
    rows = 600
    columns = {"year": [2023 + i // 300 for i in range(rows)], "month": [1] * rows}
    columns |= {
        "day": [1 + i // 24 % 12 for i in range(rows)],
        "hour": [i % 24 for i in range(rows)],
    }
    frame = pl.DataFrame(columns).with_columns(
        pl.col("hour").cast(pl.Float64).sin().alias("moment"),
        pl.lit("x").alias("series"),
        (pl.int_range(pl.len()) % 7 > 2).alias("y"),
    )
    source = script(make_draft([table(frame)], "y", None, []), tmp_path)
    assert 'event_time="moment_2"' in source
    assert '"moment",' in source or '"moment"]' in source
