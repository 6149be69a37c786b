"""Reference profiles: how the training data were distributed, small enough to travel.

A by-product of training; monitoring compares newer data with it. It knows nothing of models.
"""

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from octavo.bundle.ngrams import ngrams

BINS = 10
CATEGORIES = 30
WORDS = 100

Profile = dict[str, Any]


def profile(frame: pl.DataFrame, columns: list[str], texts: Collection[str] = ()) -> Profile:
    """Return, per column, the shares of its values in bins (or categories) and of nulls.

    Numeric columns are cut at the deciles of this frame; text keeps its most frequent values, and
    free text its most frequent words, whose shares are those of all words.

    Parameters
    ----------
    texts
        The columns of free text.
    """
    return {column: _describe(frame[column], is_prose=column in texts) for column in columns}


def _describe(column: pl.Series, *, is_prose: bool) -> dict[str, Any]:
    if is_prose:
        counts = _words(column)
        words = sorted(sorted(counts, key=lambda word: (-counts[word], word))[:WORDS])
        return {"words": words, "shares": _word_shares(column, words)}
    if column.dtype == pl.String:
        counts = column.drop_nulls().value_counts(sort=True).head(CATEGORIES)
        values = sorted(counts[column.name].to_list())
        return {"values": values, "shares": _category_shares(column, values)}
    numbers = column.cast(pl.Float64).fill_nan(None).drop_nulls().to_numpy()
    numbers = numbers[np.isfinite(numbers)]
    edges = (
        np.unique(np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1])) if numbers.size else []
    )
    edges = [float(edge) for edge in edges]
    return {"edges": edges, "shares": _bin_shares(column, edges)}


def save_profile(found: Profile, folder: Path) -> None:
    """Write a profile beside its bundle, whole or not at all."""
    draft = folder / f".profile.{os.getpid()}.json"
    with draft.open("w") as file:
        json.dump(found, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / "profile.json")


def load_profile(folder: Path) -> Profile:
    """Read the profile of a bundle."""
    return json.loads((folder / "profile.json").read_text())


def shares(column: pl.Series, reference: dict[str, Any]) -> list[float]:
    """Return the shares of a newer column in the reference's bins; the last one is nulls'."""
    if "words" in reference:
        return _word_shares(column, reference["words"])
    if "values" in reference:
        return _category_shares(column, reference["values"])
    return _bin_shares(column, reference["edges"])


def _bin_shares(column: pl.Series, edges: list[float]) -> list[float]:
    numbers = column.cast(pl.Float64).fill_nan(None).drop_nulls().to_numpy()
    counts = np.bincount(np.searchsorted(edges, numbers, side="left"), minlength=len(edges) + 1)
    return _normalized([*counts.tolist(), column.len() - numbers.size])


def _category_shares(column: pl.Series, values: list[str]) -> list[float]:
    known = dict(column.drop_nulls().value_counts().iter_rows())
    counts = [known.get(value, 0) for value in values]
    other = column.len() - column.null_count() - sum(counts)
    return _normalized([*counts, other, column.null_count()])


def _word_shares(column: pl.Series, words: list[str]) -> list[float]:
    """Return the shares of words among all words of the texts; of nulls, among the texts."""
    counts = _words(column)
    known = [counts.get(word, 0) for word in words]
    nulls = column.null_count() / column.len() if column.len() else 0.0
    shares = _normalized([*known, sum(counts.values()) - sum(known)])
    return [*(share * (1 - nulls) for share in shares), nulls]


def _words(column: pl.Series) -> dict[str, int]:
    counts: dict[str, int] = {}
    for found in ngrams(column.cast(pl.String), "words", (1, 1)):
        for word, count in found["term"].value_counts().iter_rows():
            counts[word] = counts.get(word, 0) + count
    return counts


def _normalized(counts: list[int]) -> list[float]:
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]


def psi(reference: list[float], newer: list[float], floor: float = 1e-4) -> float:
    """Return the population stability index; shares of zero are raised to ``floor``.

    Source: Σ (q − p) ln(q / p), Siddiqi, Credit Risk Scorecards (2006). Customary reading:
    below 0.1 stable, 0.1 to 0.25 moved, above 0.25 shifted.
    """
    p, q = np.maximum(reference, floor), np.maximum(newer, floor)
    return float(np.sum((q - p) * np.log(q / p)))


def jensen_shannon(reference: list[float], newer: list[float]) -> float:
    """Return the Jensen–Shannon distance, base 2: 0 equal, 1 disjoint (Lin, 1991)."""
    p, q = np.asarray(reference), np.asarray(newer)
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        halves = [np.nansum(np.where(a > 0, a * np.log2(a / middle), 0.0)) for a in (p, q)]
    return float(np.sqrt(max(sum(halves) / 2, 0.0)))


def kolmogorov_smirnov(reference: list[float], newer: list[float]) -> float:
    """Return the largest difference of the two cumulative distributions over the bins."""
    return float(np.max(np.abs(np.cumsum(reference) - np.cumsum(newer))))


MEASURES = {"psi": psi, "js": jensen_shannon, "ks": kolmogorov_smirnov}
"""The drift measures by the names that ``Monitor.drift`` may use."""
