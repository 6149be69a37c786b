"""Features of entities at a time: a query that belongs to no event, and sees none of its own."""

from collections.abc import Collection, Iterable, Iterator

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
    _check_given(features, {*given})
    if isinstance(dataset.event_time, str) and dataset.event_time in source.columns:
        as_column = moment.cast(source.schema[dataset.event_time])
        source = source.with_columns(as_column.alias(dataset.event_time))
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


def needed_columns(features: OnlineFeatures) -> set[str]:
    """Return the columns that are to be given with an entity; the event time is not."""
    return {name for _, needed in _needing(features) for name in needed}


def _check_given(features: OnlineFeatures, given: set[str]) -> None:
    for asking, needed in _needing(features):
        lacking = needed - given
        if lacking:
            raise DataError(
                f"it has no {min(lacking)!r}, which {asking} needs.",
                where="entities",
                fix="Give it with each entity, or ask with whole events.",
            )


def _needing(features: OnlineFeatures) -> Iterator[tuple[str, set[str]]]:
    """Give what needs source columns of a row, and which."""
    pipeline, dataset = features.pipeline, features.pipeline.rows

    def sources(columns: Iterable[str]) -> set[str]:
        return dataset.read_for(columns) - dataset.columns.keys() - {dataset.event_time}

    for name in features.parts:
        yield f"view {name!r}", sources(pipeline.view(name).query_key)
    for place, expressions in (
        ("Pipeline.row", pipeline.row),
        ("Pipeline.derived", pipeline.derived),
    ):
        for expression in expressions:
            name = output_name(expression, where=place)
            if name in features.features:
                roots = {*expression.meta.root_names()}
                own = roots if place == "Pipeline.row" else roots - {*pipeline.features}
                yield f"feature {name!r}", sources(own)
