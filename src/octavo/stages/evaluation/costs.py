"""What the candidate's yes and no cost on test, beside always and never saying yes."""

from dataclasses import asdict
from typing import Any

import numpy as np

from octavo.bundle.bootstrap import difference, interval, resampled
from octavo.bundle.metrics import Weighed, prepared
from octavo.stages.evaluation.judged import Judged

_ALWAYS, _NEVER = 0.0, 2.0


def costs(test: Judged) -> dict[str, Any] | None:
    """Return costs per 1,000 rows; None if the problem tells none.

    ``saved`` is against the cheaper of always and never, on the same rows: with its 95 % interval
    and p.
    """
    threshold = test.bundle.threshold
    if test.problem.costs is None or threshold is None:
        return None
    weigh = [_at(test, each) for each in (threshold, _ALWAYS, _NEVER)]
    own, always, never = (each(np.ones(test.truth.size)) for each in weigh)
    draws = resampled(weigh, test.truth.size)
    cheaper = 1 if always <= never else 2
    saved = difference(own, min(always, never), draws[:, [0, cheaper]], more_is_better=False)
    return {
        "threshold": threshold,
        "per_1000": own,
        "interval": interval(draws[:, 0]),
        "always": always,
        "never": never,
        "yes": float((test.predicted >= threshold).mean()),
        "saved": asdict(saved) | {"significant": saved.significant},
    }


def _at(test: Judged, threshold: float) -> Weighed:
    return prepared(
        "cost", test.truth, test.predicted, threshold=threshold, costs=test.problem.costs
    )
