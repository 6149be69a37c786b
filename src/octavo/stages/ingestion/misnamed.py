"""Which columns rows of a stream may bring: none that cannot be, and not new ones without end.

A file whose columns are in disorder is refused, and its owner sees to it. Nobody sees to a client
that garbles keys, and each of them would be a column for ever.
"""

from collections.abc import Collection, Sequence

from octavo.errors import DataError
from octavo.quality.finding import enumerated
from octavo.stages.ingestion.loaded import check_named

MOST = 1_000
"""Columns up to which rows of a stream may add to those of a dataset; its first batch has any."""


class Misnamed:
    """Says of rows, one kind after the other, what is wrong with their columns.

    Parameters
    ----------
    earlier
        Columns that the dataset has.
    where
        Dataset, for messages.
    """

    def __init__(self, earlier: Collection[str], where: str) -> None:
        self._earlier, self._where = earlier, where
        self._taken = set(earlier)

    def why(self, columns: Sequence[str]) -> str:
        """Return what is wrong; nothing if they may come, beside those that came before."""
        try:
            check_named(columns, self._earlier, self._where)
            if self._earlier:
                check_many(columns, self._taken, self._where)
        except DataError as error:
            return str(error)
        self._taken.update(columns)
        return ""


def check_many(columns: Sequence[str], earlier: Collection[str], where: str) -> None:
    """Refuse new columns with which a dataset would have more than `MOST`.

    Raises
    ------
    DataError
        If it would.
    """
    new = [name for name in columns if name not in earlier]
    if new and len(earlier) + len(new) > MOST:
        raise DataError(
            f"the new columns {enumerated(map(repr, new), 4)} would be more than {MOST:,} in all.",
            where=where,
            fix="Correct who sends them; keep keys that are data as text, ov.Nested(whole=[…]).",
        )
