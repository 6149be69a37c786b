"""What a request of the Open Inference Protocol may say, and the words for what it may not."""

import datetime
import json

import numpy as np
import polars as pl
import pytest

from octavo.errors import DataError
from octavo.server.columns import as_events, of_frame, of_lists, of_texts
from octavo.server.v2 import infer
from octavo.server.v2.datatypes import of_feature
from octavo.server.v2.messages import _MESSAGES, messages
from octavo.server.v2.tensors import columns

FEATURES = {"a": "Float64", "b": "Int32"}


def read(*inputs, **more):
    asked = infer.decode(json.dumps({"inputs": list(inputs), **more}).encode(), None)
    return asked, columns(asked.tensors, FEATURES)


def tensor(name="a", shape=(2,), datatype="FP64", data=(1.0, 2.0), **more):
    return {"name": name, "shape": shape, "datatype": datatype, "data": data, **more}


A, B = tensor(), tensor("b", (2, 1), "INT32", [[3], [4]])


def test_a_tensor_for_each_feature_in_any_order():
    _, found = read(B, A)
    assert list(found) == ["a", "b"]
    assert [each.tolist() for each in found.values()] == [[1, 2], [3, 4]]


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6], [[1, 2], [3, 4], [5, 6]]])
@pytest.mark.parametrize("datatype", ["FP64", "FP32", "INT8", "UINT64"])
def test_a_matrix_of_all_features(data, datatype):
    _, found = read(tensor("whatever", (3, 2), datatype, data))
    assert found.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_what_is_no_number_is_nan_as_python_writes_it():
    body = b'{"inputs": [{"name": "m", "shape": [2, 2], "datatype": "FP64",'
    asked = infer.decode(body + b'"data": [NaN, -Infinity, 1, null]}]}', None)
    np.testing.assert_array_equal(asked.tensors[0].values, [np.nan, -np.inf, 1, np.nan])


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([A], "input 'b': it is missing"),
        ([A, A], "input 'a': it is there twice"),
        ([A, B, tensor("c")], "input 'c': the model has no such feature"),
        ([A, tensor("b", (3,), data=[1, 2, 3])], "it has 3 rows, and 'a' has 2"),
        ([A, tensor("b", (1, 2))], "input 'b': its shape is [1, 2]"),
        ([tensor("m", (1, 3), data=[1, 2, 3])], "the model has 2 features. Send [N, 2]"),
        ([tensor(shape=(2, 1, 1)), B], "its shape is [2, 1, 1]"),
        ([tensor(shape=()), B], "its shape is []"),
        ([tensor(shape=(-1,)), B], "its shape is [-1]"),
        ([tensor(shape=(2**62, 2**62)), B], "there are 2"),
        ([tensor(shape=(3,)), B], "the shape has 3 elements, there are 2"),
        ([tensor(shape=(2, 1), data=[[1], [2, 3]]), B], "row 1 has 2 elements"),
        ([tensor(datatype="BF16"), B], "there is no datatype 'BF16'"),
        ([tensor(datatype="INT8", data=[1, 300]), B], "out of bounds"),
        ([tensor(datatype="FP32", data=[1, 1e300]), B], "overflow"),
        ([tensor(datatype="INT8", data=[1, 1.5]), B], "Expected `int`, got `float` - at `$[1]`"),
        ([tensor(data=[1, "2"]), B], "got `str` - at `$[1]`"),
        ([tensor(datatype="BYTES", data=["1", "2"]), B], "it is BYTES; the model takes FP64"),
        ([tensor(parameters={"binary_data_size": 16}), B], "and not both"),
        ([{"name": "a", "shape": [2], "datatype": "FP64"}, B], "it needs data or"),
    ],
)
def test_what_does_not_fit_is_named(inputs, words):
    with pytest.raises(DataError) as error:
        read(*inputs)
    assert words in str(error.value)


def test_texts_that_are_none():
    body = b'{"inputs":[{"name":"a","shape":[1],"datatype":"BYTES","data":["\xff"]}]}'
    with pytest.raises(DataError, match="'a', data: 'utf-8' codec"):
        infer.decode(body, None)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**400])
def test_whole_numbers_that_are_too_large(number):
    with pytest.raises(DataError, match="feature 'n'"):
        of_lists({"n": [number]}, {"n": "Int64"})


def test_numbers_are_of_their_feature():
    found = of_lists(
        {"n": [2**53 + 1], "x": [10**20], "t": [True]},
        {"n": "Int64", "x": "Float64", "t": "Boolean"},
    )
    assert [each.dtype.kind for each in found.values()] == ["i", "f", "b"]
    assert found["n"][0] == 2**53 + 1


