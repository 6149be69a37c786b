"""A draft written as ``pipeline.py``: short, and with the evidence beside what was decided."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from octavo.services.drafting import code
from octavo.services.drafting.clock import unused
from octavo.services.drafting.code import (
    Code,
    Each,
    Group,
    Item,
    argument,
    call,
    column,
    filled,
    listed,
    mapped,
    text,
)
from octavo.services.drafting.datasets import assigned, dataset, folder_of, head
from octavo.services.drafting.draft import Draft, Past
from octavo.services.drafting.joins import Link
from octavo.services.drafting.rows import plain, row_features, texts_read
from octavo.services.drafting.tables import Table, identifier
from octavo.services.drafting.windows import is_regular, spans

_RUN = 8  # columns numbered one after the other from which they are written as a range


FEW = 200
"""Labeled rows below which validation and test get larger shares, to measure anything at all."""
MANY = 10_000
"""Labeled rows from which one validation part tells candidates apart; of fewer, several do."""


def script(draft: Draft, folder: Path) -> str:
    """Return the source of ``pipeline.py`` in a folder."""
    files = [path for table in (draft.rows, *_tables(draft)) for path in table.paths]
    base = folder_of(files, folder)
    parts = [
        *(_dataset(draft, table, folder, base) for table in (draft.rows, *_tables(draft))),
        _features(draft),
        _past(draft),
        _pipeline(draft),
    ]
    body = "\n\n".join(part for part in parts if part) + "\n"
    return "\n\n".join([*head(draft.target.question, draft.rows, base, body), body])


def _tables(draft: Draft) -> list[Table]:
    return list({link.table.name: link.table for link in draft.links}.values())


def _dataset(draft: Draft, table: Table, folder: Path, base: Path | None) -> str:
    if table is not draft.rows:
        clock = next(link.clock for link in draft.links if link.table is table)
        return dataset(table, folder, base, clock=clock)
    is_series = draft.past is not None and not draft.past.entities
    return dataset(
        table,
        folder,
        base,
        clock=draft.clock,
        event_id=text(draft.event_id) if draft.event_id else None,
        computed={_series(draft): 'pl.lit("all")'} if is_series else {},
        useless=draft.left_out,
    )


def _series(draft: Draft) -> str:
    """Return the name of the key that all rows of a series share."""
    return unused("series", draft.rows.frame.columns)


def _features(draft: Draft) -> str:
    kept = plain(draft)
    if not kept and not draft.left_out:
        return ""
    entries: list[str | Item] = []
    order = {name: place for place, name in enumerate(draft.rows.frame.columns)}
    names = sorted([*(c.name for c in kept), *draft.left_out], key=order.__getitem__)
    for why, group in groupby(names, key=lambda name: draft.left_out.get(name, "")):
        members = list(group)
        if not why:
            entries += _kept(draft, members)
        elif len(members) == 1:
            entries.append(Item(text(members[0]), comment=why, off=True))
        else:
            entries.append(Item(None, comment=f"{len(members)} columns: {why}"))
            entries += [Item(run, off=True) for run in _runs(members)]
    head = "Columns known when the row is; numbers as they are, texts as categories."
    if draft.left_out:
        head += " Those commented out are left out for the reason beside them: put back what you"
        head += " know better."
    if draft.suspected:
        head += " Those with a question predict suspiciously well: find out when they are written."
    listing = filled(entries, 0, len("features = "))
    return "\n".join([*code.comment(head), f"features = {listing}"])


def _kept(draft: Draft, names: Sequence[str]) -> Iterator[str | Item]:
    """Give features, those that are suspected with the reason."""
    for why, group in groupby(names, key=lambda name: draft.suspected.get(name, "")):
        if why:
            yield from (Item(text(name), comment=f"{why}: known in time?") for name in group)
        else:
            yield from _runs(list(group))


def _runs(names: Sequence[str]) -> Iterator[str]:
    """Give names as literals; those numbered one after the other as one range."""
    place = 0
    while place < len(names):
        match = re.fullmatch(r"([\w .-]*?)(0|[1-9]\d*)", names[place], re.ASCII)
        length = 1
        if match:
            first = int(match[2])
            while place + length < len(names) and names[place + length] == (
                f"{match[1]}{first + length}"
            ):
                length += 1
        if match and length >= _RUN:
            first = int(match[2])
            bounds = f"{length}" if first == 0 else f"{first}, {first + length}"
            yield f'*(f"{match[1]}{{i}}" for i in range({bounds}))'
        else:
            length = 1
            yield text(names[place])
        place += length


def _past(draft: Draft) -> str:
    past = draft.past
    if past is None:
        return ""
    entries: list[Code] = []
    name = draft.rows.name
    over = code.texts(past.over)
    if past.entities:
        entries.append(call("ov.Window", name, over=over, current="False"))
    if past.averaged:
        averaged = [text(each) for each in past.averaged]
        window = call("ov.Window", name, "what", over=over, take=text("mean"))
        entries.append(_for_each(window, averaged))
    if past.target:
        entries.append(_outcomes(draft, past))
    return "\n".join([*code.comment(_said_of_past(past)), assigned("past", listed(entries))])


def _said_of_past(past: Past) -> str:
    if past.entities:
        said = "What happened before to the same one: how often, and how it was on average."
        if past.target:
            said += f" Outcomes are taken to be known {_in_words(past.delay)} after their row: set"
            said += " `delay` to what is true."
        return said
    said = "The rows follow each other at a steady pace: they are one series."
    if past.target:
        said += " An outcome is taken to be known when the next row comes: set `delay` to what is"
        said += " true."
    return said


def _in_words(delay: str) -> str:
    return {"1d": "a day", "1h": "an hour"}.get(delay, delay)


def _outcomes(draft: Draft, past: Past) -> Group:
    value = draft.target.value
    plain = value == column(draft.target.column)
    observed: Code = text(draft.target.column) if plain else value
    series = not past.entities
    return call(
        "ov.Window",
        draft.rows.name,
        observed,
        over=code.texts(past.over[:1] if series else past.over),
        take=code.texts(["last", "mean"]) if series else text("mean"),
        delay=text(past.delay),
        name=None if plain else text(draft.target.name),
    )


def _for_each(window: Group, values: Sequence[str]) -> Code:
    """Write one window for several columns."""
    if len(values) > 1:
        return Each(window, values)
    named = [Item(values[0]) if item.value == "what" else item for item in window.items]
    return Group(window.opening, named, window.closing)


def _views(draft: Draft) -> list[Item]:
    views: list[Item] = []
    taken: list[str] = ["rows"]

    def named(wanted: str) -> str:
        name, number = identifier(wanted, "view"), 2
        while name in taken:
            name, number = f"{identifier(wanted, 'view')}_{number}", number + 1
        taken.append(name)
        return name

    if draft.past is not None:
        for entity in draft.past.entities or (_series(draft),):
            name = named(entity)
            views.append(Item(call("ov.View", text(name), key=text(entity), windows="past")))
    for link in draft.links:
        alike = link.rows_key == link.key
        name = named(link.table.name if alike else f"{link.rows_key[0]}_{link.table.name}")
        views.append(Item(_link_view(name, link), comment=_said_of_link(link)))
    return views


def _said_of_link(link: Link) -> str:
    return "" if link.met >= 0.9995 else f"{link.met:.1%} of the rows meet an entry"


def _link_view(name: str, link: Link) -> Group:
    pairs = zip(link.rows_key, link.key, strict=True)
    other = {own: text(theirs) for own, theirs in pairs if own != theirs}
    return call(
        "ov.View",
        text(name),
        key=code.texts(link.key),
        on=mapped(other),
        windows=listed(list(_link_windows(link))),
    )


def _link_windows(link: Link) -> Iterator[Code]:
    table, clock = link.table, link.clock
    names = [c.name for c in link.columns]
    if clock is None:
        window = call("ov.Window", table.name, "what", take=text("last"))
        yield _for_each(window, [text(name) for name in names])
        return
    over = spans(table.frame, link.key, clock.values, table.share)
    if is_regular(table.frame, link.key, clock.values):
        latest = call("ov.Window", table.name, "what", over=text(over[0]), take=text("last"))
        yield _for_each(latest, [text(name) for name in names])
        return
    yield call("ov.Window", table.name, over=code.texts(over))
    numbers = [text(c.name) for c in link.columns if c.role in ("number", "boolean")]
    if numbers:
        mean = call("ov.Window", table.name, "what", over=code.texts(over), take=text("mean"))
        yield _for_each(mean, numbers)


def _derived(draft: Draft) -> Code | None:
    past = draft.past
    if past is None or not past.averaged:
        return None
    view = identifier((past.entities or (_series(draft),))[0], "view")
    over = past.over[0] if not past.entities else past.over[-1]
    usual = f'pl.col(f"{view}__{{what}}_mean_{over}")'
    each = f'(pl.col(what) - {usual}).alias(f"{{what}}_above_usual")'
    if len(past.averaged) == 1:
        return _single_derived(past.averaged[0], view, over)
    return listed([Each(each, [text(name) for name in past.averaged])])


def _single_derived(name: str, view: str, over: str) -> Code:
    usual = column(f"{view}__{name}_mean_{over}")
    return listed([f"({column(name)} - {usual}).alias({text(name + '_above_usual')})"])


def _split(draft: Draft) -> Code:
    if draft.split == "time":
        gap = draft.past.delay if draft.past and draft.past.target and draft.past.entities else None
        return call("ov.SplitByTime", gap=text(gap) if gap else None)
    labeled = draft.target.labels.count()
    few = labeled < FEW
    shares = {"train": "0.6", "validation": "0.2", "test": "0.2"} if few else {}
    if few and draft.target.kind == "regression":
        shares["bins"] = str(max(labeled // 20, 2))
    if labeled < MANY:
        shares["folds"] = "3" if few else "5"
    entity = None if draft.split == "stratified" else text(draft.split)
    return call("ov.SplitStratified", entity=entity, **shares)


def shown_split(draft: Draft) -> str:
    """Return the split as a person would say it."""
    if draft.split == "time":
        return "by time"
    return "stratified" if draft.split == "stratified" else f"grouped by {draft.split}"


def _pipeline(draft: Draft) -> str:
    target, tables = draft.target, _tables(draft)
    figure = argument("at_least", target.at_least, target.figure_note)
    problem = Group(
        "ov.Problem(",
        [
            Item(text(target.question)),
            argument("target", text(target.name)),
            argument("kind", text(target.kind), target.why),
            argument("metric", text(target.metric)),
            figure,
        ],
        ")",
    )
    # Rows without a time come after the lookups that they are to see.
    order = (draft.rows, *tables) if draft.clock else (*tables, draft.rows)
    label = call("ov.Label", text(target.name), of=draft.rows.name, value=target.value)
    parts = [
        argument("problem", problem),
        argument("datasets", listed([table.name for table in order])),
        argument("rows", draft.rows.name),
        argument("label", label, target.rows_note),
    ]
    views, derived = _views(draft), _derived(draft)
    parts += [argument("views", listed(views))] if views else []
    parts.append(argument("row", row_features(draft)))
    parts += [argument("derived", derived)] if derived is not None else []
    texts = texts_read(draft)
    parts += [texts] if texts is not None else []
    parts.append(argument("split", _split(draft), draft.why_split))
    if draft.watched is not None:
        parts.append(argument("monitor", call("ov.Monitor", window=text(draft.watched))))
    return assigned("pipeline", Group("ov.Pipeline(", parts, ")"))
