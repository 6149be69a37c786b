"""One trial: encode, fit, check the arrays against the native model, measure, store.

It runs in a process of its own, on what `octavo.stages.training.material` wrote; it knows nothing
of catalogs, and whatever the algorithm does there is a result.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from octavo.bundle import Bundle
from octavo.bundle.finishing import finished
from octavo.bundle.metrics import measured
from octavo.bundle.profile import Profile, profile, save_profile
from octavo.bundle.ranking import Closeness
from octavo.bundle.support import Support
from octavo.definition import Ngrams, Pipeline, Problem, fingerprint, last_value_feature
from octavo.errors import DataError, ResourceError, is_full
from octavo.stages.contract import Segregation
from octavo.stages.training import weighing
from octavo.stages.training.algorithms import Algorithm, Pruned, Task, Watch, take_over
from octavo.stages.training.material import Material
from octavo.stages.training.pruning import Pruner

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Terms:
    """What is the same for all trials of a study."""

    problem: Problem
    target: str
    """The label's name."""
    label: str
    """The label's fingerprint."""
    texts: Mapping[str, Ngrams]
    encodings: Mapping[str, str]
    weights: str | None
    monotone: Mapping[str, int]
    last: str | None
    """The feature that is the label's last known value."""
    features: Mapping[str, str]
    """Every feature's fingerprint."""
    data_version: Mapping[str, Any]
    seed: int
    threads: int
    candidates: Path
    """Where bundles are put."""
    folds: tuple[Path, ...]
    """Where the material of each fold is, oldest first; candidates are of the last."""

    @classmethod
    def of(
        cls,
        pipeline: Pipeline,
        settings: Mapping[str, Any],
        segregation: Segregation,
        candidates: Path,
        folds: tuple[Path, ...],
    ) -> "Terms":
        """Return those of a definition, settings and a data version."""
        return cls(
            problem=pipeline.problem,
            target=pipeline.label.name,
            label=fingerprint([pipeline.label, pipeline.problem.kind]),
            texts=dict(pipeline.texts),
            encodings=pipeline.training.encodings,
            weights=pipeline.training.weights,
            monotone=pipeline.training.monotone,
            last=last_value_feature(pipeline),
            features=segregation.features,
            data_version={"id": segregation.data_version, "positions": segregation.positions},
            seed=settings["seed"],
            threads=settings["threads"],
            candidates=candidates,
            folds=folds,
        )


@dataclass(frozen=True)
class Trial:
    """One to be run."""

    terms: Terms
    number: int
    algorithm: Algorithm
    params: Params
    rivals: Sequence[Mapping[int, float]] = ()
    """Losses, by step, of the same algorithm's trials so far."""
    seconds: float | None = None
    """How long the fits may take together."""


@dataclass
class Tried:
    """How it went."""

    state: str = "complete"
    """``complete``, ``pruned``, ``failed``, or ``stopped``, as it took too long."""
    figures: list[float] = field(default_factory=list)
    """In the problem's metric, on each fold's validation part; the last is the candidate's own."""
    closeness: Closeness = field(default_factory=Closeness)
    candidate_id: str | None = None
    steps: dict[int, float] = field(default_factory=dict)
    """Losses on the way, by which later trials are pruned."""
    found: dict[str, Any] = field(default_factory=dict)
    """The parameters as they turned out."""
    error: str | None = None


def ready(_: None) -> None:
    """Load what every trial needs."""
    import sklearn.metrics  # noqa: F401

    from octavo.bundle import evaluator  # noqa: F401


def run(trial: Trial) -> Tried:
    """Fit one candidate and store it under the hash of what it computes.

    It is trained on the last fold. What the same parameters learn from earlier ones is measured
    and forgotten.

    Raises
    ------
    ResourceError
        If the disk is full: no other trial would do better.
    """
    tried = Tried()
    try:
        _run(trial, tried)
    except Pruned:
        tried.state = "pruned"
    except Exception as error:
        if is_full(error):
            raise ResourceError.disk_full(where=str(trial.terms.candidates)) from error
        tried.state, tried.error = "failed", f"{type(error).__name__}: {error}"
    return tried


def _run(trial: Trial, tried: Tried) -> None:
    terms = trial.terms
    each = None if trial.seconds is None else trial.seconds / len(terms.folds)
    pruner = Pruner(trial.rivals, tried.steps, each)
    sign = -1 if terms.problem.more_is_better else 1
    told = []
    for folder in terms.folds[:-1]:
        told.append(_validated(trial, folder, pruner, tried)[1])
        pruner.next_fold(sign * float(np.mean(tried.figures)))
    bundle, predicted = _validated(trial, terms.folds[-1], pruner, tried)
    truths = [Material.load(folder).validation_truth for folder in terms.folds]
    tried.closeness = Closeness.of(terms.problem, truths, [*told, predicted])
    material = Material.load(terms.folds[-1])
    bundle = finished(bundle, predicted, material.validation_truth, terms.problem)
    calibrated = bundle.calibrated(predicted)
    tried.candidate_id = store(bundle, material, material.train, calibrated, terms.candidates)
    tried.found = dict(bundle.params)  # plain values, or they could not have been stored