@pytest.mark.parametrize(
    ("body", "size", "words"),
    [
        (b"{}", None, "missing required field `inputs`"),
        (b"[]", None, "Expected `object`"),
        (b"{", None, "request body"),
        (b"\xff", None, "request body"),
        (b'{"parameters":' + b'{"a":' * 100_000, None, "too deeply"),
        (b'{"inputs":[]}', 14, "14 bytes of JSON, of 13"),
        (b'{"inputs":[]}..', 13, "2 bytes are left"),
        (b'{"inputs":[{"name":"a","shape":[1],"datatype":"FP64",'
         b'"parameters":{"binary_data_size":9}}]}', None, "9 bytes are told; 0 are left"),
        (b'{"inputs":[{"name":"a","shape":[1],"datatype":"FP64",'
         b'"parameters":{"binary_data_size":true}}]}', None, "True bytes are told"),
        (b'{"inputs":[],"outputs":[{"name":"y","parameters":{"classification":2}}]}', None,
         "there is no classification here"),
    ],
)  # fmt: skip
def test_bodies_that_are_no_request(body, size, words):
    with pytest.raises(DataError) as error:
        infer.decode(body, size)
    assert words in str(error.value)


def test_every_type_of_feature_has_a_datatype():
    told = {
        "Float64": "FP64", "Float32": "FP32", "Int8": "INT8", "UInt32": "UINT32",
        "Boolean": "BOOL", "String": "BYTES", "Decimal(precision=9, scale=2)": "FP64",
        "Datetime(time_unit='us', time_zone='UTC')": "INT64", "Duration(time_unit='us')": "INT64",
        "Null": "FP64", "Enum(categories=['a'])": "BYTES",
    }  # fmt: skip
    assert {dtype: of_feature(dtype) for dtype in told} == told


def test_times_are_microseconds():
    features = {
        "at": "Datetime(time_unit='us', time_zone='UTC')",
        "for": "Duration(time_unit='us')",
    }
    inputs = [tensor("at", (2,), "INT64", [0, 86_400_000_000]), tensor("for", data=[1e6, None])]
    asked = infer.decode(json.dumps({"inputs": inputs}).encode(), None)
    found = columns(asked.tensors, features)
    assert found["at"].tolist() == [np.datetime64(d, "us") for d in ("1970-01-01", "1970-01-02")]
    assert found["for"][0] == np.timedelta64(1, "s")
    assert np.isnat(found["for"][1])
    rows = {"for": ["PT1S", None], "time": ["12:30:00", None]}
    both = features | {"time": "Time"}
    (one, clock), (same, at) = (
        each.values() for each in (of_texts(pl.DataFrame(rows), both), of_lists(rows, both))
    )
    assert one[0] == same[0] == found["for"][0]
    assert clock.tolist() == at.tolist() == [datetime.time(12, 30), None]
    frame = pl.DataFrame({"time": clock.tolist()}, {"time": pl.Time})
    assert of_frame(frame, both)["time"].tolist() == clock.tolist()
    with pytest.raises(DataError, match="feature 'for': Invalid ISO8601 duration"):
        of_texts(pl.DataFrame({"for": ["1 days 01:00:00"]}), both)
    texts = {"at": ["1970-01-01T00:00:00Z", None], "for": ["PT1S", float("nan")]}
    other = of_lists(texts, features)
    assert other["at"][0] == found["at"][0]
    assert np.isnat(other["at"][1])
    assert other["for"][0] == found["for"][0]
    assert np.isnat(other["for"][1])


def test_messages_are_those_of_tritons_client():
    """And both are in one process, which two packages of that name in one pool cannot be."""
    from tritonclient.grpc import service_pb2

    def fields(descriptor):
        return {
            each.name: (
                each.number,
                each.type,
                each.is_repeated,
                each.message_type and each.message_type.full_name,
                each.containing_oneof and each.containing_oneof.name,
            )
            for each in descriptor.fields
        }

    for name in _MESSAGES:
        outer, *inner = name.split(".")
        mine, theirs = (getattr(of, outer).DESCRIPTOR for of in (messages, service_pb2))
        for each in inner:
            mine, theirs = (of.nested_types_by_name[each] for of in (mine, theirs))
        assert fields(mine) == fields(theirs), name


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([300], pl.Int8), (["b"], pl.Enum(["a"])), ([b"1"], pl.Float64), ([1.5], pl.Int64)],
)
def test_a_value_of_a_table_that_its_column_cannot_have(values, dtype):
    with pytest.raises(DataError, match="column 'a'"):
        as_events(pl.DataFrame({"a": values}), {"a": dtype})


def test_a_day_is_its_first_moment():
    found = of_lists({"d": ["2026-01-31", None, "2026-01-31T00:00:00"]}, {"d": "Date"})["d"]
    assert found[0] == found[2] == np.datetime64("2026-01-31", "us")
    assert np.isnat(found[1])
