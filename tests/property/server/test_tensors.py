"""Tensors as bytes and as JSON, beside the encoders of Triton's own client."""

import contextlib
import gzip
import json
import zlib

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays
from tritonclient import http, utils

from octavo.errors import DataError
from octavo.server.answers import Refused
from octavo.server.bodies import unpacked
from octavo.server.v2 import binary, infer
from octavo.server.v2.datatypes import NUMPY
from octavo.server.v2.tensors import Expected, answers, columns

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SHAPES = st.tuples(st.integers(0, 6)) | st.tuples(st.integers(0, 6), st.integers(1, 4))


@st.composite
def tensors(draw):
    """Give a datatype and an array of it."""
    datatype, shape = draw(st.sampled_from(sorted(NUMPY))), draw(SHAPES)
    if datatype == "BYTES":
        count = int(np.prod(shape))
        texts = draw(st.lists(TEXTS, min_size=count, max_size=count))
        return datatype, np.array(texts, object).reshape(shape)
    return datatype, draw(arrays.arrays(NUMPY[datatype], shape))


def sent(name, datatype, values, binary_data):
    tensor = http.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values, binary_data=binary_data)
    return tensor


def same(one, other):
    np.testing.assert_array_equal(one, other)
    assert one.dtype == other.dtype


@given(tensors())
def test_bytes_are_those_of_tritons_client(tensor):
    datatype, values = tensor
    raw = binary.encode(values)
    if datatype == "BYTES":
        encoded = utils.serialize_byte_tensor(values)
        assert raw == (encoded.item() if encoded.size else b"")
    else:
        assert raw == values.tobytes()
        assert utils.np_to_triton_dtype(values.dtype) == datatype
    read = binary.decode(Expected("x", datatype, values.shape), memoryview(raw))
    same(read.values.reshape(values.shape), values)


@given(st.lists(tensors(), min_size=1, max_size=4), st.data())
def test_a_request_of_tritons_client_is_read_as_it_was_meant(given_tensors, data):
    inputs = []
    for number, (datatype, values) in enumerate(given_tensors):
        # That client writes UTF-8 in JSON, and numbers of 16 bits as any others.
        in_json = data.draw(st.booleans())
        inputs.append(sent(f"x{number}", datatype, values, not in_json))
    outputs = [http.InferRequestedOutput("y", binary_data=data.draw(st.booleans()))]
    if data.draw(st.booleans()):
        outputs = None
    body, size = http.InferenceServerClient.generate_request_body(
        inputs, outputs=outputs, request_id="4"
    )
    asked = infer.decode(body, size)
    assert asked.id == "4"
    assert asked.is_binary == (outputs is None)
    assert asked.wanted == ({} if outputs is None else {"y": outputs[0]._binary})
    for (datatype, values), read in zip(given_tensors, asked.tensors, strict=True):
        assert read.datatype == datatype
        same(read.values.reshape(values.shape), values)


@given(
    st.lists(
        st.sampled_from([n for n in NUMPY if n != "FP16"]).flatmap(
            lambda name: arrays.arrays(NUMPY[name], 3, elements=TEXTS if name == "BYTES" else None)
        ),
        min_size=1,
        max_size=4,
    ),
    st.data(),
)
def test_an_answer_is_read_by_tritons_client(outputs, data):
    named = {f"y{number}": values for number, values in enumerate(outputs)}
    wanted = {name: data.draw(st.booleans()) for name in named}
    asked = infer.Asked([], None, wanted, False)
    answer = infer.encode({"model_name": "m"}, answers(named, wanted), asked)
    headers = dict(answer.headers)
    length = headers.get(infer.HEADER_LENGTH)
    found = http.InferenceServerClient.parse_response_body(
        answer.body, header_length=length and int(length)
    )
    for name, values in named.items():
        read = found.as_numpy(name)
        if values.dtype == object:
            read = np.array([t.decode() if isinstance(t, bytes) else t for t in read], object)
        np.testing.assert_array_equal(read, values)


@given(st.binary(max_size=40), st.sampled_from(sorted(NUMPY)), SHAPES)
def test_any_bytes_are_read_or_refused(raw, datatype, shape):
    expected = Expected("x", datatype, shape)
    with contextlib.suppress(DataError):
        read = binary.decode(expected, memoryview(raw))
        assert read.values.size == expected.elements()
        assert datatype == "BOOL" or binary.encode(read.values) == raw


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=3),
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "inputs": JSONS
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "name": st.sampled_from(["a", "b"]) | JSONS,
                    "datatype": st.sampled_from([*NUMPY, "BF16"]) | JSONS,
                    "shape": st.lists(st.integers(-1, 2**70), max_size=3) | JSONS,
                    "data": JSONS,
                    "parameters": st.dictionaries(st.just("binary_data_size"), JSONS) | JSONS,
                },
            ),
            max_size=3,
        ),
        "outputs": JSONS,
        "id": JSONS,
        "parameters": JSONS,
    },
)


@given(REQUESTS | JSONS, st.binary(max_size=9), st.none() | st.integers(0, 200))
def test_any_request_is_read_or_refused(document, tail, size):
    body = json.dumps(document).encode() + tail
    with contextlib.suppress(DataError):
        asked = infer.decode(body, size)
        found = columns(asked.tensors, {"a": "Float64", "b": "String"})
        assert len({len(values) for values in found.values()}) == 1


@given(
    st.binary(max_size=200),
    st.sampled_from([(b"gzip", gzip.compress), (b"deflate", zlib.compress)]),
)
def test_packed_bodies(body, coding):
    name, pack = coding
    assert unpacked(pack(body), name, len(body)) == body
    with pytest.raises(Refused, match="larger"):
        unpacked(pack(body + b"."), name, len(body))
    with pytest.raises(Refused):
        unpacked(pack(body)[:-1], name, 1000)


def test_a_small_body_that_becomes_a_large_one_is_refused_before_it_does():
    with pytest.raises(Refused) as refused:
        unpacked(gzip.compress(bytes(50_000_000)), b"gzip", 1_000_000)
    assert refused.value.status == 413
