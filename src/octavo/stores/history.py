"""Events that were restated: all versions, and the place in the log at which each gives way.

Bitemporal: a version counts from the place at which it could be known to the place of the first
later version. This module knows nothing of stores.
"""

import polars as pl

from octavo.definition.events import EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION

GONE_KNOWN_AT = "_gone_known_at"
"""Int64, microseconds; when the version that replaces this one could be known; null: none does."""
GONE_POSITION = "_gone_position"
"""Int64; position of that version."""
FIRST_KNOWN_AT = "_first_known_at"
"""Datetime[µs, UTC]; knowledge time of the event's first version: its place as a predicted row."""
FIRST_POSITION = "_first_position"
"""Int64; position of the first version."""

_BEFORE_ALL = -(2**61)  # place of a version that is no event, and so has no knowledge time


def versions(rows: pl.DataFrame, restated: pl.DataFrame) -> pl.DataFrame:
    """Put first and later versions of events together.

    Parameters
    ----------
    rows, restated
        Raw rows with their stamps; in `restated` those that came again with other content. Rows
        with a null event time are no events: as a later version they only end the one before.

    Returns
    -------
    polars.DataFrame
        All rows, with `GONE_KNOWN_AT`, `GONE_POSITION`, `FIRST_KNOWN_AT` and `FIRST_POSITION`.
    """
    first = [pl.col(KNOWN_AT).alias(FIRST_KNOWN_AT), pl.col(POSITION).alias(FIRST_POSITION)]
    never = pl.lit(None, dtype=pl.Int64)
    untouched = rows.join(restated, on=EVENT_ID, how="anti") if restated.height else rows
    untouched = untouched.with_columns(
        never.alias(GONE_KNOWN_AT), never.alias(GONE_POSITION), *first
    )
    if not restated.height:
        return untouched
    touched = pl.concat(
        [rows.join(restated, on=EVENT_ID, how="semi"), restated.select(rows.columns)]
    )
    touched = touched.sort(EVENT_ID, POSITION)
    known = pl.col(KNOWN_AT).cast(pl.Int64).fill_null(_BEFORE_ALL)
    earliest = known.cum_min(reverse=True)  # of this version and all later ones
    place = pl.when(known == earliest).then(pl.col(POSITION)).fill_null(strategy="backward")
    event = pl.col(EVENT_TIME).is_not_null()
    return pl.concat(
        [
            untouched,
            touched.with_columns(
                earliest.shift(-1).over(EVENT_ID).alias(GONE_KNOWN_AT),
                place.shift(-1).over(EVENT_ID).alias(GONE_POSITION),
                pl.col(KNOWN_AT).filter(event).first().over(EVENT_ID).alias(FIRST_KNOWN_AT),
                pl.col(POSITION).filter(event).first().over(EVENT_ID).alias(FIRST_POSITION),
            ),
        ]
    )


def newest(history: pl.DataFrame) -> pl.DataFrame:
    """Return every event once: what is known of it last, at the place of its first version."""
    place = [pl.col(FIRST_KNOWN_AT).alias(KNOWN_AT), pl.col(FIRST_POSITION).alias(POSITION)]
    standing = history.filter(pl.col(GONE_POSITION).is_null())
    return standing.with_columns(place).sort(KNOWN_AT, POSITION)
