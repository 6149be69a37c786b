"""Rows page by page, for whoever asks from outside the process. It knows nothing of HTTP.

All pages of one question come from one data version: the first page names it, and its cursor asks
for the next one from the same, whatever was prepped since.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from octavo.definition import Pipeline, fingerprint
from octavo.errors import DataError, DefinitionError
from octavo.stages.segregation.api import SplitRows
from octavo.stores import versions
from octavo.stores.catalog import Catalog
from octavo.stores.home import Home

LARGEST_PAGE = 100_000
"""Rows; more are asked for by a cursor."""
PAGE = 10_000
"""Rows of a page where no limit is given."""
_KEPT = 2  # data versions in memory: the newest, and one that is being paged through


@dataclass(frozen=True)
class Page:
    """Some of the rows that were asked for, in log order."""

    frame: pl.DataFrame
    data_version: str
    rows: int
    """How many there are on all pages together."""
    cursor: str | None
    """Asks for the next page; None on the last one."""


class RowService:
    """Answers questions for rows. Thread-safe; a data version is read once and kept."""

    def __init__(self, pipeline: Pipeline, home: Home, catalog: Catalog) -> None:
        self.pipeline = pipeline
        self.home = home
        self.catalog = catalog
        self._lock = threading.Lock()
        self._held: dict[str, SplitRows] = {}

    def page(
        self, question: Mapping[str, Any], limit: int = PAGE, cursor: str | None = None
    ) -> Page:
        """Return one page.

        Parameters
        ----------
        question
            ``split, labels, columns, fold`` and ``filters``, as `SplitRows.data` takes them.
        limit
            Rows of the page at most, up to `LARGEST_PAGE`.
        cursor
            From the page before, of the same question.

        Raises
        ------
        DefinitionError
            If the question, limit or cursor means nothing.
        DataError
            If there is no data version, or the cursor's is there no longer.
        """
        if not 1 <= limit <= LARGEST_PAGE:
            raise DefinitionError(
                f"{limit} is not from 1 to {LARGEST_PAGE}.", where="limit", fix="Use the cursor."
            )
        asked = fingerprint(dict(question))[:8]
        version, offset = _place(cursor, asked) if cursor else (None, 0)
        rows = self._rows(version)
        places = rows.places(**question)
        given = {name: question[name] for name in ("labels", "columns") if name in question}
        frame = rows.data_at(places[offset : offset + limit], **given)
        following = offset + frame.height
        more = f"{rows.data_version}.{asked}.{following}" if following < places.size else None
        return Page(frame, rows.data_version, int(places.size), more)

    def _rows(self, data_version: str | None) -> SplitRows:
        """Return the rows of a data version; None: the newest."""
        with self._lock:
            if data_version is None:
                document = versions.latest(self.catalog)
            elif data_version in self._held:
                return self._held[data_version]
            else:
                document = self.catalog.data_version(data_version)
            if document is None:
                raise DataError(
                    f"the data version {data_version} is there no longer.",
                    where="cursor",
                    fix="Begin again without a cursor.",
                )
            rows = self._held.pop(document["data_version"], None)
            rows = rows or SplitRows(self.pipeline, self.home, self.catalog, document)
            rows.hold()  # under the lock: once, however many ask
            self._held[rows.data_version] = rows
            while len(self._held) > _KEPT:
                del self._held[next(iter(self._held))]
            return rows


def _place(cursor: str, asked: str) -> tuple[str, int]:
    """Return the data version and the number of rows before the page."""
    parts: Sequence[str] = cursor.split(".")
    if len(parts) != 3 or not parts[2].isdecimal():
        raise DefinitionError(
            f"{cursor!r} is no cursor.", where="cursor", fix="Take it from the page before."
        )
    if parts[1] != asked:
        raise DefinitionError(
            "it belongs to another question.",
            where="cursor",
            fix="Ask with the same split, labels, columns, fold and filter as for its page.",
        )
    return parts[0], int(parts[2])
