"""Which columns tell the target, in the words of a comment.

The tests are those of segregation (`octavo.stages.segregation.leaks`), and one for what these
cannot see: rows without an outcome.
"""

from collections.abc import Collection

import polars as pl

from octavo.stages.segregation.leaks import Examined, find_leaks

DOUBTFUL = "noisy proxy"
"""The kind of leak that is nothing but an implausibly good column: an honest one looks the same."""

MISSING = 5
"""Rows without an outcome from which what else is empty there says something."""

_LABEL = "|label"


def empty_with_target(frame: pl.DataFrame, target: str, labels: pl.Series) -> dict[str, str]:
    """Return the columns that are empty where the outcome is, and hardly anywhere else."""
    missing = labels.is_null()
    if missing.sum() < MISSING:
        return {}
    found: dict[str, str] = {}
    for name in frame.columns:
        empty = frame[name].is_null()
        here, elsewhere = empty.filter(missing).mean(), empty.filter(~missing).mean()
        if name != target and here >= 0.5 and elsewhere <= 0.02:  # type: ignore[operator]
            share = "all" if here == 1 else f"{here:.0%} of the"
            found[name] = (
                f"empty in {share} {missing.sum():,} rows without outcome: written with it"
            )
    return found


def telling(
    frame: pl.DataFrame,
    labels: pl.Series,
    features: Collection[str],
    time: pl.Series | None,
    *,
    is_number: bool,
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the columns that tell the target, and those that may merely be good, and why.

    Parameters
    ----------
    time
        When the rows happened, if that is known.
    """
    examined = frame.select(features).with_columns(labels.alias(_LABEL))
    if time is not None:
        examined = examined.with_columns(time.alias("|time")).sort("|time", maintain_order=True)
    moment = None if time is None else "|time"
    leaks = find_leaks(Examined(examined, _LABEL, list(features), is_number, time=moment))
    said = {leak.columns[0]: leak for leak in leaks if leak.columns}
    telling, doubtful = (
        {n: _beside(n, leak.what) for n, leak in said.items() if (leak.kind == DOUBTFUL) == doubt}
        for doubt in (False, True)
    )
    return telling, doubtful


def _beside(name: str, what: str) -> str:
    """Return a finding as it is said beside the column's name."""
    return what.replace(repr(_LABEL), "the target").removeprefix(f"{name!r} ").rstrip(".")
