"""Features of entities at a time: a query that belongs to no event, and sees none of its own."""

from collections.abc import Collection, Iterator

import polars as pl

from octavo.definition.events import EVENT_ID, EVENT_TIME, TIMESTAMP, stamped
from octavo.definition.expressions import output_name
from octavo.errors import DataError
from octavo.stages.prep.request_time import Answer, OnlineFeatures, Positions


def of_entities(
    features: OnlineFeatures, source: pl.DataFrame, given: Collection[str], at: int
) -> Answer:
    """Return the features of entities as they are at a time.

    Parameters
    ----------
    source
        Columns of the predicted rows' dataset, typed as in the raw store; null where not given.
    given
        The columns that are: keys, and whatever else the features are made of.
    at
        Microseconds since the epoch. It stands in the column that is the event time, too.

    Raises
    ------
    DataError
        If a feature is made of a column that is not given, or the state cannot answer for a time
        that long ago.
    """
    dataset = features.pipeline.rows
    moment = pl.lit(at, dtype=pl.Int64).cast(TIMESTAMP)
    known = {*given}
    if isinstance(dataset.event_time, str) and dataset.event_time in source.columns:
        known.add(dataset.event_time)
        as_column = moment.cast(source.schema[dataset.event_time])
        source = source.with_columns(as_column.alias(dataset.event_time))
    _check_given(features, known)
    rows = stamped(dataset, source).with_columns(
        moment.alias(EVENT_TIME), pl.lit(None, pl.String).alias(EVENT_ID)
    )
    columns: list[pl.Series] = []
    positions: Positions = {}
    for name in features.parts:
        features.check_reach(name, at)
        found, seen = features.windows(features.pipeline.view(name), rows, are_events=False)
        columns, positions = columns + found, positions | seen
    return Answer(features.put_together(rows, columns), positions)


def _check_given(features: OnlineFeatures, given: set[str]) -> None:
    dataset = features.pipeline.rows
    for asking, columns in _needing(features):
        lacking = dataset.read_for(columns) - dataset.columns.keys() - given
        if lacking:
            raise DataError(
                f"it has no {min(lacking)!r}, which {asking} needs.",
                where="entities",
                fix="Give it with each entity, or ask with whole events.",
            )


def _needing(features: OnlineFeatures) -> Iterator[tuple[str, list[str]]]:
    """Give what needs columns of a row, and which."""
    pipeline = features.pipeline
    for name in features.parts:
        yield f"view {name!r}", list(pipeline.view(name).query_key)
    for place, expressions in (
        ("Pipeline.row", pipeline.row),
        ("Pipeline.derived", pipeline.derived),
    ):
        for expression in expressions:
            name = output_name(expression, where=place)
            if name in features.features:
                roots = expression.meta.root_names()
                own = (
                    roots
                    if place == "Pipeline.row"
                    else [r for r in roots if r not in pipeline.features]
                )
                yield f"feature {name!r}", own
