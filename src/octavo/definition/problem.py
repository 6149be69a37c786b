"""Stage 1: the business question, in a form that the other stages can act on."""

from dataclasses import dataclass
from typing import Literal

from octavo.definition.arguments import instance
from octavo.definition.costs import Costs
from octavo.definition.fingerprint import Declaration
from octavo.definition.names import check_name, one_of
from octavo.errors import DefinitionError

Kind = Literal["binary", "multiclass", "regression", "anomaly"]

METRICS: dict[str, dict[str, bool]] = {
    "binary": {
        "average_precision": True,
        "roc_auc": True,
        "precision_at_k": True,
        "recall_at_k": True,
        "f1": True,
        "accuracy": True,
        "balanced_accuracy": True,
        "mcc": True,
        "log_loss": False,
        "brier": False,
        "cost": False,
    },
    "multiclass": {
        "accuracy": True,
        "balanced_accuracy": True,
        "f1_macro": True,
        "roc_auc": True,
        "log_loss": False,
    },
    "regression": {
        "r2": True,
        "mae": False,
        "median_absolute_error": False,
        "mape": False,
        "rmse": False,
    },
    "anomaly": {"alarm_ratio": False, "average_precision": True, "roc_auc": True},
}
"""For each kind of problem its metrics, and whether more is better. ``alarm_ratio`` needs no
labels: how many times more, or fewer, rows raise an alarm than the budget says. ``cost`` is that of
1,000 rows."""

DECIDED = ("f1", "accuracy", "balanced_accuracy", "mcc", "cost")
"""The metrics of a binary problem that look at yes or no, so that a threshold must be chosen."""

_AT_K = ("precision_at_k", "recall_at_k")
_COARSE = (*DECIDED, *_AT_K, "f1_macro")
_ZERO_FOR_TRIVIAL = ("r2", "mcc")


@dataclass(frozen=True, eq=False)
class Lift(Declaration):
    """A target relative to the trivial baseline of the same rows.

    For a metric where more is better the figure must reach ``times`` the baseline's; where less
    is better, the baseline's divided by ``times``. The baseline predicts the share of positives
    (the most frequent class; the mean) seen in training, so its average precision is the base rate.
    """

    times: float

    def __post_init__(self) -> None:
        instance(self.times, (int, float), where="Lift")
        if not self.times > 1:
            raise DefinitionError(
                f"a lift of {self.times} asks for nothing.", where="Lift", fix="Use more than 1."
            )


