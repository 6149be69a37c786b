"""Whether the words of a text tell of the target, so that they are worth their columns.

It knows nothing of what is written.
"""

import math

import numpy as np
import polars as pl

from octavo.bundle import LinearEncoder
from octavo.definition import Ngrams

FEWEST = 200
"""Rows with text and outcome from which its words may say something."""
LOOKED_AT = 5_000
"""Rows that are looked at."""
CLASS = 10
"""Rows of those from which a class is predicted."""
PAYS = 0.1
"""Skill of its words from which a text is read; more in few rows, where chance reaches it."""


def skill_of_words(texts: pl.Series, labels: pl.Series, *, is_number: bool) -> float:
    """Return how well a linear model of a text's words predicts, out of fold; 0 if it is little.

    2 · AUC − 1 for classes (the mean over them), the R² of the ranks for numbers, as in
    `octavo.stages.segregation.leaks.skill`.
    """
    rows = pl.DataFrame({"text": texts, "label": labels}).drop_nulls()
    rows = rows.sample(min(rows.height, LOOKED_AT), seed=0, shuffle=True)
    if not is_number:  # of those that were drawn: each fold must hold every class
        rows = rows.filter(pl.len().over("label") >= CLASS)
    if rows.height < FEWEST or rows["label"].n_unique() < 2:
        return 0.0
    features = rows.select("text")
    matrix = LinearEncoder.fit(features, texts={"text": Ngrams()}).transform(features)
    skill = _out_of_fold(matrix, rows["label"], is_number=is_number)
    return skill if skill >= max(PAYS, 4 / math.sqrt(rows.height)) else 0.0


def _out_of_fold(matrix: np.ndarray, label: pl.Series, *, is_number: bool) -> float:
    from sklearn.linear_model import LogisticRegression, Ridge  # seconds to load
    from sklearn.model_selection import cross_val_score

    if is_number:
        ranks = label.cast(pl.Float64).rank().to_numpy() / label.len()
        return float(cross_val_score(Ridge(), matrix, ranks, scoring="r2").mean())
    model = LogisticRegression(max_iter=1000)
    text = label.cast(pl.String).to_numpy()
    return float(2 * cross_val_score(model, matrix, text, scoring="roc_auc_ovr").mean() - 1)
