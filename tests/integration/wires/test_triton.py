"""Triton's clients, unchanged: HTTP with and without binary data, gRPC, each of them async too."""

import asyncio
import gzip
import time

import grpc
import httpx
import numpy as np
import polars as pl
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from octavo.server import App
from octavo.server.metrics import FOLD
from octavo.server.v2.messages import SERVICE, messages
from octavo.services.inferences import answered, context

from .wired import BUNDLES, WIDTH, models_of, running, serving

ROWS = pl.DataFrame(
    {
        "delay": [1.0, np.nan, 30.0],
        "stops": [0, 1, 5],
        "late": [True, False, True],
        "carrier": ["B", "é", "unknown"],
    }
)
MATRIX = np.random.default_rng(1).normal(size=(40, WIDTH))
MATRIX[::7, 0] = np.nan
EXPECTED = BUNDLES["numbers"].predict(pl.DataFrame(MATRIX, [f"x{n}" for n in range(WIDTH)]))


@pytest.fixture(scope="module")
def ports():
    with serving(grpc=True) as found:
        yield found


@pytest.fixture(scope="module")
def http(ports):
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{ports.http}") as client:
        yield client


@pytest.fixture(scope="module")
def rpc(ports):
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{ports.grpc}") as client:
        yield client


def each_feature(of, **options):
    """Return a tensor for each column of `ROWS`."""
    found = []
    for name in ROWS.columns:
        values = ROWS[name].to_numpy()
        tensor = of.InferInput(name, [3], np_to_triton_dtype(values.dtype))
        found.append(tensor.set_data_from_numpy(values, **options))
    return found


def matrix(of, values=MATRIX, **options):
    tensor = of.InferInput("features", list(values.shape), np_to_triton_dtype(values.dtype))
    return [tensor.set_data_from_numpy(values, **options)]


def columns_of(values):
    """Return the same matrix as a tensor for each feature of `numbers`."""
    tensors = [tritonclient.http.InferInput(f"x{n}", [len(values)], "FP64") for n in range(WIDTH)]
    for tensor, column in zip(tensors, values.T, strict=True):
        tensor.set_data_from_numpy(np.ascontiguousarray(column))
    return tensors


def check_mixed(found):
    expected = BUNDLES["mixed"].predict(ROWS.with_columns(pl.col("delay").fill_nan(None)))
    np.testing.assert_array_equal(found.as_numpy("missed"), expected)
    np.testing.assert_array_equal(found.as_numpy("missed_yes"), expected >= 0.6)


@pytest.mark.parametrize("binary", [True, False])
def test_http(http, binary):
    names = [] if binary else ["missed", "missed_yes"]
    outputs = [tritonclient.http.InferRequestedOutput(n, binary_data=False) for n in names]
    inputs = each_feature(tritonclient.http, binary_data=binary)
    found = http.infer("mixed", inputs, outputs=outputs or None, request_id="x/1")
    check_mixed(found)
    assert found.get_response()["id"] == "x/1"
    assert found.get_response()["model_version"] == "7"


