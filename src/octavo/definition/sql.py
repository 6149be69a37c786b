"""A query or a table of a database as the source of a dataset.

Where the database is, and how to log in there, is not part of a definition: it knows the name of
the connection alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from octavo.definition.arguments import columns, instance, whole_number
from octavo.definition.durations import Duration, written
from octavo.definition.fingerprint import beside, meaningless
from octavo.definition.names import check_name
from octavo.definition.nested import Nested
from octavo.definition.source import Source
from octavo.errors import DefinitionError


@dataclass(frozen=True, eq=False)
class Sql(Source):
    """Rows of a PostgreSQL or SQLite database; what one load finds is one batch.

    Without a `cursor` every load reads all rows, and makes a batch if anything is different. Types
    are those of the database; those of the first batch that has a column hold for later ones.
    """

    connection: str = meaningless()
    """Name of a database in ``octavo.toml``, or of ``OCTAVO_DATABASE_NAME``."""
    table: str = ""
    """Table or view, ``"orders"`` or ``"schema.orders"``, spelled as the database keeps it."""
    query: str = ""
    """A SELECT instead; exactly one of the two is given."""
    cursor: str | None = None
    """A column that grows with new rows: whole numbers, dates or times. A load reads what is beyond
    the greatest value of the loads before."""
    overlap: Duration | int | None = None
    """How far behind the greatest value a load begins: longer than a transaction may take to
    commit. A duration, or for a cursor of whole numbers a number. It needs an ``event_id``, which
    tells the rows that came before."""
    partition: str | Sequence[str] | None = beside(None)
    """Reads pieces side by side: a column of whole numbers, dates or times whose range is divided,
    or a list of conditions in SQL, one a piece. Rows for which none holds are a piece of their own;
    no row is read twice."""

    nested: ClassVar[Nested] = Nested()
    """How objects in requests for its rows become columns; those of a query are flat."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if ":" in self.connection:  # not shown: it may hold a password
            raise DefinitionError(
                "an address is no name of a connection.",
                where="Sql.connection",
                fix="Write it in octavo.toml, and its name there here.",
            )
        check_name(self.connection, where="Sql.connection")
        for name in ("table", "query"):
            instance(getattr(self, name), str, where=f"Sql.{name}")
        if bool(self.table) == bool(self.query):
            raise DefinitionError(
                "neither a table nor a query is named."
                if not self.table
                else "both a table and a query are named.",
                where="Sql",
                fix=f'Name one: ov.Sql("{self.connection}", table="orders").',
            )
        instance(self.cursor, (str, type(None)), where="Sql.cursor")
        if self.overlap is not None:
            self._check_overlap()
        if self.partition is not None and not isinstance(self.partition, str):
            conditions = columns(self.partition, where="Sql.partition")
            object.__setattr__(self, "partition", conditions)

    def _check_overlap(self) -> None:
        if self.cursor is None:
            raise DefinitionError(
                "an overlap is one of a cursor.", where="Sql.overlap", fix="Declare cursor too."
            )
        if isinstance(self.overlap, int):
            whole_number(self.overlap, least=0, where="Sql.overlap")
        else:
            object.__setattr__(self, "overlap", written(self.overlap, where="Sql.overlap"))  # type: ignore[arg-type]
