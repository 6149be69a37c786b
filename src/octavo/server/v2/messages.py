"""The protocol's gRPC messages, made from the tables below, in a descriptor pool of their own.

`tritonclient`, `kserve` and others each bring a package ``inference`` of their own into protobuf's
default pool, and a second one collides there as soon as both are imported in one process.
"""

import re
from types import SimpleNamespace
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"
METHODS = (
    "ServerLive",
    "ServerReady",
    "ModelReady",
    "ServerMetadata",
    "ModelMetadata",
    "ModelInfer",
)
"""Each takes a ``…Request`` and gives a ``…Response``."""

_MESSAGES = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "bool live = 1",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "bool ready = 1",
    "ModelReadyRequest": "string name = 1; string version = 2",
    "ModelReadyResponse": "bool ready = 1",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "string name = 1; string version = 2; repeated string extensions = 3",
    "ModelMetadataRequest": "string name = 1; string version = 2",
    "ModelMetadataResponse": "string name = 1; repeated string versions = 2; string platform = 3;"
    "repeated ModelMetadataResponse.TensorMetadata inputs = 4;"
    "repeated ModelMetadataResponse.TensorMetadata outputs = 5",
    "ModelMetadataResponse.TensorMetadata": "string name = 1; string datatype = 2;"
    "repeated int64 shape = 3",
    "ModelInferRequest": "string model_name = 1; string model_version = 2; string id = 3;"
    "map InferParameter parameters = 4;"
    "repeated ModelInferRequest.InferInputTensor inputs = 5;"
    "repeated ModelInferRequest.InferRequestedOutputTensor outputs = 6;"
    "repeated bytes raw_input_contents = 7",
    "ModelInferRequest.InferInputTensor": "string name = 1; string datatype = 2;"
    "repeated int64 shape = 3; map InferParameter parameters = 4; InferTensorContents contents = 5",
    "ModelInferRequest.InferRequestedOutputTensor": "string name = 1;"
    "map InferParameter parameters = 2",
    "ModelInferResponse": "string model_name = 1; string model_version = 2; string id = 3;"
    "map InferParameter parameters = 4;"
    "repeated ModelInferResponse.InferOutputTensor outputs = 5;"
    "repeated bytes raw_output_contents = 6",
    "ModelInferResponse.InferOutputTensor": "string name = 1; string datatype = 2;"
    "repeated int64 shape = 3; map InferParameter parameters = 4; InferTensorContents contents = 5",
    "InferParameter": "oneof bool bool_param = 1; oneof int64 int64_param = 2;"
    "oneof string string_param = 3; oneof double double_param = 4; oneof uint64 uint64_param = 5",
    "InferTensorContents": "repeated bool bool_contents = 1; repeated int32 int_contents = 2;"
    "repeated int64 int64_contents = 3; repeated uint32 uint_contents = 4;"
    "repeated uint64 uint64_contents = 5; repeated float fp32_contents = 6;"
    "repeated double fp64_contents = 7; repeated bytes bytes_contents = 8",
}
"""Message to its fields, each ``[repeated | map | oneof] type name = number``. The keys of a map
are strings, and a message has one oneof at most."""

_FIELD = re.compile(r"(?:(repeated|map|oneof) )?(\S+) (\w+) = (\d+)")


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="octavo/inference.proto", package=PACKAGE, syntax="proto3")
    made: dict[str, DescriptorProto] = {}
    for name, fields in _MESSAGES.items():
        outer, _, own = name.rpartition(".")
        made[name] = made[outer].nested_type.add() if outer else file.message_type.add()
        made[name].name = own
        for word, kind, field, number in _FIELD.findall(fields):
            _add(made[name], f".{PACKAGE}.{name}", word, kind, field, int(number))
    return file


def _add(message: DescriptorProto, path: str, word: str, kind: str, name: str, number: int) -> None:
    field = message.field.add(name=name, number=number)
    many = word in ("repeated", "map")
    field.label = getattr(FieldDescriptorProto, "LABEL_REPEATED" if many else "LABEL_OPTIONAL")
    if word == "oneof":
        if not message.oneof_decl:
            message.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    if word == "map":
        entry = message.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        _add(entry, "", "", "string", "key", 1)
        _add(entry, "", "", kind, "value", 2)
        field.type_name = f"{path}.{entry.name}"
    elif kind[0].isupper():
        field.type_name = f".{PACKAGE}.{kind}"
    else:
        field.type = getattr(FieldDescriptorProto, f"TYPE_{kind.upper()}")


def _classes() -> Any:
    pool = DescriptorPool()
    pool.Add(_file())
    find = pool.FindMessageTypeByName
    tops = [name for name in _MESSAGES if "." not in name]
    return SimpleNamespace(**{name: GetMessageClass(find(f"{PACKAGE}.{name}")) for name in tops})


messages = _classes()
"""The classes, by their names."""
