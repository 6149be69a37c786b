"""The verdict: whether the question is answered, whether the candidate goes live, and why."""

from dataclasses import dataclass
from typing import Any

from octavo.definition import Gate, Problem


@dataclass(frozen=True)
class Verdict:
    """What evaluation found; figures are in units of the problem's metric."""

    answered: bool
    """Whether the candidate reaches the problem's figure on validation and on test."""
    promoted: bool
    """Whether it takes the champion's place: it answers, and nothing stands against it."""
    needs_approval: bool
    """Whether a person must approve of that."""
    reason: str
    candidate: str
    algorithm: str
    metric: str
    validation: float
    """Mean over the folds, of the probabilities before they were calibrated."""
    validation_baseline: float
    validation_threshold: float
    test: float
    test_interval: tuple[float, float]
    baseline: float
    threshold: float
    test_rows: int
    gain: dict[str, Any]
    """How much better than the trivial baseline on the same rows of test: gain, its 95 % interval,
    p, and whether it is significant."""
    last_value: dict[str, Any] | None
    """What the label's last known value alone tells: the feature, its figures of validation and
    test, and the gain over it as above. None where no feature is that value."""
    champion: dict[str, Any] | None
    """The deployed champion: its ID, both figures on the rows later than both trainings, how many
    these are, and the gain as above."""
    decision: float | None
    """The probability from which the answer is yes, where one was chosen."""
    calibration: str | None
    """The form of the calibration that was chosen."""
    costs: dict[str, Any] | None
    """What yes and no cost on test, per 1,000 rows."""
    slices: list[dict[str, Any]]
    """The declared groups of test."""
    worst: list[dict[str, Any]]
    """Groups found on validation that are off by themselves on test as well."""
    fairness: dict[str, Any]
    """For each declared feature its groups and their gaps."""
    servable: dict[str, Any]
    """What a clean process measured."""
    ranking: list[dict[str, Any]]
    """All candidates, best first; ``validation`` is the mean over ``folds``."""
    chosen_by_loss: dict[str, Any] | None
    """What `octavo.bundle.ranking.decided` tells; None if the figure alone chose the candidate."""


def answers(
    problem: Problem, figures: dict[str, float], base: dict[str, float]
) -> tuple[bool, str]:
    """Say whether the figures of validation and test answer the problem, and why.

    Of a problem that is not answered the candidate is the nearest miss: it did best on validation.
    """
    needed = {part: problem.threshold(base[part]) for part in figures}
    for part, found in figures.items():
        if not problem.answers(found, base[part]):
            missed = f"{problem.metric} on {part} is {found:.4f}, {needed[part]:.4f} is needed"
            return False, f"{missed}; it is missed by {abs(found - needed[part]):.4f}"
    return True, f"{problem.metric} on test is {figures['test']:.4f}, {needed['test']:.4f} needed"


def refusal(
    problem: Problem,
    gate: Gate,
    *,
    leaks: list[dict[str, Any]],
    servable: dict[str, Any],
    gain: dict[str, Any],
    champion: dict[str, Any] | None,
) -> tuple[str, str] | None:
    """Return what is told, and why, if a candidate that answers is not promoted.

    None if nothing stands against it; a champion that cannot be compared does not.
    """
    if servable["refused"]:
        return "candidate refused", f"it cannot be served: {servable['refused']}"
    if leaks and gate.refuse_leaks:
        kinds = ", ".join(dict.fromkeys(leak["kind"] for leak in leaks))
        return "candidate refused", f"leaks are suspected ({kinds}); see `octavo leaks`"
    compared = champion is not None and "champion" in champion
    better = champion["gain"] if compared else gain  # type: ignore[index]
    beaten = not compared or better["gain"] >= gate.beat_champion_by
    if beaten and (better["significant"] or not gate.significant):
        return None
    if not compared:
        return "candidate refused", f"it may be no better than trivial (p = {better['p']:.3f})"
    figures = f"{champion['champion']:.4f} against {champion['challenger']:.4f}"  # type: ignore[index]
    why = "is not beaten" if not beaten else f"may be beaten by chance only (p = {better['p']:.3f})"
    return "champion stays", f"the champion {champion['candidate']} {why}: {figures}"  # type: ignore[index]
