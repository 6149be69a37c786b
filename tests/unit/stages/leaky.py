"""Clean tables, and every kind of leak put into them."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from sklearn import datasets

from octavo.stages.segregation.leaks import Examined

BUNDLED = ["iris", "wine", "breast_cancer", "digits", "diabetes"]


@dataclass(frozen=True)
class Table:
    """A table as it is examined, and what can be put into it."""

    examined: Examined
    rng: np.random.Generator

    def add(self, name: str, values) -> "Table":
        column = pl.Series(name, values)
        frame = self.examined.frame.with_columns(column)
        features = [*self.examined.features, name]
        return replace(self, examined=replace(self.examined, frame=frame, features=features))

    @property
    def label(self) -> pl.Series:
        return self.examined.frame[self.examined.label]

    @property
    def usual(self) -> np.ndarray:
        """Whether a row is of the most frequent class, or above the median."""
        if self.examined.is_number:
            return (self.label > self.label.median()).to_numpy()
        text = self.label.cast(pl.String)
        return (text == text.value_counts(sort=True)[text.name][0]).to_numpy()


def table(
    features: pl.DataFrame, label: pl.Series, *, is_number: bool, ordered=False, seed=5
) -> Table:
    """Divide a table at random, or by the order of its rows, and give each row a time."""
    rng = np.random.default_rng(seed)
    place = np.arange(label.len()) / label.len() if ordered else rng.random(label.len())
    parts = np.where(place < 0.7, "train", np.where(place < 0.85, "validation", "test"))
    seconds = np.sort(rng.integers(0, 10**7, label.len()))
    at = pl.Series("_at", seconds * 1_000_000).cast(pl.Datetime("us", "UTC"))
    frame = features.with_columns(label.alias("target"), at)
    examined = Examined(
        frame, "target", features.columns, is_number=is_number, parts=pl.Series(parts), time="_at"
    )
    return Table(examined, rng)


def bundled(name: str, seed=5) -> Table:
    """Return a data set that comes with scikit-learn."""
    data = getattr(datasets, f"load_{name}")()
    features = pl.DataFrame(data.data, schema=list(map(str, data.feature_names)))
    target = data.target[:, 0] if name == "linnerud" else data.target
    return table(features, pl.Series(target), is_number=name in ("diabetes", "linnerud"), seed=seed)


def target_copy(clean: Table) -> Table:
    if clean.examined.is_number:
        return clean.add("leak", clean.label * 2 + 3)
    return clean.add("leak", "class " + clean.label.cast(pl.String))


def noisy_proxy(clean: Table) -> Table:
    label = clean.label.to_numpy()
    if clean.examined.is_number:
        return clean.add("leak", label + clean.rng.normal(0, 0.15 * label.std(), label.size))
    wrong = clean.rng.permutation(label.size) < max(0.03 * label.size, 6)
    classes = np.unique(label)
    other = classes[(np.searchsorted(classes, label) + 1) % classes.size]
    return clean.add("leak", np.where(wrong, other, label).astype(str))


def filled_afterwards(clean: Table) -> Table:
    values = pl.Series(clean.rng.normal(size=clean.label.len()))
    missed = clean.rng.random(clean.label.len()) < 0.1
    return clean.add("leak", values.set(pl.Series(~clean.usual | missed), None))


def recorded_afterwards(clean: Table) -> Table:
    later = pl.Series(clean.rng.integers(1, 10**6, clean.label.len()))
    return clean.add("leak", clean.examined.frame["_at"] + (later * 1_000_000).cast(pl.Duration))


def future_dated_join(clean: Table) -> Table:
    values = clean.rng.normal(size=clean.label.len())
    late = pl.Series(clean.rng.random(clean.label.len()) < 0.3)
    frame = clean.examined.frame
    joined = frame.select(
        pl.when(late).then(pl.col("_at") + pl.duration(hours=3)).otherwise(pl.col("_at"))
    )
    dirty = clean.add("leak", values)
    frame = dirty.examined.frame.with_columns(joined.to_series().alias("_joined_at"))
    return replace(
        dirty, examined=replace(dirty.examined, frame=frame, dated={"leak": "_joined_at"})
    )


def duplicate_rows(clean: Table) -> Table:
    """Write a tenth of the newer rows over some of train."""
    parts = clean.examined.parts.to_numpy()
    newer = np.flatnonzero(parts != "train")
    again = clean.rng.choice(newer, max(newer.size // 10, 6), replace=False)
    places = np.arange(parts.size)
    over = clean.rng.choice(np.flatnonzero(parts == "train"), again.size, replace=False)
    places[over] = again
    frame = clean.examined.frame[places].with_columns(clean.examined.frame["_at"])
    return replace(clean, examined=replace(clean.examined, frame=frame))


def entity_overlap(clean: Table) -> Table:
    """Divide by entity, some of which are written in two ways."""
    rows = clean.label.len()
    number = clean.rng.integers(0, rows // 4, rows)
    shouted = clean.rng.random(rows) < 0.1
    name = [f"{'CARD' if loud else 'card'} {n}" for n, loud in zip(number, shouted, strict=True)]
    place = pl.Series(name).hash(seed=3) % 100
    parts = np.where(place < 70, "train", np.where(place < 85, "validation", "test"))
    frame = clean.examined.frame.with_columns(pl.Series("who", name))
    dirty = replace(
        clean.examined, frame=frame, parts=pl.Series(parts), entity=["who"], grouped=True
    )
    return replace(clean, examined=dirty)


def encoding_of_all_rows(clean: Table, *, drawn: float = 0.0) -> Table:
    """Add the target's mean by a category, perhaps drawn towards the overall mean."""
    label = clean.label if clean.examined.is_number else pl.Series(clean.usual)
    category = clean.rng.integers(0, max(5, clean.label.len() // 40), clean.label.len())
    rows = pl.DataFrame({"category": category, "y": label.cast(pl.Float64)})
    n, total = pl.len().over("category"), pl.col("y").sum().over("category")
    encoded = rows.select((total + drawn * pl.col("y").mean()) / (n + drawn)).to_series()
    return clean.add("leak", encoded)


def mean_of_others(clean: Table, *, drawn: float = 0.0) -> Table:
    """Add a category, and the target's mean over its other rows."""
    label = clean.label if clean.examined.is_number else pl.Series(clean.usual)
    category = clean.rng.integers(0, max(5, clean.label.len() // 40), clean.label.len())
    rows = pl.DataFrame({"category": category, "y": label.cast(pl.Float64)})
    n, total = pl.len().over("category"), pl.col("y").sum().over("category")
    others = (total - pl.col("y") + drawn * pl.col("y").mean()) / (n - 1 + drawn)
    return clean.add("kind", pl.Series(category).cast(pl.String)).add(
        "leak", rows.select(others).to_series()
    )


def scaled_by_all_rows(clean: Table, digits: int = 15) -> Table:
    values = clean.rng.gamma(2, 3, clean.label.len())
    return clean.add("leak", np.round((values - values.mean()) / values.std(), digits))


def order_proxy(clean: Table) -> Table:
    """Sort the rows by the target, nearly, and number them."""
    ranks = clean.label.rank("random", seed=1).to_numpy()
    order = np.argsort(ranks + clean.rng.normal(0, 0.1 * ranks.size, ranks.size))
    frame = clean.examined.frame[order].with_columns(clean.examined.frame["_at"])
    parts = clean.examined.parts[order]
    moved = replace(clean, examined=replace(clean.examined, frame=frame, parts=parts))
    return moved.add("leak", np.arange(ranks.size) + 1000)


LEAKS = {
    "target copy": [target_copy],
    "noisy proxy": [noisy_proxy],
    "post-event column": [filled_afterwards, recorded_afterwards],
    "future-dated join": [future_dated_join],
    "duplicate rows": [duplicate_rows],
    "entity overlap": [entity_overlap],
    "encoding fitted on all rows": [
        encoding_of_all_rows,
        lambda clean: encoding_of_all_rows(clean, drawn=10.0),
        mean_of_others,
        lambda clean: mean_of_others(clean, drawn=10.0),
    ],
    "order proxy": [order_proxy],
    "scaling fitted on all rows": [
        scaled_by_all_rows,
        lambda clean: scaled_by_all_rows(clean, digits=7),
    ],
}
CASES = [(kind, inject) for kind, injections in LEAKS.items() for inject in injections]
