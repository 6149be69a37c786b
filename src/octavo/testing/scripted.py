"""What goes wrong with a stream, written down: "it dies in its third append" is a line of a test.

    script = {("append", 3): crash_after, ("renew", 5): pause(clock, 30), ("read", 2): again(7)}
    run_service(scripted(stream, script))

A script says for the number of a call, from 1, of a method of the stream or of its members, what
happens instead. It works on any stream.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from octavo.streams import Record, Stream
from octavo.testing.clocks import ManualClock

Fault = Callable[..., Any]
"""Called with the method and its arguments, in place of the method."""
Script = Mapping[tuple[str, int], Fault]


class Crash(BaseException):
    """The process has died here. What its code does to clean up has no effect any more."""


def crash_before(method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Die without having done anything."""
    raise Crash


def crash_after(method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Do it, and die without anybody having been told."""
    method(*arguments, **options)
    raise Crash


def fail(error: Exception) -> Fault:
    """Raise an error, such as that of a full disk, without having done anything."""

    def fault(method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        raise error

    return fault


def pause(clock: ManualClock, seconds: float, meanwhile: Callable[[], Any] = lambda: None) -> Fault:
    """Stand still before the call, as a stopped process does, while others do something."""

    def fault(method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        clock.advance(seconds)
        meanwhile()
        return method(*arguments, **options)

    return fault


def again(rows: int) -> Fault:
    """Deliver again: read from so many rows before the positions asked for."""

    def fault(
        method: Callable[..., list[Record]],
        topic: str,
        positions: Mapping[int, int],
        **options: Any,
    ) -> list[Record]:
        earlier = {partition: max(at - rows, 0) for partition, at in positions.items()}
        return method(topic, earlier, **options)

    return fault


def scripted(stream: Stream, script: Script) -> Stream:
    """Return a stream to which happens what a script says, as seen by one process.

    Raises
    ------
    Crash
        Where the script says so, and from any call after that.
    """
    return cast(Stream, _Scripted(stream, script, Counter()))


class _Scripted:
    """A stream or a member, and the calls of both so far."""

    def __init__(self, inner: Any, script: Script, calls: Counter[str]) -> None:
        self._inner = inner
        self._script = script
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return partial(self._call, name, found) if callable(found) else found

    def _call(self, name: str, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if self._calls["crash"]:
            raise Crash
        self._calls[name] += 1
        fault = self._script.get((name, self._calls[name]))
        try:
            result = (partial(fault, method) if fault else method)(*arguments, **options)
        except Crash:
            self._calls["crash"] = 1
            raise
        return _Scripted(result, self._script, self._calls) if name == "join" else result

    def __enter__(self) -> "_Scripted":
        return self

    def __exit__(self, *error: object) -> None:
        self._call("close", self._inner.close)