@pytest.mark.parametrize("packing", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_a_matrix_over_http(http, binary, packing):
    inputs = matrix(tritonclient.http, binary_data=binary)
    found = http.infer("numbers", inputs, model_version="7", request_compression_algorithm=packing)
    np.testing.assert_array_equal(found.as_numpy("amount"), EXPECTED)


def test_numbers_of_other_widths(http, rpc):
    for dtype in (np.float32, np.int64, np.int8, np.uint16):
        values = (MATRIX * 3).astype(dtype) if dtype == np.float32 else np.ones((2, WIDTH), dtype)
        frame = pl.DataFrame(values.astype(np.float64), [f"x{n}" for n in range(WIDTH)])
        expected = BUNDLES["numbers"].predict(frame)
        for client, of in ((http, tritonclient.http), (rpc, tritonclient.grpc)):
            found = client.infer("numbers", matrix(of, values)).as_numpy("amount")
            np.testing.assert_array_equal(found, expected)


def test_several_classes_are_an_output_each(http, rpc):
    values = np.array([[1.0, 2.0], [3.0, 0.0]])
    expected = BUNDLES["classes"].predict(pl.DataFrame(values, ["a", "b"]))
    for client, of in ((http, tritonclient.http), (rpc, tritonclient.grpc)):
        found = client.infer("classes", matrix(of, values))
        for at, name in enumerate(("low", "middle", "high")):
            np.testing.assert_array_equal(found.as_numpy(f"level={name}"), expected[:, at])
        one = client.infer(
            "classes", matrix(of, values), outputs=[of.InferRequestedOutput("level=high")]
        )
        assert one.as_numpy("level=low") is None
        np.testing.assert_array_equal(one.as_numpy("level=high"), expected[:, 2])


def test_async_http(ports):
    async def ask():
        address = f"127.0.0.1:{ports.http}"
        async with tritonclient.http.aio.InferenceServerClient(address) as client:
            assert await client.is_model_ready("mixed")
            for binary in (True, False):
                inputs = each_feature(tritonclient.http, binary_data=binary)
                check_mixed(await client.infer("mixed", inputs))
            inputs = matrix(tritonclient.http)
            many = await asyncio.gather(*(client.infer("numbers", inputs) for _ in range(20)))
            for found in many:
                np.testing.assert_array_equal(found.as_numpy("amount"), EXPECTED)

    asyncio.run(ask())


def test_async_infer_of_the_plain_http_client(ports):
    address = f"127.0.0.1:{ports.http}"
    with tritonclient.http.InferenceServerClient(address, concurrency=4) as client:
        asked = [client.async_infer("numbers", matrix(tritonclient.http)) for _ in range(8)]
        for each in asked:
            np.testing.assert_array_equal(each.get_result().as_numpy("amount"), EXPECTED)


def test_grpc(rpc):
    found = rpc.infer("mixed", each_feature(tritonclient.grpc), request_id="9")
    check_mixed(found)
    assert found.get_response().id == "9"
    assert found.get_response().raw_output_contents
    found = rpc.infer("numbers", matrix(tritonclient.grpc), model_version="7")
    np.testing.assert_array_equal(found.as_numpy("amount"), EXPECTED)


def test_async_grpc(ports):
    async def ask():
        address = f"127.0.0.1:{ports.grpc}"
        async with tritonclient.grpc.aio.InferenceServerClient(address) as client:
            assert await client.is_server_ready()
            inputs = matrix(tritonclient.grpc)
            many = await asyncio.gather(*(client.infer("numbers", inputs) for _ in range(20)))
            for found in many:
                np.testing.assert_array_equal(found.as_numpy("amount"), EXPECTED)

    asyncio.run(ask())


def test_grpc_takes_lists_of_values_too(ports):
    lists = {"delay": "fp64", "stops": "int64", "late": "bool", "carrier": "bytes"}
    datatypes = {"fp64": "FP64", "int64": "INT64", "bool": "BOOL", "bytes": "BYTES"}
    request = messages.ModelInferRequest(model_name="mixed")
    for name, kind in lists.items():
        values = [v.encode() if kind == "bytes" else v for v in ROWS[name].to_list()]
        told = {"name": name, "datatype": datatypes[kind], "shape": [3]}
        request.inputs.add(**told, contents={f"{kind}_contents": values})
    with grpc.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=messages.ModelInferRequest.SerializeToString,
            response_deserializer=messages.ModelInferResponse.FromString,
        )
        check_mixed(tritonclient.grpc.InferResult(call(request)))
        request.inputs[3].contents.bytes_contents[1] = b"\xff"
        with pytest.raises(grpc.RpcError) as error:
            call(request)
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        del request.inputs[3].contents.bytes_contents[1]
        with pytest.raises(grpc.RpcError, match="has 3 elements; there are 2"):
            call(request)


