"""Fix a data version and the rule that divides it; rows themselves are not copied."""

from typing import Any

from octavo.bundle.targets import classes_of, target_numbers
from octavo.definition import PARTS, SplitByTime, fingerprint
from octavo.definition.versions import feature_fingerprints, table_fingerprints
from octavo.errors import DataError
from octavo.stages.contract import Context, Outcome
from octavo.stages.segregation.api import SplitRows, time_cuts
from octavo.stores import catalog as tables
from octavo.stores import versions


def inputs(context: Context) -> Any:
    """Return the data version that prep has made, label and split."""
    pipeline = context.pipeline
    return [_current(context)["data_version"], fingerprint([pipeline.label, pipeline.split])]


def _current(context: Context) -> versions.Document:
    loaded = {batch["dataset"] for batch in context.catalog.committed()}
    wanted = table_fingerprints(context.pipeline, loaded)
    features = feature_fingerprints(context.pipeline, wanted)
    return versions.current(context.catalog, wanted, features)


def run(context: Context) -> Outcome:
    """Store the data version with its cuts and counts.

    Raises
    ------
    DataError
        If nothing is labeled, the label is constant, or a part is empty.
    """
    pipeline = context.pipeline
    document = _current(context)
    rows = SplitRows(pipeline, context.home, context.catalog, document)
    _check_rows(context, rows)
    _check_label(context, rows)
    if isinstance(pipeline.split, SplitByTime):
        divided = rows.data("all", pipeline.problem.learns_from, [])
        document |= {"cuts": time_cuts(pipeline.split, divided)}
    split = fingerprint([pipeline.label, pipeline.split])
    document["data_version"] += f"-{split[:6]}"
    rows = SplitRows(pipeline, context.home, context.catalog, document)
    counts = {part: _count(rows, part) for part in PARTS}
    for part in PARTS:
        _check_part(context, part, counts[part])
    context.catalog.put(
        tables.data_versions,
        data_version=document["data_version"],
        document=document | {"counts": counts},
        created_at=context.now(),
    )
    return Outcome(
        rows_in=rows.height,
        rows_out=sum(c["rows"] for c in counts.values()),
        outputs={"data_version": document["data_version"], "parts": counts},
    )


def _check_rows(context: Context, rows: SplitRows) -> None:
    dataset = context.pipeline.rows
    if not rows.height:
        excluded = dataset.where is not None
        raise DataError(
            "there is no row to predict: "
            + ("where= keeps none." if excluded else "the dataset has no event."),
            where=f"dataset {dataset.name!r}",
            fix="Correct where=." if excluded else "Add a file with events.",
        )


def _check_label(context: Context, rows: SplitRows) -> None:
    if not context.pipeline.problem.needs_labels:
        return
    name = context.pipeline.label.name
    labeled = rows.data("all", "with", [])
    if not labeled.height:
        raise DataError(
            f"no row has a known {name!r}.",
            where=f"label {name!r} of dataset {context.pipeline.label.of.name!r}",
            fix="Check label.on and label.value: event IDs must be the same in both datasets.",
        )
    target_numbers(labeled[name], context.pipeline, classes_of(labeled[name], context.pipeline))
    if labeled[name].n_unique() < 2:
        raise DataError(
            f"the target {name!r} is constant: {labeled[name][0]} in all {labeled.height} rows.",
            where=f"label {name!r}",
            fix="There is nothing to learn; check label.value.",
        )


def _check_part(context: Context, part: str, counts: dict[str, Any]) -> None:
    problem = context.pipeline.problem
    if problem.kind != "anomaly":
        needed = "labeled"
    else:  # what is unusual is learned from all rows; labels only measure
        needed = "labeled" if problem.needs_labels and part != "train" else "rows"
    if not counts[needed]:
        raise DataError(
            f"the {part} part has no {'labeled row' if needed == 'labeled' else 'row'}.",
            where="the split",
            fix="Give it a larger share, or shorten the gap.",
        )


def _count(rows: SplitRows, part: str) -> dict[str, Any]:
    frame = rows.data(part, labels="both", columns=[])
    label = frame[rows.pipeline.label.name]
    labeled = label.drop_nulls()
    counts: dict[str, Any] = {"rows": frame.height, "labeled": labeled.len()}
    if rows.pipeline.problem.kind in ("binary", "anomaly") and labeled.len():
        counts["base_rate"] = labeled.cast(bool).mean()
    return counts
