"""Row features as tables hold them: a row's are the same alone and among others."""

from types import SimpleNamespace

import polars as pl

from octavo.stores.features import row_features


def test_durations_in_seconds_are_the_same_alone_and_among_others():
    """Polars divides a frame of one row otherwise: by the number, not with its reciprocal."""
    micros = pl.Series("d", range(11, 1_000_000_000, 12_345_67)).cast(pl.Duration("us"))
    frame = micros.to_frame()
    pipeline = SimpleNamespace(row=[pl.col("d").alias("seconds")])
    many = row_features(pipeline, frame, ["seconds"])["seconds"]
    alone = [row_features(pipeline, row, ["seconds"])["seconds"][0] for row in frame.iter_slices(1)]
    assert many.to_list() == alone
    assert many[0] == 1.1e-05
