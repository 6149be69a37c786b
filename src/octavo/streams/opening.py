"""Streams by URL, such as ``sqlite:``. The only place that knows which there are."""

from pathlib import Path

from octavo.errors import DefinitionError
from octavo.streams.contract import Stream

SCHEMES = ("memory", "sqlite")


def open_stream(url: str, folder: Path) -> Stream:
    """Open the stream that a URL names. Its topics are made by those who need them.

    Parameters
    ----------
    url
        ``sqlite:`` is the embedded durable log in ``folder``, ``sqlite:PATH`` in another folder,
        relative to it; ``memory:`` is a new one that ends with the process.
    folder
        Where the embedded log is if the URL does not say: ``streams`` in the home.

    Raises
    ------
    DefinitionError
        If there is no such kind of stream.
    """
    scheme, colon, path = url.partition(":")
    if not colon or scheme not in SCHEMES or (scheme == "memory" and path):
        known = [f"{each}:" for each in SCHEMES]
        raise DefinitionError.unknown("stream", url, known, where="stream")
    if scheme == "memory":
        from octavo.streams.memory import MemoryStream

        return MemoryStream()
    from octavo.streams.sqlite import SqliteStream

    return SqliteStream(folder / path)
