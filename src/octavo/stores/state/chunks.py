"""How the observations of an entity are written: sealed chunks and one head, each under its key.

An entity's observations in one lane, in rank order (event time, then order of arrival), are cut
into *sealed chunks* and a *head* with the newest. An event in order rewrites the head only, a late
one the head or the one chunk it falls into.

A key is, big-endian, so that keys sort as what they name: lane (uint16) · entity (uint64) · time
of the chunk's last observation (int64, biased to uint64) · ordinal (uint32), which tells chunks
that end at the same time apart. In the key of a head the last two are all ones: it comes last.

A value is, little-endian: xxh3-64 of all that follows (uint64) · format version (uint16) · zero
(uint16) · number of observations (uint32) · *newest* (int64) · observations, as pairs of event
time (int64, microseconds) and value (float64). In a head, *newest* says that no sealed chunk of the
entity ends later; in a sealed chunk it is `NEVER`. Times and values are not kept apart, so that
appending is concatenation, and so is reading many chunks.

This module knows nothing of where keys and values are kept.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import xxhash

FORMAT = 3
"""Version of the values, and of everything else in a state's environment."""

CHUNK = 253
"""Observations of a sealed chunk: with its header, 4072 bytes, it fills one page of LMDB."""

NEVER = -(2**63)
"""Before every event time."""

PAIR = np.dtype([("time", "<i8"), ("value", "<f8")])
"""One observation."""

KEY = struct.Struct(">HQQI")
KEYS = np.dtype([("lane", ">u2"), ("entity", ">u8"), ("time", ">u8"), ("ordinal", ">u4")])
HEADER = struct.Struct("<HHIq")  # what follows the checksum
START = 8 + HEADER.size
"""Where the observations begin in a value."""

_BIAS = 2**63
_LAST = 2**64 - 1
_ORDINALS = 2**32 - 1
_PORTION = 8192  # chunks written together: a few megabytes


class Damaged(Exception):
    """A value is not as it was written; the store that holds it says where."""


def head_key(lane: int, entity: int) -> bytes:
    """Return the key of an entity's head."""
    return KEY.pack(lane, entity, _LAST, _ORDINALS)


def chunk_key(lane: int, entity: int, last: int, ordinal: int = 0) -> bytes:
    """Return the key of the ``ordinal``-th sealed chunk that ends at an event time."""
    return KEY.pack(lane, entity, last + _BIAS, ordinal)


def first_key(lane: int, entity: int = 0) -> bytes:
    """Return the least key of an entity, or of a lane."""
    return KEY.pack(lane, entity, 0, 0)


def entity_of(key: bytes) -> int:
    """Return the entity in a key."""
    return int.from_bytes(key[2:10], "big")


def last_of(key: bytes) -> int:
    """Return the time at which the sealed chunk of a key ends."""
    return int.from_bytes(key[10:18], "big") - _BIAS


def ordinal_of(key: bytes) -> int:
    """Return the ordinal in a key."""
    return int.from_bytes(key[18:], "big")


def head_keys(lane: int, entities: np.ndarray) -> list[bytes]:
    """Return the keys of the heads of entities, uint64."""
    keys = np.empty(entities.size, KEYS)
    keys["lane"], keys["entity"] = lane, entities
    keys["time"], keys["ordinal"] = _LAST, _ORDINALS
    raw = keys.tobytes()
    return [raw[start : start + KEY.size] for start in range(0, len(raw), KEY.size)]


def written(observations: Iterable[bytes | memoryview], count: int, newest: int = NEVER) -> bytes:
    """Return a value: ``count`` observations, given as pieces of bytes."""
    body = b"".join((HEADER.pack(FORMAT, 0, count, newest), *observations))
    return checked(body)


def read(value: bytes | memoryview, each: np.dtype = PAIR) -> tuple[memoryview, int]:
    """Return the observations of a value, as bytes, and its *newest*; ``each`` is one of them.

    Raises
    ------
    Damaged
        The value is not as it was written, or of another format version.
    """
    observations, count, newest = opened(value, "chunk")
    if len(observations) != count * each.itemsize:
        raise Damaged("a chunk has another length than it says")
    return observations, newest


def count_of(value: bytes) -> int:
    """Return how many observations a value has, by its length."""
    return (len(value) - START) // PAIR.itemsize


def newest_of(value: bytes) -> int:
    """Return the *newest* of a value, unchecked."""
    return int(HEADER.unpack_from(value, 8)[3])


def checked(body: bytes) -> bytes:
    """Return bytes with their checksum before them."""
    return xxhash.xxh3_64_intdigest(body).to_bytes(8, "little") + body


def verified(value: bytes | memoryview) -> memoryview:
    """Return the bytes after a checksum, or raise `Damaged` if it is not theirs."""
    body = memoryview(value)[8:]
    if xxhash.xxh3_64_intdigest(body) != int.from_bytes(value[:8], "little"):
        raise Damaged("a checksum does not match")
    return body


def opened(value: bytes | memoryview, what: str) -> tuple[memoryview, int, int]:
    """Return what follows a value's header, and the two numbers in it, or raise `Damaged`."""
    body = verified(value)
    version, _, count, number = HEADER.unpack_from(body)
    if version != FORMAT:
        raise Damaged(f"a {what} is of format version {version}; this Octavo reads {FORMAT}")
    return body[HEADER.size :], count, number


