"""Anomalies in series of one number: no labels, the default deviations.

`tests.nab.series.prepare` writes ``readings.csv`` beside a copy of this file.
"""

import polars as pl

import octavo as ov

readings = ov.Dataset(
    "readings",
    ov.Files("readings.csv"),
    event_id="row",
    event_time="timestamp",
    available=pl.col("received"),
)
usual = ov.Deviations(readings, "value", key="series")

pipeline = ov.Pipeline(
    problem=ov.Problem(
        "Which readings are unusual for their series?",
        target="anomaly",
        kind="anomaly",
        budget=0.001,
        metric="alarm_ratio",
        at_most=100,  # the rows of one day judge those of months, and all are to be scored
    ),
    datasets=[readings],
    rows=readings,
    views=[usual.view],
    derived=usual.derived,
    inputs=usual.inputs,
    split=ov.SplitByTime(train=0.075, validation=0.014, test=0.911),
    training=ov.Training(trials=1),
    monitor=ov.Monitor(window="1000d"),
)