def test_metadata_are_the_same_on_both_wires(http, rpc):
    over_http, over_grpc = http.get_model_metadata("mixed"), rpc.get_model_metadata("mixed")
    assert over_http == rpc.get_model_metadata("mixed", as_json=True) | {
        "inputs": [
            {"name": each.name, "datatype": each.datatype, "shape": [*each.shape]}
            for each in over_grpc.inputs
        ],
        "outputs": [
            {"name": each.name, "datatype": each.datatype, "shape": [*each.shape]}
            for each in over_grpc.outputs
        ],
    }
    assert [(t["name"], t["datatype"]) for t in over_http["inputs"]] == [
        ("delay", "FP64"), ("stops", "INT64"), ("late", "BOOL"), ("carrier", "BYTES"),
    ]  # fmt: skip
    assert over_http == http.get_model_metadata("mixed", model_version="7")
    assert http.get_server_metadata() == rpc.get_server_metadata(as_json=True)
    assert "binary_tensor_data" in http.get_server_metadata()["extensions"]


def test_what_is_there_and_what_is_not(http, rpc):
    assert http.is_server_live()
    assert rpc.is_server_live()
    for client in (http, rpc):
        assert client.is_server_ready()
        assert client.is_model_ready("mixed")
        assert client.is_model_ready("mixed", model_version="7")
    assert not http.is_model_ready("mxied")
    assert not http.is_model_ready("mixed", model_version="8")
    for client, of, status in (
        (http, tritonclient.http, "404"),
        (rpc, tritonclient.grpc, "StatusCode.NOT_FOUND"),
    ):
        with pytest.raises(InferenceServerException, match="Did you mean 'mixed'") as error:
            client.infer("mxied", each_feature(of))
        assert error.value.status() == status


def test_a_request_that_does_not_fit(http, rpc):
    for client, of, status in (
        (http, tritonclient.http, "400"),
        (rpc, tritonclient.grpc, "StatusCode.INVALID_ARGUMENT"),
    ):
        with pytest.raises(InferenceServerException, match="'carrier': it is missing") as error:
            client.infer("mixed", each_feature(of)[:3])
        assert error.value.status() == status
        with pytest.raises(InferenceServerException, match="output 'y': the model has no such"):
            client.infer("mixed", each_feature(of), outputs=[of.InferRequestedOutput("y")])


def test_messages_up_to_the_bound(rpc):
    many = np.tile(MATRIX, (2000, 1))  # 8 MB: twice what gRPC takes by itself
    found = rpc.infer("numbers", matrix(tritonclient.grpc, many)).as_numpy("amount")
    np.testing.assert_array_equal(found, np.tile(EXPECTED, 2000))
    with pytest.raises(InferenceServerException) as error:
        rpc.infer("numbers", matrix(tritonclient.grpc, np.tile(many, (9, 1))))
    assert error.value.status() == "StatusCode.RESOURCE_EXHAUSTED"


def test_binary_tensors_may_take_more_than_json(http):
    many = np.tile(MATRIX, (8000, 1))  # 33 MB: twice the body of JSON that is taken
    for tensors in (matrix(tritonclient.http, many), columns_of(many)):
        found = http.infer("numbers", tensors).as_numpy("amount")
        np.testing.assert_array_equal(found, np.tile(EXPECTED, 8000))
    with pytest.raises(InferenceServerException, match="the body is larger than 16777216 bytes"):
        http.infer("numbers", matrix(tritonclient.http, many[:90_000], binary_data=False))


def test_a_pipeline_without_a_deployment_is_not_ready():
    with serving({"later": None}, grpc=True) as found:
        http = tritonclient.http.InferenceServerClient(f"127.0.0.1:{found.http}")
        rpc = tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{found.grpc}")
        with http, rpc:
            for client in (http, rpc):
                assert client.is_server_live()
                assert not client.is_server_ready()
                assert not client.is_model_ready("later")
            with pytest.raises(InferenceServerException, match="503"):
                http.get_model_metadata("later")
            with pytest.raises(InferenceServerException, match="UNAVAILABLE"):
                rpc.get_model_metadata("later")


def test_all_that_is_answered_is_logged():
    models = models_of(BUNDLES)
    with running(App(models, []), grpc=True) as found:
        http = tritonclient.http.InferenceServerClient(f"127.0.0.1:{found.http}")
        rpc = tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{found.grpc}")
        with http, rpc:
            http.infer("numbers", matrix(tritonclient.http))
            http.infer("numbers", columns_of(MATRIX))
            rpc.infer("numbers", matrix(tritonclient.grpc))
            nothing = np.empty((0, WIDTH))
            for client, of in ((http, tritonclient.http), (rpc, tritonclient.grpc)):
                found = client.infer("numbers", matrix(of, nothing)).as_numpy("amount")
                assert found.shape == (0,)
    kept = models.live("numbers")._log.added
    assert len(kept) == 3
    for each in kept:
        np.testing.assert_array_equal(answered(each, context(each)).features, MATRIX)


