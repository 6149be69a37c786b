"""How far groups that should be treated alike are apart.

Source of the gaps: Hardt, Price and Srebro, Equality of Opportunity in Supervised Learning (2016);
demographic parity is the gap of ``selected``, equalized odds those of ``true_positive_rate`` and
``false_positive_rate``. They contradict each other where base rates differ, so nothing is refused
for them: a person decides which one matters.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from octavo.stages.evaluation.groups import groups
from octavo.stages.evaluation.judged import Judged

LEAST = 30
"""Rows of a group from which it counts for the gaps."""
RATES = ("selected", "true_positive_rate", "false_positive_rate", "off")


def fairness(test: Judged, features: Sequence[str]) -> dict[str, Any]:
    """Return, for each feature, its groups' rates and the largest difference of each.

    Rates that need yes or no are None where no threshold was chosen; see `Problem.costs`.
    ``off`` is the mean probability told less the share that came true.
    """
    return {feature: _of_feature(test, feature) for feature in features}


def _of_feature(test: Judged, feature: str) -> dict[str, Any]:
    found = []
    for group in groups(test.rows, feature):
        part = test.among(group.rows(test.rows))
        found.append({"group": group.name} | _rates(part))
    counted = [each for each in found if each["rows"] >= LEAST]
    gaps = {rate: _gap([each[rate] for each in counted]) for rate in RATES}
    return {"groups": found, "gaps": gaps}


def _rates(part: Judged) -> dict[str, Any]:
    truth, told = part.truth == 1, part.predicted
    threshold = part.bundle.threshold
    yes = None if threshold is None else told >= threshold
    return {
        "rows": truth.size,
        "positive": float(truth.mean()),
        "off": float(told.mean() - truth.mean()),
        "selected": _share(yes, np.ones(truth.size, bool)),
        "true_positive_rate": _share(yes, truth),
        "false_positive_rate": _share(yes, ~truth),
    }


def _share(yes: np.ndarray | None, among: np.ndarray) -> float | None:
    return None if yes is None or not among.any() else float(yes[among].mean())


def _gap(rates: list[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return max(known) - min(known) if len(known) > 1 else None
