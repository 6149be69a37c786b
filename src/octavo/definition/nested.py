"""How records that hold objects and lists become rows of columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from octavo.definition.arguments import columns, instance
from octavo.definition.fingerprint import Declaration
from octavo.definition.names import unique
from octavo.errors import DefinitionError


@dataclass(frozen=True, eq=False)
class Nested(Declaration):
    """Of JSON, and of structs and lists in Parquet and Delta: which paths become which columns.

    An object's columns are called by their paths, ``customer.address.city``. A list is one column
    of JSON text, with its number of elements beside it in ``items.length``.
    """

    rows: str | None = None
    """The path of a list whose every element becomes a row, with the record's other columns
    repeated; a record without elements is one row."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Path to the name its column has instead."""
    whole: Sequence[str] = ()
    """The paths of objects that stay one column of JSON text, such as those whose keys are data."""
    separator: str = "."
    """Stands between the parts of a path."""

    def __post_init__(self) -> None:
        instance(self.rows, (str, type(None)), where="Nested.rows")
        if self.rows is not None:
            columns(self.rows, where="Nested.rows")
        instance(self.names, Mapping, where="Nested.names")
        object.__setattr__(self, "names", dict(self.names))
        columns((*self.names, *self.names.values()), where="Nested.names")
        unique(self.names.values(), kind="name", where="Nested.names")
        object.__setattr__(self, "whole", columns(self.whole, where="Nested.whole"))
        if not isinstance(self.separator, str) or not self.separator:
            raise DefinitionError(
                f"{self.separator!r} separates nothing.",
                where="Nested.separator",
                fix='Write one or more characters, such as "/".',
            )
