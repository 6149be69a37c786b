"""Which columns of its sources a definition needs, and what asks for each."""

from collections.abc import Iterator

import polars as pl

from octavo.definition.dataset import Dataset
from octavo.definition.pipeline import Pipeline
from octavo.definition.split import split_entity


def row_keys(pipeline: Pipeline) -> dict[str, str]:
    """Return the columns of the predicted rows kept beside the features, and what asks for each.

    Those that identify something, and those that derived features use.
    """
    derived = [name for e in pipeline.derived for name in e.meta.root_names()]
    asking = [("event_id", list(pipeline.rows.identity))]
    asking += [("Pipeline.derived", [n for n in derived if n not in pipeline.features])]
    asking += [(f"view {view.name!r}", list(view.query_key)) for view in pipeline.views]
    asking += [(f"{type(pipeline.split).__name__}.entity", list(split_entity(pipeline.split)))]
    found: dict[str, str] = {}
    for place, columns in asking:
        for column in columns:
            found.setdefault(column, place)
    return found


def source_columns(pipeline: Pipeline, dataset: Dataset, *, labeled: bool = True) -> dict[str, str]:
    """Return the columns of a dataset that must be there, and what asks for each.

    Parameters
    ----------
    labeled
        Also what the label alone asks for.
    """
    found: dict[str, str] = {}
    for place, names in _asking(pipeline, dataset, labeled=labeled):
        for name in sorted(dataset.reach(names) - dataset.columns.keys()):
            found.setdefault(name, place)
    return found


def naming_columns(pipeline: Pipeline, dataset: Dataset) -> set[str]:
    """Return the columns of a dataset whose values name something: an event, an entity.

    Their text is what counts: 17 and 17.0 are not the same name.
    """
    found = {*dataset.identity}
    for view in pipeline.views:
        found |= {*view.key} if dataset.name in view.datasets else set()
        found |= {*view.query_key} if dataset.name == pipeline.rows.name else set()
    if dataset.name == pipeline.rows.name:
        found |= {*split_entity(pipeline.split)}
    if dataset.name == pipeline.label.of.name:
        found |= {*(pipeline.label.on or ())}
    found = dataset.reach(found)
    return found | {given for given, name in dataset.source.renamed.items() if name in found}


def _asking(
    pipeline: Pipeline, dataset: Dataset, *, labeled: bool
) -> Iterator[tuple[str, list[str]]]:
    """Give what uses columns of a dataset, the most important first."""

    def of(*expressions: pl.Expr | None) -> list[str]:
        return [name for e in expressions if e is not None for name in e.meta.root_names()]

    yield "event_id", list(dataset.identity)
    yield "event_time", of(dataset.time_expression)
    yield "available", of(dataset.available_expression)
    yield "where", of(dataset.where)
    for check in dataset.checks:
        yield f"check {check.name!r}", of(check.condition)
    for treatment in dataset.treat:
        yield f"treat, {type(treatment).__name__}", of(treatment.expression)
    for name, expression in dataset.columns.items():
        yield f"columns[{name!r}]", of(expression)
    if labeled and dataset.name == pipeline.label.of.name:
        yield "the label", [*(pipeline.label.on or ()), *of(pipeline.label.value)]
    if dataset.name == pipeline.rows.name:
        yield "Pipeline.row", of(*pipeline.row)
        for name, place in row_keys(pipeline).items():
            yield place, [name]
    for view in pipeline.views:
        for window in view.windows:
            if window.dataset.name == dataset.name:
                names = [*view.key, *of(window.value_expression, window.where)]
                yield f"view {view.name!r}", names
