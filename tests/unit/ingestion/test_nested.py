"""Objects and lists in JSON, Parquet and Delta: columns by paths, rows by lists."""

import json

import polars as pl
import pytest
from deltalake import write_deltalake
from reading import read

from octavo.definition import Nested
from octavo.errors import DataError, DefinitionError
from octavo.stages.ingestion import nesting

ORDERS = [
    {"id": 1, "customer": {"name": "Ada", "address": {"city": "Rome", "zip": "00100"}},
     "items": [{"sku": "a", "n": 2}, {"sku": "b"}], "tags": ["x", "y"]},
    {"id": 2, "customer": None, "items": [], "tags": []},
    {"id": 3, "customer": {"name": "Bo", "address": None}, "items": None},
    {"id": 4, "customer": {"name": "Cy", "address": {"city": "Oslo", "zip": "0150"}},
     "items": [{"sku": "c", "n": 1, "paid": {"by": "card"}}], "tags": ["z"]},
]  # fmt: skip


def given(path, records):
    """Write records as what the path is named."""
    if path.suffix == ".parquet":
        pl.DataFrame(records, infer_schema_length=None).write_parquet(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps({"orders": records}, indent=1))
    else:
        path.write_text("".join(json.dumps(each) + "\n" for each in records))
    return path


KINDS = ["t.ndjson", "t.json", "t.parquet"]


@pytest.mark.parametrize("name", KINDS)
def test_objects_are_columns_by_their_paths_and_lists_are_text_with_a_length(tmp_path, name):
    parsed = read(given(tmp_path / name, ORDERS))
    assert set(parsed.schema) == {
        *("id", "customer.name", "customer.address.city", "customer.address.zip"),
        *("items", "items.length", "tags", "tags.length"),
    }
    frame = parsed.frame
    assert frame["customer.address.city"].to_list() == ["Rome", None, None, "Oslo"]
    assert frame["customer.address.zip"].to_list() == ["00100", None, None, "0150"]
    assert frame["items.length"].to_list() == [2, 0, None, 1]
    assert json.loads(frame["tags"][0]) == ["x", "y"]
    assert [None if t is None else [e["sku"] for e in json.loads(t)] for t in frame["items"]] == [
        ["a", "b"], [], None, ["c"],
    ]  # fmt: skip
    assert parsed.records == 4


@pytest.mark.parametrize("name", KINDS)
def test_a_list_whose_elements_are_rows(tmp_path, name):
    parsed = read(given(tmp_path / name, ORDERS), nested=Nested(rows="items"))
    found = parsed.frame.select("id", "items.sku", "items.n", "items.paid.by", "_row").rows()
    assert found == [
        (1, "a", 2, None, 0), (1, "b", None, None, 1), (2, None, None, None, 2),
        (3, None, None, None, 3), (4, "c", 1, "card", 4),
    ]  # fmt: skip
    assert "items" not in parsed.schema
    assert parsed.records == 5


@pytest.mark.parametrize("name", KINDS)
def test_a_list_of_plain_values_as_rows(tmp_path, name):
    records = [{"id": 1, "a": {"tags": ["x", "y"]}}, {"id": 2, "a": {"tags": None}}]
    parsed = read(given(tmp_path / name, records), nested=Nested(rows="a.tags"))
    assert parsed.frame.select("id", "a.tags").rows() == [(1, "x"), (1, "y"), (2, None)]


@pytest.mark.parametrize("name", KINDS)
def test_columns_may_be_chosen_renamed_and_kept_whole(tmp_path, name):
    nested = Nested(
        names={"customer.address.city": "city", "id": "order"}, whole=["customer.address"]
    )
    parsed = read(given(tmp_path / name, ORDERS), nested=nested)
    assert json.loads(parsed.frame["customer.address"][0]) == {"city": "Rome", "zip": "00100"}
    nested = Nested(names={"customer.address.city": "city"}, separator=".")
    parsed = read(given(tmp_path / name, ORDERS), nested=nested, columns=["city", "id"])
    assert parsed.frame.drop("_row").rows() == [("Rome", 1), (None, 2), (None, 3), ("Oslo", 4)]
    parsed = read(given(tmp_path / name, ORDERS), nested=Nested(separator="/"))
    assert "customer/address/city" in parsed.schema


def test_two_values_for_one_column_are_kept_aside_and_never_one_of_them(tmp_path):
    records = [{"a": {"b": 1}}, {"a.b": 2, "a": {"b": 1}}, {"a.b": 3}]
    path = given(tmp_path / "t.ndjson", records)
    parsed = read(path)
    assert parsed.frame.rows() == [(1, 0), (3, 2)]
    ((row, text, rule, reason),) = parsed.rejected.select("_row", "text", "rule", "reason").rows()
    assert (row, rule, json.loads(text)) == (1, "json", records[1])
    assert "two values for the column 'a.b'" in reason
    parsed = read(path, nested=Nested(separator="/"))
    assert parsed.frame.select("a/b", "a.b").rows() == [(1, None), (1, 2), (None, 3)]
    table = given(tmp_path / "t.parquet", [{"a.b": 2, "a": {"b": 1}}])
    with pytest.raises(DataError, match=r"two values for the column 'a.b'.*separator"):
        read(table)
    with pytest.raises(DataError, match="two values for the column 'a'"):
        read(table, nested=Nested(names={"a.b": "a"}, separator="/", whole=["a"]))