def test_bodies_that_lie_about_their_json(ports):
    for told in (b"abc", b"-1", b"9999", b"0", b"9" * 5000):
        answer = httpx.post(
            f"http://127.0.0.1:{ports.http}/v2/models/numbers/infer",
            content=b"{}",
            headers={b"inference-header-content-length": told},
        )
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]


def test_a_body_whose_packed_texts_are_none(ports):
    """What a feature of numbers has instead cannot even be written."""
    body = b'{"inputs": [{"name": "x0", "shape": [1], "datatype": "INT64", "data": ["\\ud800"]}]}'
    answer = httpx.post(
        f"http://127.0.0.1:{ports.http}/v2/models/numbers/infer",
        content=gzip.compress(body),
        headers={"content-encoding": "gzip"},
    )
    assert (answer.status_code, "input 'x0', data" in answer.text) == (400, True), answer.text


@pytest.mark.parametrize("given", [(), (("x-request-id", "mine"),)])
def test_a_call_has_an_id_that_comes_back_and_finds_a_fault_in_the_log(given, caplog):
    app = App(models_of(BUNDLES), [])
    with running(app, grpc=True) as found, grpc.insecure_channel(f"127.0.0.1:{found.grpc}") as to:
        infer = to.unary_unary(f"/{SERVICE}/ModelInfer")
        inputs = [{"name": "features", "datatype": "FP64", "shape": MATRIX.shape}]
        request = messages.ModelInferRequest(
            model_name="numbers", inputs=inputs, raw_input_contents=[MATRIX.tobytes()]
        ).SerializeToString()
        _, call = infer.with_call(request, metadata=given)
        assert tuple(call.trailing_metadata()) == given
        app.models.live("numbers").bundle = None
        with pytest.raises(grpc.RpcError) as error:
            infer(request, metadata=given)
    assert error.value.code() is grpc.StatusCode.INTERNAL
    assert tuple(error.value.trailing_metadata()) == given
    (record,) = [each for each in caplog.records if each.exc_info]
    told = record.getMessage().rpartition(" ")[2]
    assert error.value.details().endswith(f"request {told}")
    assert told == "mine" if given else len(told) == 32


def test_calls_are_admitted_by_their_size_and_number():
    """By what came, whatever a client says of it; and what fails is not counted as answered."""
    seen = []
    app = App(models_of(BUNDLES), [])
    with (
        running(app, grpc=True, admit=seen.append, in_flight=1) as found,
        tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{found.grpc}") as client,
    ):
        inputs = matrix(tritonclient.grpc)
        client.infer("numbers", inputs, headers={"content-length": "nonsense"})
        lengths = [value for key, value in seen[-1]["headers"] if key == b"content-length"]
        assert MATRIX.nbytes < int(lengths[-1]) < MATRIX.nbytes + 200
        assert seen[-1]["path"] == "/v2/models/NAME/infer"
        app.models.live("numbers").bundle = None
        with pytest.raises(InferenceServerException) as error:
            client.infer("numbers", inputs)
        assert error.value.status() == "StatusCode.INTERNAL"
        time.sleep(1.1 * FOLD)
        assert 'ModelInfer",status="INTERNAL"} 1.0' in app.metrics.text().decode()

        async def together():
            address = f"127.0.0.1:{found.grpc}"
            async with tritonclient.grpc.aio.InferenceServerClient(address) as many:
                asked = (many.infer("classes", matrix(tritonclient.grpc, wide)) for _ in range(8))
                return await asyncio.gather(*asked, return_exceptions=True)

        wide = np.ones((200_000, 2))
        refused = [each for each in asyncio.run(together()) if isinstance(each, Exception)]
        assert refused
        assert {each.status() for each in refused} == {"StatusCode.RESOURCE_EXHAUSTED"}
