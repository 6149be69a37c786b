"""What is in two parts and should be in one: the same row, or rows of the same entity."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from octavo.stages.segregation.leaks.finding import Examined, Leak
from octavo.stages.segregation.leaks.skill import Target, skill

ALIKE = 0.1
"""Skill of the entity alone from which its rows tell of each other."""


def duplicates(features: pl.DataFrame, parts: pl.Series) -> list[Leak]:
    """Return whether rows of validation or test are those of train again.

    Rows of few values meet by chance: then more of them meet where a quarter of the columns is left
    out. Of the same row twice the rest is the same too, and hardly any other row is.
    """
    train, newer = ((parts.is_in(which)).fill_null(False) for which in (["train"], _NEWER))
    distinct = features.head(20_000).select(pl.all().approx_n_unique()).row(0)
    order = [name for _, name in sorted(zip(distinct, features.columns, strict=True))]
    if len(order) < 2 or not newer.any():
        return []
    twins = _twins(features, train, newer)
    if twins < max(5, newer.sum() // 500):
        return []
    for quarter in range(min(4, len(order))):
        rest = features.drop(order[quarter::4])
        if _twins(rest, train, newer) > 1.5 * twins + 2:
            return []
    return [
        Leak(
            "duplicate rows",
            (),
            f"{twins:,} of {newer.sum():,} rows of validation and test are in train too, under "
            "another ID.",
            "Find out where rows are doubled, and make event_id what they have in common.",
        )
    ]


_NEWER = ["validation", "test"]


def _twins(features: pl.DataFrame, train: pl.Series, newer: pl.Series) -> int:
    """Count the newer rows that are equal to a row of train."""
    rows = features.hash_rows(seed=1)
    return int(rows.filter(newer).is_in(rows.filter(train).unique().implode()).sum())


def entities(table: Examined, frame: pl.DataFrame, parts: pl.Series) -> list[Leak]:
    """Return whether entities are in several parts: where they must not, or where it tells.

    Spelling does not matter: an entity in two spellings is one that a split cannot keep together.
    """
    if not table.entity:
        return []
    key = _plain(frame, table.entity)
    train, newer = (key.filter(parts.is_in(p).fill_null(False)) for p in (["train"], _NEWER))
    shared = newer.is_in(train.unique().implode())
    named = " and ".join(map(repr, table.entity))
    if table.grouped and shared.any():
        what = f"{newer.filter(shared).n_unique():,} of {named} are in train and in validation or "
        what += "test too; as one, where their spelling differs."
        fix = "Write their keys in one way, e.g. with .str.strip_chars().str.to_lowercase()."
        return [Leak("entity overlap", tuple(table.entity), what, fix)]
    if table.grouped or not 2 <= frame.height / key.n_unique() <= 200 or shared.mean() < 0.2:  # type: ignore[operator]
        return []
    target = Target.of(frame[table.label], is_number=table.is_number)
    alike = skill(key.rank("dense").to_numpy().astype(np.int64), target)
    if alike < ALIKE:
        return []
    what = f"{shared.mean():.0%} of the rows of validation and test are of a {named} that train "
    what += f"knows too, and rows of one tell of each other (skill {alike:.2f} of 1)."
    fix = f"Keep them together: ov.SplitStratified(entity={list(table.entity)})."
    return [Leak("entity overlap", tuple(table.entity), what, fix)]


def _plain(frame: pl.DataFrame, entity: Sequence[str]) -> pl.Series:
    """Return the rows' keys as text, without blanks around them and in small letters."""
    parts = [pl.col(c).cast(pl.String).str.strip_chars().str.to_lowercase() for c in entity]
    return frame.select(pl.concat_str(parts, separator="|").fill_null("")).to_series()