def test_bad_records_are_kept_among_rows_of_lists(tmp_path):
    path = tmp_path / "t.ndjson"
    path.write_text('{"a": [1, 2]}\n{"a": [\n{"a": [3, "x"]}\n')
    parsed = read(path, nested=Nested(rows="a"), overrides={"a": pl.Int64})
    assert parsed.frame.rows() == [(1, 0), (2, 1), (3, 3)]
    assert parsed.rejected.select("_row", "text", "rule").rows() == [
        (2, '{"a": [', "json"), (4, '{"a": [3, "x"]}', "type"),
    ]  # fmt: skip
    assert parsed.text(1) == '{"a": [1, 2]}'


def test_an_object_that_is_null_or_a_value_in_some_records(tmp_path):
    parsed = read(given(tmp_path / "t.ndjson", [{"a": None}, {"a": {"b": 1}}, {"a": {}}]))
    assert parsed.schema == {"a.b": pl.Int64}
    parsed = read(given(tmp_path / "t.ndjson", [{"a": 7}, {"a": {"b": 1}}, {"a": None}]))
    assert parsed.frame.drop("_row").rows() == [(7, None), (None, 1), (None, None)]


def test_later_files_need_not_have_all_that_the_first_had(tmp_path):
    schema = read(given(tmp_path / "t.ndjson", ORDERS)).schema
    later = read(given(tmp_path / "u.ndjson", [{"id": 9, "customer": None}]), schema=schema)
    assert later.schema == schema
    assert later.frame["customer.name"].to_list() == [None]
    flat = {"id": pl.Int64, "tags": pl.String}
    later = read(given(tmp_path / "v.ndjson", [{"id": 9, "tags": [1]}]), schema=flat)
    assert later.frame.drop("_row").rows() == [(9, "[1]", 1)]
    later = read(given(tmp_path / "w.ndjson", [{"id": 9, "customer": {"age": 1}}]), schema=schema)
    assert later.schema == {**schema, "customer.age": pl.Int64}


def test_keys_that_are_data_are_said_and_stay_text(tmp_path, monkeypatch):
    monkeypatch.setattr(nesting, "MOST_KEYS", 50)
    records = [{"id": i, "prices": {f"day {i}": 1.5}} for i in range(60)]
    path = given(tmp_path / "t.ndjson", records)
    with pytest.raises(DataError, match=r"'prices' have more than 50.*whole=\['prices'\]"):
        read(path)
    parsed = read(path, nested=Nested(whole=["prices"]))
    assert json.loads(parsed.frame["prices"][7]) == {"day 7": 1.5}


@pytest.mark.parametrize("name", KINDS)
def test_a_path_without_a_list_is_named(tmp_path, name):
    with pytest.raises(DefinitionError, match=r"no list.*'item'.*'items'"):
        read(given(tmp_path / name, ORDERS), nested=Nested(rows="item"))


def test_very_deep_objects_stay_text(tmp_path):
    deep = 1
    for _ in range(60):
        deep = {"a": deep}
    parsed = read(given(tmp_path / "t.ndjson", [deep]))
    (path,) = parsed.schema
    assert path.count("a") == nesting.DEEPEST + 1
    assert parsed.frame[path][0].count("{") == 60 - nesting.DEEPEST - 1


def test_a_delta_folder_with_structs(tmp_path):
    write_deltalake(tmp_path / "d", pl.DataFrame({"a": [{"b": [1, 2]}, {"b": None}]}))
    parsed = read(tmp_path / "d")
    assert parsed.frame.sort("_row").select("a.b", "a.b.length").rows() == [
        ("[1,2]", 2),
        (None,) * 2,
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"names": {"a": "x", "b": "x"}}, "declared twice"),
        ({"separator": ""}, "separates nothing"),
        ({"rows": 1}, "not of the kind"),
        ({"whole": [1]}, "names no columns"),
    ],
)
def test_what_cannot_be_declared(options, said):
    with pytest.raises(DefinitionError, match=said):
        Nested(**options)


def test_a_record_that_is_nested_too_deeply_is_kept_aside(tmp_path):
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    parsed = read(tmp_path / "t.ndjson", f'{{"id": 1}}\n{deep}\n{{"id": 2}}\n')
    assert parsed.frame["id"].to_list() == [1, 2]
    assert parsed.rejected["rule"].to_list() == ["json"]
    assert parsed.rejected["text"].to_list() == [deep]


def test_a_key_called_as_octavos_own_is_said(tmp_path):
    text = '{"id": 1, "_row": "x"}\n'
    with pytest.raises(DataError, match="keeps the column names _row for itself"):
        read(tmp_path / "t.ndjson", text)
    parsed = read(tmp_path / "u.ndjson", text, columns=["id"])
    assert parsed.frame.rows() == [(1, 0)]


@pytest.mark.parametrize(
    "values", [[[b"x"]], [{"a": [b"x"]}], [{"a": b"x"}]], ids=["list", "deep", "struct"]
)
def test_bytes_in_lists_are_refused_in_words(tmp_path, values):
    pl.DataFrame({"v": values}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"cannot hold these columns: 'v(.a)?' is"):
        read(tmp_path / "t.parquet", nested=Nested(whole=["v"]))


def test_rows_of_an_array_of_fixed_size(tmp_path):
    frame = pl.DataFrame(
        {"id": [1], "v": [[1, 2]]}, schema={"id": pl.Int64, "v": pl.Array(pl.Int64, 2)}
    )
    frame.write_parquet(tmp_path / "t.parquet")
    parsed = read(tmp_path / "t.parquet", nested=Nested(rows="v"))
    assert parsed.frame.select("id", "v").rows() == [(1, 1), (1, 2)]
