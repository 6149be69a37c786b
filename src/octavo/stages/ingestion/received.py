"""Blocks of rows as they were received: counted where they come in, taken apart where ingested.

A row has one place in the stream, its offset. So both ends must find the same rows in a block, and
this is the only code that tells where one ends; what is in it is read later, and may be anything.
It knows nothing of wires, streams or types.
"""

import io
from collections.abc import Callable

import msgspec
import polars as pl
from polars.exceptions import PanicException, PolarsError

from octavo.errors import DataError
from octavo.stages.ingestion import arrow_heads

JSON, NDJSON, ARROW = "json", "ndjson", "arrow"

_MARK = b"\xef\xbb\xbf"  # a byte order mark of UTF-8
_array: Callable[[bytes], list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw]).decode


def rows_in(form: str, data: bytes) -> pl.DataFrame | list[bytes]:
    """Return the rows of a block, as `table` or `texts` does.

    Raises
    ------
    DataError
        If it cannot be told where its rows begin and end: an array or Arrow stream that is broken.
    """
    return table(data) if form == ARROW else texts(form, data)


def texts(form: str, data: bytes) -> list[bytes]:
    """Return the rows of a block of JSON, each as it is written: an object, if it is in order.

    Of ``ndjson`` every line that is not empty; of ``json`` the elements of an array, or else the
    whole as one row.

    Raises
    ------
    DataError
        If it is an array that is broken.
    """
    data = data.removeprefix(_MARK)
    if form == NDJSON:
        lines = (line.removesuffix(b"\r") for line in data.split(b"\n"))
        return [line for line in lines if line]
    text = data.strip(b" \t\r\n")
    if not text.startswith(b"["):
        return [text] if text else []
    try:
        return [bytes(element) for element in _array(text)]
    except (msgspec.MsgspecError, RecursionError) as error:
        raise DataError(
            f"the array is no JSON: {error}.",
            fix="Correct it; of lines, as application/x-ndjson, the good ones are taken.",
        ) from error


def table(data: bytes) -> pl.DataFrame:
    """Return the rows of an Arrow IPC stream.

    Raises
    ------
    DataError
        If it is none.
    """
    try:
        arrow_heads.check(data)
        return pl.read_ipc_stream(io.BytesIO(data))
    except (PolarsError, PanicException, OSError, ValueError) as error:
        raise DataError(
            f"it is no Arrow IPC stream: {str(error).splitlines()[0]}.",
            fix="Send it in the streaming format, with all its buffers.",
        ) from error
