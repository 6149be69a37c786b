"""An inference over REST: JSON, and after it the bytes of the tensors that are not in it."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np

from octavo.errors import DataError
from octavo.server.answers import JSON, Answer, as_json
from octavo.server.bodies import loads
from octavo.server.v2 import binary, plain
from octavo.server.v2.datatypes import of_values
from octavo.server.v2.tensors import Expected, Tensor

HEADER_LENGTH = b"inference-header-content-length"
"""The header with the number of bytes that are JSON, where others follow."""

Data = TypeVar("Data")
_Parameters = dict[str, Any]


class _Input(msgspec.Struct, Generic[Data]):
    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Data | msgspec.UnsetType = msgspec.UNSET
    parameters: _Parameters = {}


class _Output(msgspec.Struct):
    name: str
    parameters: _Parameters = {}


class _Request(msgspec.Struct, Generic[Data]):
    inputs: list[_Input[Data]]
    id: str | None = None
    outputs: list[_Output] = []
    parameters: _Parameters = {}


class Asked(NamedTuple):
    """What a request asks for."""

    tensors: Sequence[Tensor]
    id: str | None
    wanted: Mapping[str, bool]
    """Outputs, and whether each is to be binary; empty: all."""
    is_binary: bool
    """Whether outputs that are not named are to be binary."""


def decode(body: bytes, json_size: int | None) -> Asked:
    """Read a request.

    Parameters
    ----------
    json_size
        Bytes of JSON; None: all.

    Raises
    ------
    DataError
        Naming the input and the reason.
    """
    size = len(body) if json_size is None else json_size
    if size > len(body):
        raise DataError(
            f"{size} bytes of JSON, of {len(body)} in all.", where=HEADER_LENGTH.decode()
        )
    view = memoryview(body)
    asked = loads(view[:size], _Request[msgspec.Raw], lenient=_Request[Any])
    rest, tensors = view[size:], []
    for each in asked.inputs:
        tensor, taken = _tensor(each, rest)
        tensors.append(tensor)
        rest = rest[taken:]
    if len(rest):
        raise DataError(
            f"{len(rest)} bytes are left after the last input.",
            where="request body",
            fix="Say binary_data_size for each input that has bytes.",
        )
    default = bool(asked.parameters.get("binary_data_output"))
    return Asked(
        tensors,
        asked.id,
        {each.name: _is_binary(each, default) for each in asked.outputs},
        default,
    )


def _tensor(given: _Input[Any], rest: memoryview) -> tuple[Tensor, int]:
    """Return a tensor, and how many bytes of the rest are its."""
    expected = Expected(given.name, given.datatype, given.shape)
    size = given.parameters.get("binary_data_size")
    if size is None and given.data is not msgspec.UNSET:
        return plain.decode(expected, given.data), 0
    if size is None or given.data is not msgspec.UNSET:
        raise DataError(
            "it needs data or parameters.binary_data_size, and not both.", where=expected.where
        )
    if type(size) is not int or not 0 <= size <= len(rest):
        raise DataError(
            f"{size!r} bytes are told; {len(rest)} are left.",
            where=f"{expected.where}, binary_data_size",
        )
    return binary.decode(expected, rest[:size]), size


def _is_binary(output: _Output, default: bool) -> bool:
    for told in ("classification", "shared_memory_region"):
        if told in output.parameters:
            raise DataError(f"there is no {told} here.", where=f"output {output.name!r}")
    return bool(output.parameters.get("binary_data", default))


def encode(
    about: Mapping[str, Any], outputs: Sequence[tuple[str, np.ndarray]], asked: Asked
) -> Answer:
    """Write an answer.

    Parameters
    ----------
    about
        What it begins with: the model's name and version.
    """
    told, tail = [], []
    for name, values in outputs:
        found: dict[str, Any] = {
            "name": name,
            "datatype": of_values(values),
            "shape": list(values.shape),
        }
        if asked.wanted.get(name, asked.is_binary):
            tail.append(binary.encode(values))
            found["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            found["data"] = values.tolist()
        told.append(found)
    document = {**about, "outputs": told}
    if asked.id is not None:
        document["id"] = asked.id
    head = as_json(document)
    if not tail:
        return Answer(head, JSON)
    length = (HEADER_LENGTH, str(len(head)).encode())
    return Answer(b"".join((head, *tail)), b"application/octet-stream", headers=(length,))
