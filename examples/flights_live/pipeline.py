"""The question of examples/flights while it happens: history from files, then what is sent.

See docs/flights-live.md: `octavo replay` writes the files, and plays the last two months.
"""

import runpy
from dataclasses import replace
from pathlib import Path

import octavo as ov

flights = runpy.run_path(str(Path(__file__).parents[1] / "flights" / "pipeline.py"))["pipeline"]

datasets = {
    each.name: each
    if each.is_static
    else replace(
        each, offline=ov.Files(f"history/{each.name}.parquet"), online=ov.Stream(age="50ms")
    )
    for each in flights.datasets
}

pipeline = replace(
    flights,
    datasets=list(datasets.values()),
    rows=datasets["schedule"],
    label=replace(flights.label, of=datasets["arrivals"]),
    views=[
        replace(
            view,
            # What is sent is known when it comes, and these flights left in 2013: years after.
            late="10000d",
            windows=[replace(each, dataset=datasets[each.dataset.name]) for each in view.windows],
        )
        for view in flights.views
    ],
    training=ov.Training(algorithms=["lightgbm"], trials=1),
)
