"""Bodies as clients send them: packed, large, or JSON with `NaN`, which only Python writes."""

import asyncio
import json
import zlib
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import msgspec

from octavo.errors import DataError
from octavo.server.answers import Refused

Given = ParamSpec("Given")
Result = TypeVar("Result")

LARGE = 256 * 1024
"""Bytes; a larger body is read, and its answer written, off the event loop."""
MANY = 1000
"""Rows; an answer of more is written off the event loop: as JSON it takes milliseconds."""
_FORMATS = {b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
"""Encoding to zlib's number for it; HTTP's "deflate" is zlib's own format."""


async def apart(
    is_large: bool, call: Callable[Given, Result], *given: Given.args, **more: Given.kwargs
) -> Result:
    """Return what a call gives: made here, or off the event loop if it is large."""
    if is_large:
        return await asyncio.to_thread(call, *given, **more)
    return call(*given, **more)


def unpacked(body: bytes, encoding: bytes | None, largest: int) -> bytes:
    """Return a body as it was before its Content-Encoding.

    Raises
    ------
    Refused
        If it is packed otherwise, broken, or larger than that many bytes when it is unpacked.
    """
    coding = (encoding or b"identity").strip().lower()
    if coding == b"identity":
        return body
    if coding not in _FORMATS:
        raise Refused(415, f"Content-Encoding: {coding.decode('latin-1')}; send gzip or deflate")
    try:
        unpacking = zlib.decompressobj(_FORMATS[coding])
        found = unpacking.decompress(body, largest + 1)
    except zlib.error as error:
        raise Refused(400, f"the body is no {coding.decode()} ({error})") from error
    if len(found) > largest:
        raise Refused(413, f"the body is larger than {largest} bytes when it is unpacked")
    if not unpacking.eof or unpacking.unused_data:
        raise Refused(400, f"the body is no whole {coding.decode()}")
    return found


def loads(body: bytes | memoryview, kind: Any, *, lenient: Any = None) -> Any:
    """Read JSON of a type.

    Parameters
    ----------
    kind
        As msgspec takes it.
    lenient
        What is read where `NaN` or `Infinity` is in it, if that is not ``kind``: it must hold no
        ``msgspec.Raw``.

    Raises
    ------
    DataError
        Naming field and reason.
    """
    try:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            return msgspec.convert(json.loads(bytes(body)), lenient or kind)
    except RecursionError as error:
        raise DataError("it is nested too deeply.", where="request body") from error
    except (ValueError, msgspec.DecodeError) as error:  # no UTF-8 is a ValueError
        raise DataError(f"{error}.".replace("..", "."), where="request body") from error
