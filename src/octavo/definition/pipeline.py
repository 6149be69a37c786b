"""The whole definition: one object from which all eight stages work, offline and online."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from octavo.definition.arguments import columns, instance, listed
from octavo.definition.dataset import Dataset
from octavo.definition.evaluation import Evaluation, Gate
from octavo.definition.expressions import check_row_expression, output_name
from octavo.definition.features import View
from octavo.definition.fingerprint import BY_NAME, Declaration, beside, fingerprint
from octavo.definition.label import Label
from octavo.definition.names import unique
from octavo.definition.ngrams import Ngrams
from octavo.definition.notify import Notify, notifies
from octavo.definition.problem import Problem
from octavo.definition.schedule import Schedule
from octavo.definition.split import Split, SplitByHash, SplitByTime, SplitStratified
from octavo.definition.training import Monitor, Replace, Training
from octavo.errors import DefinitionError


@dataclass(frozen=True, eq=False)
class Pipeline(Declaration):
    """A problem and everything needed to answer it. Building one does no I/O.

    Raises
    ------
    DefinitionError
        If the parts do not fit together.
    """

    problem: Problem
    datasets: Sequence[Dataset]
    rows: Dataset = field(metadata=BY_NAME)
    """Whose events are predicted: each is one row."""
    label: Label = None  # type: ignore[assignment]
    """The outcome of each row. None, for anomalies: no row's is ever told."""
    views: Sequence[View] = ()
    row: Sequence[pl.Expr] = ()
    """Features from the row's own columns."""
    derived: Sequence[pl.Expr] = ()
    """Features from row and window features, computed where a row is put together."""
    inputs: Sequence[str] | None = None
    """The features that a model sees; None: all of them. For anomalies they must be named: each
    says how unusual a row is, more being more unusual."""
    texts: Mapping[str, Ngrams] = field(default_factory=dict)
    """Features of free text, and how they are read; other texts are categories."""
    split: Split = field(default_factory=SplitByTime)
    training: Training = field(default_factory=Training)
    evaluation: Evaluation = field(default_factory=Evaluation)
    gate: Gate = field(default_factory=Gate)
    deployment: Replace = field(default_factory=Replace)
    monitor: Monitor = field(default_factory=Monitor)
    notify: Sequence[Notify] = beside(())
    """Where people are told of events: `Notify`, or a URL alone. What is stored of a URL is its
    redacted form."""

    def __post_init__(self) -> None:
        if self.label is None:
            object.__setattr__(self, "label", self._untold())
        self._check_kinds()
        unique((d.name for d in self.datasets), kind="dataset", where="Pipeline.datasets")
        online = ((d.online.name or d.name) for d in self.datasets if d.online is not None)
        unique(online, kind="stream", where="Pipeline.datasets")
        unique((v.name for v in self.views), kind="view", where="Pipeline.views")
        self._check_datasets()
        for kind in ("row", "derived"):
            for expression in getattr(self, kind):
                check_row_expression(expression, where=f"Pipeline.{kind}")
        self._check_features()
        self._check_inputs()
        self._check_texts()
        self._check_groups()
        self._check_training()
        self._check_deployment()
        self._check_target()
        fingerprint(self)  # fails if anything in it has no fixed meaning

    def _untold(self) -> Label:
        """Return the label of rows that nobody will ever label."""
        if getattr(self.problem, "needs_labels", True):
            raise DefinitionError(
                "there is no label.",
                where="Pipeline.label",
                fix='Give one; only an anomaly problem measured by "alarm_ratio" needs none.',
            )
        untold = pl.lit(None, dtype=pl.Boolean)
        return Label(self.problem.target, of=self.rows, value=untold)

    def _check_kinds(self) -> None:
        lists = {"datasets": Dataset, "views": View, "row": pl.Expr, "derived": pl.Expr}
        for name, kind in lists.items():
            items = listed(getattr(self, name), kind, where=f"Pipeline.{name}")
            object.__setattr__(self, name, items)
        parts = {
            "problem": Problem,
            "rows": Dataset,
            "label": Label,
            "split": (SplitByTime, SplitByHash, SplitStratified),
            "training": Training,
            "evaluation": Evaluation,
            "gate": Gate,
            "deployment": Replace,
            "monitor": Monitor,
        }
        for name, kind in parts.items():
            instance(getattr(self, name), kind, where=f"Pipeline.{name}")
        object.__setattr__(self, "notify", notifies(self.notify, where="Pipeline.notify"))

    def _check_datasets(self) -> None:
        used = [("Pipeline.rows", self.rows), ("Pipeline.label", self.label.of)]
        used += [(f"View {v.name!r}", w.dataset) for v in self.views for w in v.windows]
        names = [d.name for d in self.datasets]
        for where, dataset in used:
            if dataset.name not in names:
                raise DefinitionError.unknown("dataset", dataset.name, names, where=where)
            if dataset not in self.datasets:
                raise DefinitionError(
                    f"the dataset {dataset.name!r} is not the one listed in datasets.",
                    where=where,
                    fix="Use the same ov.Dataset object in both places.",
                )
        self._check_label()
        if self.rows.is_static:
            self._check_timeless()

    def _check_label(self) -> None:
        """Refuse a label that does not meet its rows."""
        on = tuple(self.label.on or ())
        if not on and self.label.of is self.rows:
            return
        where = f"Label {self.label.name!r}"
        if not self.rows.identity:
            raise DefinitionError(
                f"the predicted rows ({self.rows.name!r}) have no event_id to meet it by.",
                where=where,
                fix="Declare event_id on that dataset; only rows that tell their own outcome "
                "(of= the rows, without on=) need none.",
            )
        if on != self.rows.identity:
            raise DefinitionError(
                f"the label meets rows on {list(on)}, but their event_id is "
                f"{list(self.rows.identity)}.",
                where=where,
                fix="Make label.on the event_id of the predicted rows.",
            )

    def _check_timeless(self) -> None:
        """Refuse what rows without an event time cannot have."""
        where = f"Pipeline.rows, {self.rows.name!r} without event_time"
        if isinstance(self.split, SplitByTime):
            raise DefinitionError(
                "there is no time to split by.",
                where=where,
                fix="Declare event_time, or split=ov.SplitStratified().",
            )
        for view in self.views:
            for window in view.windows:
                if not window.dataset.is_static:
                    raise DefinitionError(
                        f"view {view.name!r} observes {window.dataset.name!r}, whose events happen "
                        "after every such row and are seen by none.",
                        where=where,
                        fix="Declare event_time on the rows, or observe static datasets only.",
                    )

    def _check_features(self) -> None:
        unique(self.features, kind="feature", where="Pipeline")
        if not self.features:
            raise DefinitionError(
                "there is no feature.", where="Pipeline", fix="Add row= or views=."
            )
        for name in self.features:
            if name.startswith(("_", "key:")):
                raise DefinitionError(
                    f"the feature {name!r} is named as Octavo names its own columns.",
                    where="Pipeline",
                    fix='Rename it with .alias("…").',
                )
        for expression in self.derived:
            for name in expression.meta.root_names():
                self._check_derived(output_name(expression, where="Pipeline.derived"), name)

    def _check_derived(self, feature: str, used: str) -> None:
        """Refuse what cannot be a feature or column; whether a column exists only data can tell."""
        where = f"Pipeline.derived, {feature!r}"
        if used in self.derived_features:
            raise DefinitionError(
                f"it uses {used!r}, which is itself derived.",
                where=where,
                fix=f"Write out what {used!r} is.",
            )
        view, divided, _ = used.partition("__")
        if used not in self.features and divided and view in [v.name for v in self.views]:
            raise DefinitionError.unknown("feature", used, self.features, where=where)

    def _check_inputs(self) -> None:
        if self.inputs is not None:
            object.__setattr__(self, "inputs", columns(self.inputs, where="Pipeline.inputs"))
            unique(self.inputs, kind="input", where="Pipeline.inputs")
            for name in self.inputs:
                if name not in self.features:
                    raise DefinitionError.unknown(
                        "feature", name, self.features, where="Pipeline.inputs"
                    )
        if not self.inputs and (self.inputs is not None or self.problem.kind == "anomaly"):
            raise DefinitionError(
                "no feature is named that the model sees.",
                where="Pipeline.inputs",
                fix="Name features that say how unusual a row is; ov.Deviations makes some.",
            )

    def _check_texts(self) -> None:
        instance(self.texts, Mapping, where="Pipeline.texts")
        object.__setattr__(self, "texts", dict(self.texts))
        for name, how in self.texts.items():
            instance(how, Ngrams, where=f"Pipeline.texts[{name!r}]")
            if name not in self.features:
                raise DefinitionError.unknown(
                    "feature", name, self.features, where="Pipeline.texts"
                )

    def _check_groups(self) -> None:
        for name in ("slices", "fairness"):
            for feature in getattr(self.evaluation, name):
                if feature not in self.features:
                    raise DefinitionError.unknown(
                        "feature", feature, self.features, where=f"Evaluation.{name}"
                    )
        if self.evaluation.fairness and self.problem.kind != "binary":
            raise DefinitionError(
                f"gaps between groups are those of yes and no; the problem is {self.problem.kind}.",
                where="Evaluation.fairness",
                fix="Name the features in slices instead.",
            )

    def _check_deployment(self) -> None:
        """Refuse checks of inputs that are no features; of outputs only a model can tell."""
        seen = self.features if self.inputs is None else self.inputs
        for check in self.deployment.check_inputs:
            for name in check.condition.meta.root_names():
                if name not in seen:
                    where = f"Replace.check_inputs, {check.name!r}"
                    raise DefinitionError.unknown("feature", name, seen, where=where)

    def _check_training(self) -> None:
        """Refuse columns that training is told of and that are not there, or mean nothing."""
        training, kind = self.training, self.problem.kind
        weights = [] if training.weights in (None, "balanced") else [training.weights]
        named = {"weights": weights, "monotone": training.monotone, "encodings": training.encodings}
        for field_, names in named.items():
            for name in names:
                if name not in self.features:
                    where = f"Training.{field_}"
                    raise DefinitionError.unknown("feature", name, self.features, where=where)
        if training.weights == "balanced" and kind not in ("binary", "multiclass"):
            raise DefinitionError(
                f"a {kind} problem has no classes that could weigh the same.",
                where="Training.weights",
                fix="Name a feature of positive numbers, or leave it out.",
            )
        if training.monotone and kind not in ("binary", "regression"):
            raise DefinitionError(
                f"the answer to a {kind} problem does not rise or fall.",
                where="Training.monotone",
                fix="Leave it out.",
            )
        if not self.seen:
            raise DefinitionError(
                "the only feature is what rows weigh.", where="Pipeline", fix="Add another."
            )

    def _check_target(self) -> None:
        if self.problem.target != self.label.name:
            raise DefinitionError.unknown(
                "label", self.problem.target, [self.label.name], where="Problem.target"
            )
        if self.label.name in self.features:
            raise DefinitionError(
                f"the target {self.label.name!r} is also a feature.",
                where="Pipeline",
                fix="Remove it from the features: it would be read from the future.",
            )

    def dataset(self, name: str) -> Dataset:
        """Return a dataset by name."""
        found = {d.name: d for d in self.datasets}
        if name not in found:
            raise DefinitionError.unknown("dataset", name, found)
        return found[name]

    def view(self, name: str) -> View:
        """Return a view by name."""
        found = {v.name: v for v in self.views}
        if name not in found:
            raise DefinitionError.unknown("view", name, found)
        return found[name]

    @property
    def row_features(self) -> list[str]:
        """Names of the features from the row itself."""
        return [output_name(e, where="Pipeline.row") for e in self.row]

    @property
    def derived_features(self) -> list[str]:
        """Names of the features computed from other features."""
        return [output_name(e, where="Pipeline.derived") for e in self.derived]

    @property
    def features(self) -> list[str]:
        """Names of all features, in the order a model sees them."""
        windows = [feature.name for view in self.views for feature in view.features]
        return [*self.row_features, *windows, *self.derived_features]

    @property
    def seen(self) -> list[str]:
        """Names of the features that a model sees, unless their type is none for a model."""
        names = self.features if self.inputs is None else self.inputs
        return [name for name in names if name != self.training.weights]

    @property
    def algorithms(self) -> Sequence[Any]:
        """The algorithms to search: those named, or the usual ones for the problem's kind."""
        if self.training.algorithms is not None:
            return self.training.algorithms
        if self.problem.kind == "anomaly":
            return ("tails",)
        linear = "linear" if self.problem.kind == "regression" else "logistic"
        return ("lightgbm", linear)

    @property
    def schedules(self) -> dict[str, Schedule]:
        """The schedules there are, by stage, of datasets and views with ``/`` and their name."""
        declared = {f"ingestion/{dataset.name}": dataset.schedule for dataset in self.datasets}
        declared |= {f"prep/{view.name}": view.schedule for view in self.views}
        declared |= {
            "training": self.training.schedule,
            "evaluation": self.evaluation.schedule,
            "deployment": self.deployment.schedule,
            "monitoring": self.monitor.schedule,
        }
        return {part: schedule for part, schedule in declared.items() if schedule is not None}

    @property
    def fingerprint(self) -> str:
        """Changes with the meaning of the definition, not with its comments or paths."""
        return fingerprint(self)
