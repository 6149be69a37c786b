"""Search: trial after trial, each a candidate, until one answers or the budget is spent.

Trial k's parameters are a function of the trials before it alone, so that a search killed and
resumed proposes what the undisturbed one would have.
"""

import inspect
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from octavo.bundle.metrics import measured, trivial
from octavo.bundle.ranking import ranked
from octavo.definition import Pipeline, fingerprint
from octavo.definition.durations import microseconds
from octavo.errors import DataError
from octavo.stages.contract import Context, Outcome, Segregation
from octavo.stages.parts import Part, Parts, named, replaced, whole
from octavo.stages.training.algorithms import admits
from octavo.stages.training.material import Material
from octavo.stages.training.search import Search, chosen
from octavo.stages.training.study import Study
from octavo.stages.training.trial import Terms
from octavo.stores import catalog as tables
from octavo.stores.catalog import Row

WARM = 2
"""Parameters of an algorithm that a new study takes over from earlier ones, at the most."""

# Threads of a fit that wait for each other by spinning multiply its time on a busy machine. Read
# when the first training library is loaded, which happens within a trial.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def inputs(context: Context) -> Parts:
    """Return the data version, the settings and the features and metric asked for."""
    pipeline, settings = context.pipeline, dict(context.settings)
    asked = {name: getattr(pipeline, name) for name in ("row", "derived", "inputs")}
    asked["problem"] = _asked(pipeline)
    kept, which = named("setting", settings)
    settings_kept = {"version": context.config_version, "values": kept}
    return {
        "data version": replaced("data version", context.segregation().data_version),
        "settings": Part(settings, settings_kept, partial(_settings, which)),
        "features": Part(pipeline.features, *named("feature", dict.fromkeys(pipeline.features))),
        "asked": Part(fingerprint([*asked.values()]), *named("part", asked)),
        "figure needed": Part(fingerprint(_needed(context))),
        "columns": Part(fingerprint([pipeline.texts, *_columns(pipeline)])),
        "algorithms": Part([_source(algorithm) for algorithm in pipeline.algorithms]),
    }


def _settings(which: Callable[..., str], before: Any, now: Any) -> str:
    """Say which settings changed, and of which version they are."""
    told = which(before["values"], now["values"])
    versions = before["version"], now["version"]
    return f"training settings version {versions[1]}: {told}" if len({*versions}) > 1 else told


def _source(algorithm: Any) -> Any:
    """Return an algorithm's name; of the user's own also what it does, as far as it is written."""
    if isinstance(algorithm, str):
        return algorithm
    functions = [f for _, f in sorted(vars(type(algorithm)).items()) if inspect.isfunction(f)]
    return [algorithm.name, *filter(None, map(_written, functions))]


def _written(function: Callable[..., Any]) -> str | None:
    """Return a function's source; None if it stands in no file, as what a dataclass adds."""
    try:
        return inspect.getsource(function)
    except OSError:
        return None


def _columns(pipeline: Pipeline) -> list[Any]:
    """Return what training is told of columns."""
    training = pipeline.training
    return [training.weights, training.monotone, training.encodings]


def _asked(pipeline: Pipeline) -> list[Any]:
    problem = pipeline.problem
    return [problem.kind, problem.metric, problem.budget, problem.k, problem.costs]


def _needed(context: Context) -> list[Any]:
    """Return the figure that ends the search, if one does."""
    problem = context.pipeline.problem
    return [problem.at_least, problem.at_most] if context.settings["trials"] is None else []


def run(context: Context) -> Outcome:
    """Run the trials that are not done yet, and make the most of the best."""
    name = "study-" + whole(inputs(context))[:12]
    segregation, settings = context.segregation(), context.settings
    scratch = context.home.scratch(name)
    folds, first = _materials(context, segregation, scratch)
    study = Study(
        context,
        name,
        Terms.of(context.pipeline, settings, segregation, context.home.candidates, folds),
        Search(
            searched=chosen(context.pipeline, settings),
            seed=settings["seed"],
            more_is_better=context.pipeline.problem.more_is_better,
            at_once=settings["parallel"],
            warm=_begin(context, name),
        ),
        microseconds(settings["budget"], where="training.budget") / 1e6,
        lambda found: context.pipeline.problem.answers(found, first),
    )
    study.run()
    rows = study.record.rows
    if study.record.best() is None:
        raise DataError(
            f"all {len(rows)} trials failed; the last: {rows[-1]['error']}",
            where="training",
            fix="See `octavo candidates --trials`, and check the features.",
        )
    told = _told(name, rows)
    with context.catalog.transaction() as connection:
        table = tables.studies
        finished = table.update().where(table.c.study == name)
        connection.execute(finished.values(trials=told["trials"], finished_at=context.now()))
    counted = Material.load(folds[-1])
    shutil.rmtree(scratch, ignore_errors=True)
    return Outcome(
        rows_in=counted.train.height + counted.validation.height,
        rows_out=sum(row["state"] == "complete" for row in rows),
        outputs=told | {"most": settings["rows"], "drawn": _drawn(context)},
    )


