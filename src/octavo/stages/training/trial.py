"""One trial: encode, fit, check the arrays against the native model, measure, store."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from octavo.bundle import ENCODERS, Bundle
from octavo.bundle.metrics import figure
from octavo.bundle.profile import Profile, profile, save_profile
from octavo.bundle.targets import classes_of, target_numbers
from octavo.definition import Ngrams, Pipeline, fingerprint
from octavo.definition.events import EVENT_TIME
from octavo.errors import DefinitionError
from octavo.stages.contract import Context, Segregation
from octavo.stages.training.algorithms import Task, take_over
from octavo.stages.training.search import Proposal


@dataclass(frozen=True)
class Material:
    """What all trials of a search share; it stays in memory while they run."""

    train: pl.DataFrame
    validation: pl.DataFrame
    truth: np.ndarray
    """Shape (train rows,): see `octavo.bundle.targets.target_numbers`."""
    validation_truth: np.ndarray
    classes: list[str]
    trained_until: int
    """Newest event time the search sees, microseconds."""
    left_out: list[str]
    """Features that can be no model input: times, which are there to derive durations from."""

    @classmethod
    def of(
        cls, pipeline: Pipeline, segregation: Segregation, most: int, fold: int | None = None
    ) -> "Material":
        """Read a fold's training and validation parts and turn labels into numbers.

        Of a part with more than ``most`` rows so many are drawn.
        """
        train, validation = (
            segregation.data(part, pipeline.problem.learns_from, fold=fold, most=most)
            for part in ("train", "validation")
        )
        name = pipeline.label.name
        seen_by_model = pipeline.features if pipeline.inputs is None else pipeline.inputs
        times = [f for f in seen_by_model if train.schema[f].is_temporal()]
        features = [f for f in seen_by_model if f not in times]
        if pipeline.problem.kind == "anomaly":
            train = _telling(train, features)
        classes = classes_of(train[name], pipeline)
        seen = pl.concat([train[EVENT_TIME], validation[EVENT_TIME]]).cast(pl.Int64)
        return cls(
            train.select(features),
            validation.select(features),
            target_numbers(train[name], pipeline, classes),
            target_numbers(validation[name], pipeline, classes),
            classes,
            int(np.max(seen.to_numpy())),
            times,
        )


def _telling(train: pl.DataFrame, features: list[str]) -> pl.DataFrame:
    """Leave out rows of which no input is known: a series that has just begun is not usual.

    Raises
    ------
    DefinitionError
        If an input is no number, so that more of it cannot be more unusual.
    """
    for name in features:
        if not (train.schema[name].is_numeric() or train.schema[name] == pl.Boolean):
            raise DefinitionError(
                f"the input {name!r} is {train.schema[name]}, and more of it means nothing.",
                where="Pipeline.inputs",
                fix="Name numbers that say how unusual a row is.",
            )
    return train.filter(pl.any_horizontal(pl.col(features).is_not_null()))


@dataclass(frozen=True)
class Trained:
    """A candidate on disk and how it does on validation, in the problem's metric."""

    candidate_id: str
    figures: list[float]
    """One for each fold, oldest first; the last is that of the candidate itself."""

    @property
    def figure(self) -> float:
        """The mean over the folds."""
        return float(np.mean(self.figures))


def run_trial(
    context: Context, proposal: Proposal, material: Material, segregation: Segregation
) -> Trained:
    """Fit one candidate and store it under the hash of what it computes.

    It is trained on the last fold. What the same proposal learns from earlier ones is measured
    and forgotten.
    """
    earlier = range(1, segregation.folds)
    figures = [_earlier(context, proposal, segregation, fold) for fold in earlier]
    bundle = fit(context.pipeline, context.settings, proposal, material, segregation)
    predicted = bundle.predict(material.validation)
    metric = context.pipeline.problem.metric
    figures.append(figure(metric, material.validation_truth, predicted))
    candidate_id = f"candidate-{bundle.content_hash[:12]}"
    folder = context.home.candidate(candidate_id)
    if not folder.exists():
        bundle.save(folder)
    save_profile(_profile(material, bundle, predicted), folder)
    return Trained(candidate_id, figures)


def _earlier(context: Context, proposal: Proposal, segregation: Segregation, fold: int) -> float:
    # Read anew for each trial: the rows of all folds together are several times those of train.
    material = Material.of(context.pipeline, segregation, context.settings["rows"], fold)
    bundle = fit(context.pipeline, context.settings, proposal, material, segregation)
    predicted = bundle.predict(material.validation)
    return figure(context.pipeline.problem.metric, material.validation_truth, predicted)


def fit(
    pipeline: Pipeline,
    settings: Mapping[str, Any],
    proposal: Proposal,
    material: Material,
    segregation: Segregation,
) -> Bundle:
    """Fit a model on the training part, and put it into a bundle."""
    algorithm = proposal.algorithm
    began = time.monotonic()
    encoder = ENCODERS[algorithm.encoder].fit(material.train, texts=_texts(pipeline, material))
    matrix = encoder.transform(material.train)
    encoded = time.monotonic()
    fitted = algorithm.fit(
        matrix,
        material.truth,
        proposal.params,
        Task(pipeline.problem.kind, settings["seed"], settings["threads"]),
    )
    ended = time.monotonic()
    model = take_over(algorithm, fitted, encoder.transform(material.validation))
    known = material.truth[~np.isnan(material.truth)]
    return Bundle(
        model=model,
        encoder=encoder,
        target=pipeline.label.name,
        algorithm=algorithm.name,
        classes=tuple(material.classes),
        params=proposal.params,
        learned={
            "label": fingerprint([pipeline.label, pipeline.problem.kind]),
            "trained_until": material.trained_until,
            "rows": material.train.height,
            "mean": float(known.mean()) if known.size else None,
        },
        threshold=None if pipeline.problem.budget is None else 1 - pipeline.problem.budget,
        fingerprints={name: segregation.features[name] for name in encoder.schema},
        data_version={"id": segregation.data_version, "positions": segregation.positions},
        timings={"encode": encoded - began, "fit": ended - encoded},
    )


def _texts(pipeline: Pipeline, material: Material) -> dict[str, Ngrams]:
    return {name: how for name, how in pipeline.texts.items() if name in material.train.columns}


def _profile(material: Material, bundle: Bundle, predicted: np.ndarray) -> Profile:
    """Describe the training features, and the predictions made on validation."""
    output = predicted if predicted.ndim == 1 else predicted.max(axis=1)
    described = profile(material.train, list(bundle.schema), texts=bundle.encoder.texts)
    return {"features": described} | profile(pl.DataFrame({"prediction": output}), ["prediction"])
