"""What came since the last prep, in words: how many batches of each dataset, and how many went."""

from collections.abc import Mapping, Sequence

from octavo.stores.catalog import Row

Counts = Mapping[str, Sequence[int]]
"""Of each dataset the batches that ever counted, and those of them that were withdrawn."""


def counted(batches: Sequence[Row]) -> dict[str, list[int]]:
    """Return how many batches each dataset has."""
    found: dict[str, list[int]] = {}
    for batch in batches:
        counts = found.setdefault(batch["dataset"], [0, 0])
        counts[0] += 1
        counts[1] += batch["state"] == "withdrawn"
    return found


def came(before: Counts, now: Counts) -> str:
    """Say what came and what was withdrawn between two counts; "" if nothing did."""
    told = []
    for dataset, (ever, withdrawn) in now.items():
        ever_before, withdrawn_before = before.get(dataset, (0, 0))
        if more := ever - ever_before:
            told.append(f"{more:,} new {_batches(more)} of {dataset}")
        if less := withdrawn - withdrawn_before:
            told.append(f"{less:,} {_batches(less)} of {dataset} withdrawn")
    return ", ".join(told)


def _batches(count: int) -> str:
    return "batch" if count == 1 else "batches"
