"""Stage 1: the business question, in a form that the other stages can act on."""

from dataclasses import dataclass
from typing import Literal

from octavo.definition.arguments import instance
from octavo.definition.fingerprint import Declaration
from octavo.definition.names import check_name, one_of
from octavo.errors import DefinitionError

Kind = Literal["binary", "multiclass", "regression", "anomaly"]

METRICS: dict[str, dict[str, bool]] = {
    "binary": {"average_precision": True, "roc_auc": True, "log_loss": False, "brier": False},
    "multiclass": {"accuracy": True, "balanced_accuracy": True, "log_loss": False},
    "regression": {"r2": True, "mae": False, "rmse": False},
    "anomaly": {"alarm_ratio": False, "average_precision": True, "roc_auc": True},
}
"""For each kind of problem its metrics, and whether more is better. ``alarm_ratio`` needs no
labels: how many times more, or fewer, rows raise an alarm than the budget says."""


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

    def __post_init__(self) -> None:
        check_name(self.target, where="Problem.target")
        one_of(self.kind, METRICS, where="Problem.kind")
        one_of(self.metric, METRICS[self.kind], where="Problem.metric")
        self._check_budget()
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

    def _check_at_least(self) -> None:
        if isinstance(self.at_least, Lift):
            if self.metric == "r2":
                raise DefinitionError(
                    "the trivial baseline's r2 is 0, and so is any multiple of it.",
                    where="Problem.at_least",
                    fix="Give a number, such as 0.3.",
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