@dataclass(frozen=True, eq=False)
class Problem(Declaration):
    """The question, and the figure that answers it.

    Raises
    ------
    DefinitionError
        If kind and metric do not go together, or the target figure cannot be reached.
    """

    question: str
    """The business question, as a person would ask it."""
    target: str
    """Name of the label that answers it for one row."""
    kind: Kind
    """``binary``, ``multiclass``, ``regression`` or ``anomaly``."""
    metric: str
    """What is measured on validation and test; see `METRICS`."""
    at_least: float | Lift | None = None
    """The figure (or lift) from which the question counts as answered; more is better."""
    at_most: float | None = None
    """The same for a metric where less is better."""
    budget: float | None = None
    """For anomalies: the share of rows that may raise an alarm, such as 0.001."""
    k: float | None = None
    """For ``precision_at_k`` and ``recall_at_k``: how many rows of a part, those with the highest
    probabilities, are looked at: a whole number, or a share of them, such as 0.01."""
    costs: Costs | None = None
    """What right and wrong answers cost: the threshold from which a row counts as positive is then
    that of the least cost on validation, and the verdict tells what it costs on test."""

    def __post_init__(self) -> None:
        check_name(self.target, where="Problem.target")
        one_of(self.kind, METRICS, where="Problem.kind")
        one_of(self.metric, METRICS[self.kind], where="Problem.metric")
        self._check_budget()
        self._check_k()
        self._check_costs()
        if (self.at_least is None) == (self.at_most is None):
            raise DefinitionError(
                "the figure that answers the question is not said exactly once.",
                where="Problem",
                fix="Give either at_least=… (a number or ov.Lift(2.5)) or at_most=….",
            )
        if self.at_most is not None:
            instance(self.at_most, (int, float), where="Problem.at_most")
            if self.more_is_better:
                self._wrong_way("at_least")
            if self.metric == "alarm_ratio" and not self.at_most > 1:
                raise DefinitionError(
                    f"alarm_ratio is 1 at the best; {self.at_most} cannot be its target.",
                    where="Problem.at_most",
                    fix="Give 2 for up to twice, and no less than half, the alarms budgeted.",
                )
        if self.at_least is not None:
            instance(self.at_least, (int, float, Lift), where="Problem.at_least")
            self._check_at_least()

    def _check_budget(self) -> None:
        if (self.kind == "anomaly") != (self.budget is not None):
            raise DefinitionError(
                "a budget of alarms and a problem of kind anomaly belong together.",
                where="Problem.budget",
                fix='Give kind="anomaly" and budget=0.001 (one row in a thousand), or neither.',
            )
        if self.budget is not None:
            instance(self.budget, (int, float), where="Problem.budget")
            if not 0 < self.budget <= 0.5:
                raise DefinitionError(
                    f"{self.budget} is not the share of rows that are unusual.",
                    where="Problem.budget",
                    fix="Give a fraction such as 0.001.",
                )

    def _check_k(self) -> None:
        if (self.metric in _AT_K) != (self.k is not None):
            raise DefinitionError(
                f"k and a metric of the first k rows belong together, not k={self.k!r} and "
                f"{self.metric}.",
                where="Problem.k",
                fix='Give metric="precision_at_k" and k=100 (or a share, k=0.01), or neither.',
            )
        if self.k is not None:
            instance(self.k, (int, float), where="Problem.k")
            whole = isinstance(self.k, int) and not isinstance(self.k, bool)
            if not (self.k >= 1 if whole else 0 < self.k < 1):
                raise DefinitionError(
                    f"{self.k!r} is neither a number of rows nor a share of them.",
                    where="Problem.k",
                    fix="Give a whole number from 1 on, or a fraction such as 0.01.",
                )

    def _check_costs(self) -> None:
        if self.costs is not None:
            instance(self.costs, Costs, where="Problem.costs")
        if self.metric == "cost" and self.costs is None:
            raise DefinitionError(
                "the metric is cost, and no costs are told.",
                where="Problem.costs",
                fix="Give costs=ov.Costs(false_positive=5, false_negative=100).",
            )
        if self.costs is not None and self.kind != "binary":
            raise DefinitionError(
                f"costs are those of yes and no; the problem is {self.kind}.",
                where="Problem.costs",
                fix="Leave them out.",
            )
        if self.costs is not None and self.metric in DECIDED and self.metric != "cost":
            raise DefinitionError(
                f"the threshold is asked to be best for {self.metric} and for costs at once.",
                where="Problem.costs",
                fix='Use metric="cost", a metric without threshold, or no costs.',
            )

    def _check_at_least(self) -> None:
        if isinstance(self.at_least, Lift):
            if self.metric in _ZERO_FOR_TRIVIAL:
                raise DefinitionError(
                    f"the trivial baseline's {self.metric} is 0, and so is any multiple of it.",
                    where="Problem.at_least",
                    fix="Give a number, such as 0.3.",
                )
            if self.metric == "cost" and self.costs is not None and self.costs.has_gains:
                raise DefinitionError(
                    "a part of a cost is no target where some outcomes are gains.",
                    where="Problem.at_least",
                    fix="Give at_most=…, in units of cost per 1,000 rows.",
                )
            return
        if not self.more_is_better:
            self._wrong_way("at_most")
        if not 0 < float(self.at_least) <= 1:  # type: ignore[arg-type]
            raise DefinitionError(
                f"{self.metric} is at most 1, and 0 asks for nothing; {self.at_least} cannot be "
                "its target.",
                where="Problem.at_least",
                fix="Give a fraction such as 0.4.",
            )

    def _wrong_way(self, right: str) -> None:
        direction = "more" if self.more_is_better else "less"
        raise DefinitionError(
            f"for {self.metric} {direction} is better.", where="Problem", fix=f"Use {right}=…."
        )

    @property
    def learns_from(self) -> str:
        """Which rows train and are predicted: those ``with`` a label, or ``both``."""
        return "both" if self.kind == "anomaly" else "with"

    @property
    def needs_labels(self) -> bool:
        """Whether its metric compares with what came true."""
        return self.metric != "alarm_ratio"

    @property
    def decides(self) -> bool:
        """Whether yes or no is said beside a probability, so that a threshold is chosen."""
        return self.kind == "binary" and (self.metric in DECIDED or self.costs is not None)

    @property
    def is_coarse(self) -> bool:
        """Whether its metric counts right and wrong answers, so that on few rows many are equal.

        A ranking, or the size of an error, moves with each row's score.
        """
        return self.metric in _COARSE

    @property
    def more_is_better(self) -> bool:
        """Whether a larger figure is a better one."""
        return METRICS[self.kind][self.metric]

    def threshold(self, baseline: float) -> float:
        """Return the figure to reach, given the trivial baseline's on the same rows."""
        if isinstance(self.at_least, Lift):
            times = self.at_least.times
            return baseline * times if self.more_is_better else baseline / times
        return float(self.at_least if self.at_least is not None else self.at_most)  # type: ignore[arg-type]

    def answers(self, figure: float, baseline: float) -> bool:
        """Say whether a figure answers the question."""
        threshold = self.threshold(baseline)
        return figure >= threshold if self.more_is_better else figure <= threshold
