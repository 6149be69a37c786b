"""What single columns are suspected of, by how they go with the target in training rows."""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from octavo.stages.segregation.leaks.afterwards import future_dated, post_event
from octavo.stages.segregation.leaks.encoded import encodings
from octavo.stages.segregation.leaks.finding import Examined, Leak
from octavo.stages.segregation.leaks.scaled import is_standardised, may_be_standardised
from octavo.stages.segregation.leaks.skill import Target, codes_of, joint_skill, kinship, skill

SAMPLE = 20_000
"""Rows that single columns are looked at in; of two classes, half of them each if there are."""
FEWEST = 30
"""Labeled rows below which nothing can be said."""
IMPLAUSIBLE = 0.85
"""Skill of one column from which it may be a proxy: an AUC of 0.925."""
ENOUGH = 500
"""Rows from which a comparison with all other columns together means something."""
ORDERED = 0.2
"""Skill of a row's number from which it is of use to a model; half of that for numbers."""


def of_columns(table: Examined, trained: pl.DataFrame) -> Iterator[Leak]:
    """Give what single columns are suspected of, surest first for each of them.

    Parameters
    ----------
    trained
        The labeled rows of the training part.
    """
    yield from future_dated(table, trained)
    sample = trained[_sample(trained[table.label], is_number=table.is_number)]
    target = Target.of(sample[table.label], is_number=table.is_number)
    codes = {name: codes_of(sample[name]) for name in table.features}
    encoded = encodings(table)
    for name in table.features:
        alone = skill(codes[name], target)
        pairs = [(rows[name], rows[table.label]) for rows in (sample, trained)]
        if alone > 0.5 and all(_is_copy(*pair, table.is_number) for pair in pairs):
            yield _copy(table, name)
        elif name in encoded:
            yield _encoding(table, name, encoded[name])
        elif reason := post_event(table, sample, name, target):
            yield _written_later(name, reason)
        elif number := _order_skill(sample[name], target):
            yield _order(table, name, number)
        elif alone >= IMPLAUSIBLE and (reason := _proxy(name, codes, alone, target)):
            yield _implausible(table, name, alone, reason)


def scaled(table: Examined) -> Iterator[Leak]:
    """Give the columns that were scaled before the rows were divided."""
    rows = table.all_rows
    if rows.parts is None:
        return
    train = (rows.parts == "train").fill_null(False).to_numpy()
    for name in table.features:
        if may_be_standardised(table.frame[name]) and is_standardised(rows.column(name), train):
            yield Leak(
                "scaling fitted on all rows",
                (name,),
                f"{name!r} has mean 0 and deviation 1 over all rows, and not over those of train: "
                "it was scaled by rows of validation and test too.",
                "Give the values as they are: what a model needs scaled is scaled by train alone.",
            )


def _copy(table: Examined, name: str) -> Leak:
    return Leak(
        "target copy",
        (name,),
        f"{name!r} gives the target away: who knows it knows {table.label!r}.",
        "Leave it out: it is the target in other words, or was written from it.",
    )


def _encoding(table: Examined, name: str, how: str) -> Leak:
    return Leak(
        "encoding fitted on all rows",
        (name,),
        f"{name!r} is the mean of {table.label!r} by some category over all rows{how}, those of "
        "validation and test among them.",
        "Give the category itself: it is encoded from the training part alone.",
    )


def _written_later(name: str, reason: str) -> Leak:
    fix = "Leave it out, unless it is known when the prediction is asked for."
    return Leak("post-event column", (name,), reason, fix)


def _order(table: Examined, name: str, number: float) -> Leak:
    return Leak(
        "order proxy",
        (name,),
        f"{name!r} numbers the rows, and predicts {table.label!r} by that (skill {number:.2f} "
        "of 1).",
        "Leave it out: new rows get numbers that no row had in training.",
    )


def _implausible(table: Examined, name: str, alone: float, reason: str) -> Leak:
    return Leak(
        "noisy proxy",
        (name,),
        f"{name!r} alone predicts {table.label!r} implausibly well (skill {alone:.2f} of 1): "
        f"{reason}.",
        "Find out when it is written; leave it out if that is after the outcome.",
    )


def _sample(label: pl.Series, *, is_number: bool) -> np.ndarray:
    """Return the numbers of up to `SAMPLE` rows, in order; of two classes as many as there are."""
    rng = np.random.default_rng(0)
    groups = [np.arange(label.len())]
    if not is_number and label.n_unique() == 2:
        positive = (label == label[0]).to_numpy()
        groups = [np.flatnonzero(positive), np.flatnonzero(~positive)]
    size = SAMPLE // len(groups)
    drawn = [rng.choice(g, size, replace=False) if g.size > size else g for g in groups]
    return np.sort(np.concatenate(drawn))


def _is_copy(column: pl.Series, label: pl.Series, is_number: bool) -> bool:
    """Say whether each value goes with one class, or a number rises (or falls) with the target."""
    pair = pl.DataFrame({"value": column, "label": label}).drop_nulls()
    if pair.height * 2 < label.len():
        return False
    if is_number:
        if not column.dtype.is_numeric() or pair["value"].n_unique() <= 10:
            return False
        ranks = [pair[c].cast(pl.Float64).rank().to_numpy() for c in ("value", "label")]
        return bool(abs(np.corrcoef(ranks)[0, 1]) > 0.9999)
    classes = pair["label"].n_unique()
    if classes < 2 or pair["value"].n_unique() > 10 * classes:
        return False
    return pair.group_by("value").agg(pl.col("label").n_unique())["label"].max() == 1


def _numbering(column: pl.Series) -> np.ndarray | None:
    """Return the numbers by which a column numbers the rows; None if it does not.

    Whole numbers, or texts that end in them; nearly all distinct; dense, or rising with the rows.
    """
    if column.dtype == pl.String:
        column = column.str.extract(r"([0-9]{1,18})$").cast(pl.Int64)
    if not column.dtype.is_numeric() or column.null_count() > 0.01 * column.len():
        return None
    values = column.cast(pl.Float64).fill_null(-1.0).fill_nan(-1.0).to_numpy()
    if (np.floor(values) != values).any() or np.unique(values).size < 0.98 * values.size:
        return None
    ranks = np.argsort(np.argsort(values))
    rising = abs(np.corrcoef(ranks, np.arange(values.size))[0, 1]) > 0.99
    return values if rising or np.ptp(values) <= 2 * values.size else None


def _order_skill(column: pl.Series, target: Target) -> float:
    """Return how well the rows' numbers in a column predict; 0 without any, or if it is little."""
    numbers = _numbering(column)
    found = 0.0 if numbers is None else skill(codes_of(pl.Series(numbers)), target)
    return found if found >= ORDERED / (2 if target.is_number else 1) else 0.0


def _proxy(name: str, codes: Mapping[str, np.ndarray], alone: float, target: Target) -> str:
    """Return why a column that predicts so well is not one of many that do; nothing if it is."""
    others = [codes[other] for other in codes if other != name]
    rest = joint_skill(others, target)
    rows = target.folds.size
    if rows >= ENOUGH and 1 - alone <= (1 - rest) / 4:
        return f"all others together reach {rest:.2f}"
    if kinship(codes[name], others, target) <= 0.02 + 8 / rows:
        return "where the target is the same, no other column has anything to do with it"
    return ""
