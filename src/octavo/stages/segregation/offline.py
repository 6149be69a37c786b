"""Fix a data version and the rule that divides it; rows themselves are not copied."""

from dataclasses import asdict, replace
from typing import Any

import polars as pl

from octavo.bundle.targets import classes_of, target_numbers
from octavo.definition import PARTS, SplitByTime, fingerprint
from octavo.definition.versions import feature_fingerprints, table_fingerprints
from octavo.errors import DataError
from octavo.stages.contract import Context, Outcome
from octavo.stages.parts import Part, Parts, named, replaced
from octavo.stages.segregation.api import SplitRows
from octavo.stages.segregation.examine import leaks_in
from octavo.stages.segregation.parts import cuts_of, divide
from octavo.stores import catalog as tables
from octavo.stores import versions


def inputs(context: Context) -> Parts:
    """Return the data version that prep has made, label and split."""
    label, split = context.pipeline.label, context.pipeline.split
    declared = named("part", {"label": label, "split": split})
    return {
        "data version": replaced("data version", _current(context)["data_version"]),
        "rule": Part(fingerprint([label, split]), *declared),
    }


def _current(context: Context) -> versions.Document:
    wanted = table_fingerprints(context.pipeline, context.catalog.loaded(context.pipeline.datasets))
    features = feature_fingerprints(context.pipeline, wanted)
    return versions.current(context.catalog, wanted, features)


def run(context: Context) -> Outcome:
    """Store the data version with its cuts and counts.

    Raises
    ------
    DataError
        If nothing is labeled that must be, the label is constant, or a part or a fold's is empty.
    """
    pipeline = context.pipeline
    document = _current(context)
    rows = SplitRows(pipeline, context.home, context.catalog, document)
    _check_rows(context, rows)
    _check_label(context, rows)
    document |= {  # in place: it is what `rows` divide by, which are read once
        "cuts": cuts_of(
            pipeline.split,
            rows.every_row,
            pipeline.label.name,
            clock=document["clock"],
            regression=pipeline.problem.kind == "regression",
            unlabeled=pipeline.problem.kind == "anomaly",
        )
    }
    split = fingerprint([pipeline.label, pipeline.split])
    document["data_version"] += f"-{split[:6]}"
    counts = {part: _count(rows, part) for part in PARTS}
    folds = [_fold_count(rows, fold) for fold in range(1, rows.folds + 1)]
    learns_from = pipeline.problem.learns_from
    each = "labeled" if learns_from == "with" else "rows"
    left_out = rows.outcomes("all", learns_from).len() - sum(counts[p][each] for p in PARTS)
    leaks = [asdict(leak) for leak in leaks_in(rows)]
    _store(context, document | {"counts": counts, "folds": folds, "leaks": leaks})
    return Outcome(
        rows_in=rows.height,
        rows_out=sum(c["rows"] for c in counts.values()),
        outputs={
            "data_version": document["data_version"],
            "parts": counts,
            "folds": folds,
            "left_out": left_out,
            "leaks": leaks,
        },
    )


def _store(context: Context, document: versions.Document) -> None:
    """Store the data version, and tell of each leak that is suspected in it."""
    with context.catalog.transaction() as connection:
        tables.put(
            connection,
            tables.data_versions,
            data_version=document["data_version"],
            document=document,
            created_at=context.now(),
        )
        for leak in document["leaks"]:
            tables.emit(
                connection,
                "leak suspected",
                leak["kind"],
                severity="warning",
                run_id=context.run_id,
                reason=f"{leak['what']} {leak['fix']}",
                columns=leak["columns"],
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
    labels = rows.outcomes("all", "with")
    if labels.is_empty():
        raise DataError(
            f"no row has a known {name!r}.",
            where=f"label {name!r} of dataset {context.pipeline.label.of.name!r}",
            fix="Check label.on and label.value: event IDs must be the same in both datasets.",
        )
    target_numbers(labels, context.pipeline, classes_of(labels, context.pipeline))
    if labels.n_unique() < 2:
        raise DataError(
            f"the target {name!r} is constant: {labels[0]} in all {labels.len()} rows.",
            where=f"label {name!r}",
            fix="There is nothing to learn; check label.value.",
        )


def _used(rows: SplitRows, part: str) -> str:
    """Return what a part must have: rows ``with`` a label, or ``both``.

    What is unusual is learned from all rows; labels, if there are any, only measure.
    """
    problem = rows.pipeline.problem
    if part == "train":
        return problem.learns_from
    return "with" if problem.needs_labels else "both"


def _count(rows: SplitRows, part: str) -> dict[str, Any]:
    label = rows.outcomes(part, "both")
    labeled = label.drop_nulls()
    if (labeled if _used(rows, part) == "with" else label).is_empty():
        raise _empty(rows, part, rows.folds)
    counts: dict[str, Any] = {"rows": label.len(), "labeled": labeled.len()}
    if rows.pipeline.problem.kind in ("binary", "anomaly") and labeled.len():
        counts["base_rate"] = labeled.cast(bool).mean()
    return counts


def _fold_count(rows: SplitRows, fold: int) -> dict[str, int]:
    """Return how many rows a fold trains and validates on."""
    found = {
        part: rows.outcomes(part, _used(rows, part), fold=fold).len()
        for part in ("train", "validation")
    }
    for part, count in found.items():
        if not count:
            raise _empty(rows, part, fold)
    return found


def _empty(rows: SplitRows, part: str, fold: int) -> DataError:
    of = "" if fold == rows.folds else f" of fold {fold}"
    fix = "Give it a larger share, or shorten the gap."
    if _used(rows, part) == "both":
        return DataError(f"the {part} part{of} has no row.", where="the split", fix=fix)
    split, name = rows.pipeline.split, rows.pipeline.label.name
    labeled = rows.every_row.filter(pl.col(name).is_not_null())
    where = f"split of {labeled.height} labeled rows"
    if isinstance(split, SplitByTime) and split.purge:
        unpurged = replace(split, purge=False)
        found = divide(unpurged, rows.document, labeled, name, part, fold)
        if found.any():
            return DataError(
                f"of the {found.sum()} rows of the {part} part{of} no label was settled in time.",
                where=where,
                fix="Give it a larger share, or say purge=False and use labels that came later.",
            )
    return DataError(f"the {part} part{of} has no labeled row.", where=where, fix=fix)
