"""Decoding features that come ready, typed as the bundle's schema types them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import msgspec

from octavo.bundle.columns import ColumnKind, EncodedColumn
from octavo.errors import DataError

_TYPES = {"Boolean": bool, "Date": date, "Datetime": datetime, "Time": time, "Duration": timedelta}


def _type_of(column: EncodedColumn) -> Any:
    if column.is_text:
        return str
    sort = _TYPES.get(column.dtype.split("(")[0])
    return sort or (float if column.kind is ColumnKind.NUMERIC else int)


class FeatureDecoder:
    """JSON to rows of features.

    A missing feature is null; an unknown one, or a value of another type, is an error that names
    it.

    Parameters
    ----------
    columns
        What encodes each feature.
    """

    def __init__(self, columns: Sequence[EncodedColumn]) -> None:
        wanted: Mapping[str, EncodedColumn] = {column.name: column for column in columns}
        self._names = list(wanted)
        names = {f"c{number}": name for number, name in enumerate(wanted)}
        row = msgspec.defstruct(
            "Features",
            [(field, _type_of(wanted[name]) | None, None) for field, name in names.items()],
            rename=names,
            forbid_unknown_fields=True,
        )
        request = msgspec.defstruct(
            "Request", [("features", list[row])], forbid_unknown_fields=True
        )
        self._decoder = msgspec.json.Decoder(request)

    def decode(self, body: bytes) -> Sequence[tuple[Any, ...]]:
        """Return the rows of ``{"features": [{feature: value, …}, …]}``, values in their order.

        Raises
        ------
        DataError
            Naming field and reason.
        """
        try:
            asked: Any = self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DataError(
                f"{error}.".replace("..", "."),
                where="request body",
                fix='Send {"features": [{"feature": value, …}]}; features: '
                + ", ".join(self._names),
            ) from error
        if not asked.features:
            raise DataError("there is no row.", where="features", fix="Send at least one.")
        return [msgspec.structs.astuple(row) for row in asked.features]
