"""What something was made of and what came of it, on the command line: octavo lineage."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from octavo.cli.arguments import DIR, HOME, JSON, OUTPUT
from octavo.errors import ExitCode

_FEW = 5
"""Nodes of one kind that are shown of each, where there may be thousands."""
_ROWS = 20
"""Raw rows that are shown, the newest."""


@click.command
@click.argument(
    "id_",
    metavar="ID",
    help="Of a batch, features, data version, run, candidate, deployment, prediction or event.",
)
@click.option("--back", is_flag=True, help="Only what it was made of.")
@click.option("--forward", is_flag=True, help="Only what came of it.")
@click.option("--all", "everything", is_flag=True, help="Show everything, not a few of each kind.")
@click.option(
    "--feature", metavar="NAME", default="", help="The raw rows that it saw, of a prediction."
)
@OUTPUT
@DIR
@HOME
@JSON
def lineage(
    id_: str,
    back: bool,
    forward: bool,
    everything: bool,
    feature: str,
    output: Path | None,
    folder: Path,
    home: Path | None,
    as_json: bool,
) -> int:
    """Say what something was made of, and what came of it.

    With -o the predictions that used a batch, or the raw rows of --feature, are written to a file.
    """
    from octavo.cli.tables import check_format
    from octavo.project import Project

    check_format(output)
    project = Project(folder, home)
    found = project.lineage()
    if feature:
        return _window(found, id_, feature, output, everything, as_json)
    if output is not None:
        return _written(found.using(id_), output, "predictions", as_json)
    both = back == forward
    traced = found.of(id_, back=back or both, forward=forward or both)
    if as_json:
        click.echo(json.dumps(traced.document(), default=str))
        return ExitCode.DONE
    for line in _Tree(traced, project.folder, None if everything else _FEW).lines():
        click.echo(line)
    return ExitCode.DONE


COMMANDS = (lineage,)


class _Tree:
    """What was found as lines: what something was made of, and what came of it.

    What several things have in common is shown under one of them.
    """

    def __init__(self, traced: Any, folder: Path, most: int | None) -> None:
        self._traced, self._folder, self._most = traced, folder, most
        self._shown: set[str] = set()

    def lines(self) -> Iterator[str]:
        """Give all lines."""
        node = self._traced.node
        yield self._said(node)
        for event in node.about.get("decisions", ()):
            why = f": {event['reason']}" if event["reason"] else ""
            yield f"   {_time(event['at'])}  {event['kind']} by {event['actor'] or '?'}{why}"
        near = {"made of": self._traced.behind.before, "went into": self._traced.after.after}
        for title, of in near.items():
            if of(node.id):
                yield title
                yield from self._below(node.id, of, "")

    def _below(self, id_: str, near: Callable[[str], list[Any]], indent: str) -> Iterator[str]:
        entries = list(self._entries(near(id_)))
        for number, (text, node) in enumerate(entries):
            is_last = number + 1 == len(entries)
            yield f"{indent}{'└─' if is_last else '├─'} {text}"
            if node is not None:
                yield from self._below(node.id, near, indent + ("   " if is_last else "│  "))

    def _entries(self, nodes: list[Any]) -> Iterator[tuple[str, Any]]:
        """Give the line of each node, and of what is left out how much it is."""
        for kind in dict.fromkeys(node.kind for node in nodes):
            of = [node for node in nodes if node.kind == kind]
            new = [node for node in of if node.id not in self._shown or kind in _LEAVES]
            for node in new[: self._most]:
                self._shown.add(node.id)
                yield self._said(node), node
            if len(new) < len(of):
                yield f"{_counted(len(of) - len(new), kind)}, shown elsewhere", None
            if self._most is not None and len(new) > self._most:
                yield f"{_counted(len(new) - self._most, kind, 'more ')}; --all shows them", None

    def _said(self, node: Any) -> str:
        say = _SAYING.get(node.kind)
        told = say(node.about, self._folder) if say else ""
        name = node.id if node.kind in _NAMED else ""
        return " ".join(each for each in (node.kind if name else "", name, told) if each)


_LEAVES = frozenset(("source", "predictions"))
"""The kinds that end a branch, and so may be shown again."""
_NAMED = frozenset(
    ("batch", "feature group", "data version", "run", "candidate", "deployment", "prediction")
)
"""The kinds whose ID can be asked for."""


def _counted(count: int, kind: str, more: str = "") -> str:
    plural = {"batch": "batches", "features": "features"}.get(kind, f"{kind}s")
    return f"{count:,} {more}{kind if count == 1 else plural}"


def _batch(about: dict[str, Any], _folder: Path) -> str:
    gone = about["withdrawn_why"]
    rows = f"{about['dataset']}, {about['rows']:,} rows"
    return f"{rows}, withdrawn: {gone}" if gone else rows


def _source(about: dict[str, Any], folder: Path) -> str:
    if "topic" in about:
        range_ = f"offsets {about['first_offset']:,} to {about['end_offset'] - 1:,}"
        return f"stream {about['topic']}, partition {about['partition']}, {range_}"
    path = Path(about["path"])
    path = path.relative_to(folder) if path.is_relative_to(folder) else path
    size = "" if about["bytes"] is None else f", {about['bytes']:,} bytes"
    return f"{path}, {about['rows']:,} rows{size}"


def _row(about: dict[str, Any], _folder: Path) -> str:
    offset = f", offset {about['offset']:,}" if "offset" in about else ""
    return f"row {about['row']:,} of a batch of {about['dataset']}{offset}"


def _features(about: dict[str, Any], _folder: Path) -> str:
    return f"features of {about['view']}, as of {_time(about['known_at'])}"


def _group(about: dict[str, Any], _folder: Path) -> str:
    ended = "" if about["replaced"] is None else f", replaced at {about['replaced']}"
    return f"of {about['name']}, up to position {about['position']}{ended}"


def _version(about: dict[str, Any], _folder: Path) -> str:
    return f"up to {_time(about['clock'])}, made {_time(about['created_at'])}"


def _run(about: dict[str, Any], _folder: Path) -> str:
    of = f"{about['state']}, {_time(about['started_at'])}, code {about['code_version']}"
    return f"{of}, settings version {about['config_version']}"


def _candidate(about: dict[str, Any], _folder: Path) -> str:
    return f"{about['algorithm']}, validation {about['validation']:.4g}"


def _deployment(about: dict[str, Any], _folder: Path) -> str:
    until = "now" if about["live_to"] is None else _time(about["live_to"])
    return f"live from {_time(about['live_from'])} to {until}"


def _prediction(about: dict[str, Any], _folder: Path) -> str:
    event = f" of event {about['event_id']}" if about["event_id"] is not None else ""
    return f"{about['prediction']:.4g}{event}, {about['origin']}, {_time(about['at'])}"


def _predictions(about: dict[str, Any], _folder: Path) -> str:
    count = f"{_counted(about['count'], 'prediction')} of {about['deployment']}"
    if "used" not in about:
        return count
    ways = [f"{about['features']:,} of features that may have seen it"]
    ways += [f"{about['event']:,} about its events"] if about["event"] else []
    return f"{count}, {about['used']:,} used it: {', '.join(ways)}"


def _event(about: dict[str, Any], _folder: Path) -> str:
    return f"event {about['event_id']}"


_SAYING: dict[str, Callable[[dict[str, Any], Path], str]] = {
    "batch": _batch,
    "source": _source,
    "row": _row,
    "features": _features,
    "feature group": _group,
    "data version": _version,
    "run": _run,
    "candidate": _candidate,
    "deployment": _deployment,
    "prediction": _prediction,
    "predictions": _predictions,
    "event": _event,
}
"""What is said of a node beside its kind and ID."""


def _window(
    found: Any, id_: str, feature: str, output: Path | None, everything: bool, as_json: bool
) -> int:
    """Tell what a window feature of a prediction saw."""
    window = found.window(id_, feature)
    if output is not None:
        return _written(window.rows, output, "rows", as_json)
    if as_json:
        told = window._asdict() | {"feature": feature, "rows": window.rows.to_dicts()}
        click.echo(json.dumps(told, default=str))
        return ExitCode.DONE
    click.echo(
        f"{feature} saw {_counted(window.rows.height, 'row')} of {window.dataset}: "
        f"served {_value(window.served)}, computed of these rows {_value(window.again)}"
    )
    _print_rows(window.rows, None if everything else _ROWS)
    return ExitCode.DONE


def _print_rows(rows: Any, most: int | None) -> None:
    from octavo.cli.tables import print_rows

    shown = rows if most is None else rows.tail(most)
    named = {
        "_batch_id": "batch", "_row": "row", "_event_id": "event", "_event_time": "event time",
        "_known_at": "known at", "_observed": "value",
    }  # fmt: skip
    shown = shown.select(list(named)).rename(named)
    if shown.height:
        print_rows(shown.to_dicts(), shown.columns, as_json=False)
    if shown.height < rows.height:
        click.echo(f"{rows.height - shown.height:,} earlier ones; --all shows them.")


def _written(rows: Any, output: Path, what: str, as_json: bool) -> int:
    from octavo.cli.tables import write_table

    write_table(rows, output)
    told = {"rows": rows.height, "output": str(output)}
    click.echo(json.dumps(told) if as_json else f"{rows.height:,} {what} in {output}")
    return ExitCode.DONE


def _value(value: Any) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _time(at: int | None) -> str:
    return "?" if at is None else f"{datetime.fromtimestamp(at / 1e6, UTC):%Y-%m-%d %H:%M:%S}"