def time_at(observations: bytes | memoryview, row: int) -> int:
    """Return the event time of one observation; a negative row counts from the end."""
    start = row * 16 if row >= 0 else len(observations) + row * 16
    return int.from_bytes(observations[start : start + 8], "little", signed=True)


def paired(event_time: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return times and values as pairs."""
    pairs = np.empty(event_time.size, PAIR)
    pairs["time"], pairs["value"] = event_time, value
    return pairs


def as_bytes(pairs: np.ndarray) -> memoryview:
    """Return contiguous pairs as their bytes, without a copy."""
    return pairs.view(np.uint8).data if pairs.size else memoryview(b"")


def pairs_of(observations: bytes | memoryview) -> np.ndarray:
    """Return bytes as pairs, without a copy."""
    return np.frombuffer(observations, PAIR)


def apart(observations: bytes | memoryview) -> tuple[np.ndarray, np.ndarray]:
    """Return the times, int64, and the values, float64, of some observations."""
    pairs = np.frombuffer(observations, PAIR)
    return pairs["time"].astype(np.int64), pairs["value"].astype(np.float64)


@dataclass(frozen=True)
class _Layout:
    """Chunks of many entities at once: the rows of each, and its key."""

    starts: np.ndarray
    """int64 (chunks + 1,)."""
    newest: np.ndarray
    """int64 (chunks,)."""
    keys: np.ndarray
    """`KEYS` (chunks,), ascending."""

    @classmethod
    def of(cls, lane: int, entity: np.ndarray, event_time: np.ndarray) -> Self:
        """Cut rows, sorted by (entity, rank), as appending them one by one would."""
        begins = np.concatenate([[0], np.flatnonzero(entity[1:] != entity[:-1]) + 1])
        sealed = np.maximum(0, (np.diff(begins, append=entity.size) - CHUNK - 1) // CHUNK)
        owner = np.repeat(np.arange(begins.size), sealed + 1)
        number = np.arange(owner.size) - np.repeat(np.cumsum(sealed + 1) - sealed - 1, sealed + 1)
        starts = np.append(begins[owner] + CHUNK * number, entity.size)
        last = event_time[starts[1:] - 1]
        before = np.concatenate([[NEVER], last[:-1]])
        head = number == sealed[owner]
        follows = ~head & (number > 0) & (last == before)
        place = np.arange(owner.size)
        keys = np.empty(owner.size, KEYS)
        keys["lane"], keys["entity"] = lane, entity[starts[:-1]]
        keys["time"] = np.where(head, np.uint64(_LAST), last.view(np.uint64) ^ np.uint64(_BIAS))
        ordinal = place - np.maximum.accumulate(np.where(follows, 0, place))
        keys["ordinal"] = np.where(head, _ORDINALS, ordinal)
        return cls(starts, np.where(head & (number > 0), before, NEVER), keys)


def chunked(
    lane: int, entity: np.ndarray, event_time: np.ndarray, value: np.ndarray
) -> Iterator[list[tuple[bytes, memoryview]]]:
    """Write the first observations of many entities: keys and values, in ascending order.

    Parameters
    ----------
    lane
        Number of the lane.
    entity, event_time, value
        uint64, int64 and float64 (rows,), sorted by entity and, within one, by rank; at least one.

    Yields
    ------
    list
        Some pairs of key and value, a few megabytes.
    """
    layout = _Layout.of(lane, entity, event_time)
    raw = layout.keys.tobytes()
    for begin in range(0, layout.keys.size, _PORTION):
        end = min(begin + _PORTION, layout.keys.size)
        rows = slice(layout.starts[begin], layout.starts[end])
        starts = layout.starts[begin : end + 1] - layout.starts[begin]
        values = _values(starts, layout.newest[begin:end], event_time[rows], value[rows])
        keys = (raw[at : at + KEY.size] for at in range(begin * KEY.size, end * KEY.size, KEY.size))
        yield list(zip(keys, values, strict=True))


def _values(
    starts: np.ndarray, newest: np.ndarray, event_time: np.ndarray, value: np.ndarray
) -> list[memoryview]:
    """Write chunks into one array of words: checksum, header, newest, pairs, and so on."""
    counts = np.diff(starts)
    words = np.empty(3 * counts.size + 2 * event_time.size, "<i8")
    at = 3 * np.arange(counts.size + 1) + 2 * starts
    words[at[:-1] + 1] = FORMAT + (counts << 32)
    words[at[:-1] + 2] = newest
    pairs = 2 * np.arange(event_time.size) + np.repeat(3 * np.arange(1, counts.size + 1), counts)
    words[pairs] = event_time
    words[pairs + 1] = value.view(np.int64)
    raw = words.view(np.uint8).data
    edges = (8 * at).tolist()
    bounds = list(pairwise(edges))
    digests = [xxhash.xxh3_64_intdigest(raw[start + 8 : end]) for start, end in bounds]
    words[at[:-1]] = np.array(digests, np.uint64).view(np.int64)
    return [raw[start:end] for start, end in bounds]