def _materials(
    context: Context, segregation: Segregation, scratch: Path
) -> tuple[tuple[Path, ...], float]:
    """Write the material of every fold, and return where, and the trivial baseline's figure."""
    for left in scratch.parent.glob("*"):
        if left != scratch:
            shutil.rmtree(left, ignore_errors=True)  # of a search that was killed and not taken up
    problem, folds, baseline, left_out = context.pipeline.problem, [], [], []
    for fold in range(1, segregation.folds + 1):
        folder = scratch / f"fold-{fold}"
        if not folder.exists():
            most = context.settings["rows"]
            material = _material(context, segregation, most, fold)
            draft = folder.with_name(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            material.save(draft).rename(folder)
        material = Material.load(folder)
        truth = material.validation_truth
        guess = trivial(problem.kind, material.truth, truth.size)
        baseline.append(measured(problem, truth, guess))
        folds.append(folder)
        left_out = material.left_out
    if left_out:
        context.catalog.emit(
            "no model input",
            ", ".join(left_out),
            run_id=context.run_id,
            reason="times can only be used in derived features, such as the duration between two",
        )
    return tuple(folds), float(np.mean(baseline))


def _material(context: Context, segregation: Segregation, most: int, fold: int) -> Material:
    try:
        return Material.of(context.pipeline, segregation, most, fold)
    except DataError as error:
        if fold == segregation.folds:
            raise
        fix = "Use fewer folds, or join rare classes."
        where = f"{error.where}, fold {fold} of {segregation.folds}"
        raise DataError(error.what, where=where, fix=fix) from error


def _begin(context: Context, name: str) -> dict[str, list[dict[str, Any]]]:
    """Record the study, if it is new, with what it takes over from earlier ones; return that."""
    table = tables.studies
    _forget_failures(context, name)
    known = context.catalog.one(sa.select(table).where(table.c.study == name))
    if known is not None:
        return known["warm"] or {}
    problem = fingerprint([_asked(context.pipeline), context.pipeline.label.name])
    warm = _warm(context, problem)
    context.catalog.put(table, study=name, problem=problem, warm=warm, started_at=context.now())
    return warm


def _forget_failures(context: Context, name: str) -> None:
    """Let a study in which nothing succeeded begin anew: what it lacked may be there now."""
    trials = tables.trials
    known = context.catalog.rows(sa.select(trials.c.state).where(trials.c.study == name))
    if known and all(row["state"] != "complete" for row in known):
        with context.catalog.transaction() as connection:
            connection.execute(trials.delete().where(trials.c.study == name))


def _warm(context: Context, problem: str) -> dict[str, list[dict[str, Any]]]:
    """Return, for each algorithm, what did best in finished studies of the same problem."""
    studies, trials = tables.studies, tables.trials
    query = (
        sa.select(trials)
        .join(studies, studies.c.study == trials.c.study)
        .where(studies.c.problem == problem, studies.c.finished_at.is_not(None))
        .where(trials.c.state == "complete", trials.c.role == "trial")
        .order_by(studies.c.started_at.desc(), trials.c.number)
    )
    more = context.pipeline.problem.more_is_better
    rows = ranked(context.catalog.rows(query), more_is_better=more)
    warm: dict[str, list[dict[str, Any]]] = {}
    for algorithm in chosen(context.pipeline, context.settings):
        found: list[dict[str, Any]] = []
        for row in rows:
            new = row["params"] != algorithm.defaults() and row["params"] not in found
            if row["algorithm"] == algorithm.name and new and admits(algorithm, row["params"]):
                found.append(row["params"])
        warm[algorithm.name] = found[:WARM]
    return warm


def _told(name: str, rows: list[Row]) -> dict[str, Any]:
    """Return what the run keeps of its search."""
    states = [row["state"] for row in rows]
    return {
        "study": name,
        "trials": sum(row["role"] == "trial" for row in rows),
        "failed": states.count("failed"),
        "pruned": states.count("pruned"),
        "stopped": states.count("stopped"),
    }


def _drawn(context: Context) -> dict[str, int]:
    """Return how many rows the parts have of which not all were used."""
    segregation, learns_from = context.segregation(), context.pipeline.problem.learns_from
    rows = {p: segregation.outcomes(p, learns_from).len() for p in ("train", "validation")}
    return {part: height for part, height in rows.items() if height > context.settings["rows"]}