def _validated(
    trial: Trial, folder: Path, pruner: Pruner, tried: Tried
) -> tuple[Bundle, np.ndarray]:
    """Fit on one fold, and note how good it is there."""
    material = Material.load(folder)
    bundle = fit(trial, material, folder, pruner)
    predicted = bundle.predict(material.validation)
    np.save(predictions(folder, trial.number), predicted)
    found = measured(trial.terms.problem, material.validation_truth, predicted)
    if np.isnan(found):
        raise DataError(
            f"{trial.terms.problem.metric} means nothing there: all outcomes are the same.",
            where=f"validation part of {folder.name}",
            fix="Give validation a larger share, or use fewer folds.",
        )
    tried.figures.append(found)
    return bundle, predicted


def predictions(fold: Path, number: int) -> Path:
    """Return where the predictions are that a trial made for a fold's validation part."""
    return fold / f"predicted-{number}.npy"


def store(
    bundle: Bundle,
    material: Material,
    train: pl.DataFrame,
    predicted: np.ndarray,
    candidates: Path,
) -> str:
    """Put a candidate on disk with its profile, and return its ID.

    Parameters
    ----------
    material
        Its validation part says how usual it is to be outside of what its training part has.
    train
        The features it was trained on.
    predicted
        What was predicted for the validation part, not having seen it; calibrated.
    """
    candidate_id = f"candidate-{bundle.content_hash[:12]}"
    folder = candidates / candidate_id
    if not folder.exists():
        try:
            bundle.save(folder)
        except (OSError, ResourceError):
            if not folder.exists():  # else a trial beside this one has found the very same
                raise
    save_profile(_profile(bundle, material, train, predicted), folder)
    return candidate_id


def fit(trial: Trial, material: Material, folder: Path, pruner: Pruner | None = None) -> Bundle:
    """Fit a model on the training part, and put it into a bundle.

    Parameters
    ----------
    folder
        Where encoded rows are kept.
    pruner
        Told how the fit goes on the validation part, which also ends it; None: that part is not
        looked at, and the parameters say how far it goes.
    """
    terms, algorithm = trial.terms, trial.algorithm
    began = time.monotonic()
    encoder, X, beside = material.encoded(algorithm.encoder, terms.encodings, terms.texts, folder)
    encoded = time.monotonic()
    watch = None
    if pruner is not None and terms.problem.kind != "anomaly":
        metric = terms.problem.metric
        watch = Watch(beside, material.validation_truth, metric, pruner.report)
    task = Task(
        terms.problem.kind,
        terms.seed,
        terms.threads,
        weighing.weights(terms.weights, material.truth, material.weights),
        weighing.monotone(terms.monotone, encoder),
        watch,
        weighing.place(terms.last, encoder),
    )
    fitted = algorithm.fit(X, material.truth, trial.params, task)
    ended = time.monotonic()
    known = material.truth[~np.isnan(material.truth)]
    return Bundle(
        model=take_over(algorithm, fitted, beside),
        encoder=encoder,
        target=terms.target,
        algorithm=algorithm.name,
        classes=tuple(material.classes),
        params=getattr(fitted, "params", None) or trial.params,
        learned={
            "label": terms.label,
            "trained_until": material.trained_until,
            "rows": material.train.height,
            "mean": float(known.mean()) if known.size else None,
        },
        threshold=None if terms.problem.budget is None else 1 - terms.problem.budget,
        fingerprints={name: terms.features[name] for name in encoder.schema},
        data_version=terms.data_version,
        timings={"encode": encoded - began, "fit": ended - encoded},
    )


def _profile(
    bundle: Bundle, material: Material, train: pl.DataFrame, predicted: np.ndarray
) -> Profile:
    """Describe the training features, and the predictions made on validation."""
    output = predicted if predicted.ndim == 1 else predicted.max(axis=1)
    described = profile(train, list(bundle.schema), texts=bundle.encoder.texts)
    columns = bundle.encoder.columns
    seen = Support.learn(columns, material.train)
    known = seen if train is material.train else Support.learn(columns, train)
    known = replace(known, least=seen.calibrated(columns, material.validation))
    support = {"support": known.to_dict()}
    told = profile(pl.DataFrame({"prediction": output}), ["prediction"])
    return {"features": described, **told, **support}
