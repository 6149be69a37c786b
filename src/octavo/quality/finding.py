"""A finding: what is wrong with which rows, in words, and what to declare against it.

It knows nothing of how it was found.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

EXAMPLES = 3
"""Rows that a finding shows."""

_SHOWN = 40  # characters of a value


@dataclass(frozen=True)
class Finding:
    """Something about a batch that a person should know.

    Attributes
    ----------
    kind
        ``format``, ``missing``, ``incorrect``, ``duplicate``, ``outlier``, ``anomaly``,
        ``relation``, ``schema`` or ``rejected``.
    rule
        What was looked for, in one word.
    columns
        Where.
    at
        int64, ascending: numbers of the rows concerned; empty if it concerns the batch as a whole.
    of
        Rows of the batch.
    sentence
        What was found, in plain words.
    treatment
        A line of Python to declare with the dataset; None where only the source can mend it.
    examples
        Row number and value as text.
    weight
        ``fault``: something is wrong. ``note``: it may be meant.
    """

    kind: str
    rule: str
    columns: tuple[str, ...]
    at: np.ndarray
    of: int
    sentence: str
    treatment: str | None = None
    examples: tuple[tuple[int, str], ...] = ()
    weight: Literal["fault", "note"] = "fault"

    @property
    def rows(self) -> int:
        """Number of rows concerned."""
        return len(self.at)

    def document(self) -> dict[str, Any]:
        """Return the finding as plain JSON values, without the rows beyond its examples."""
        return {
            "kind": self.kind,
            "rule": self.rule,
            "weight": self.weight,
            "columns": list(self.columns),
            "rows": self.rows,
            "share": self.rows / self.of if self.of else 0.0,
            "sentence": self.sentence,
            "treatment": self.treatment,
            "examples": [{"row": row, "value": value} for row, value in self.examples],
        }


def shown(value: Any) -> str:
    """Return a value as a sentence quotes it."""
    if isinstance(value, float):
        return f"{value:.7g}"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def counted(rows: int, of: int) -> str:
    """Return a number of rows with its share: ``248 rows (0.15 %)``."""
    noun = "row" if rows == 1 else "rows"
    return f"{rows:,} {noun} ({percent(rows / of if of else 0.0)})"


def percent(share: float) -> str:
    """Return a fraction as percent with two significant digits, never rounded to 0 or 100."""
    if 0 < share < 0.0001:
        return "< 0.01 %"
    if 0.9999 < share < 1:
        return "> 99.99 %"
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.4g} %"


def enumerated(names: Iterable[Any], most: int = 6) -> str:
    """Return names as a list in words, the first of them if they are many."""
    listed = [str(name) for name in names]
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")


def call(name: str, column: str, **arguments: Any) -> str:
    """Return the line of Python that declares a treatment: ``ov.Null("temp", values=[-999])``."""
    given = [literal(column)]
    given += [f"{key}={literal(value)}" for key, value in arguments.items()]
    return f"ov.{name}({', '.join(given)})"


def check(name: str, condition: str) -> str:
    """Return the line of Python that declares a check which flags."""
    return f'ov.Check({literal(name)}, {condition}, severity="flag")'


def column(name: str) -> str:
    """Return a column as an expression in Python."""
    return f"pl.col({literal(name)})"


def literal(value: Any) -> str:
    """Return the Python source of a plain value, with double quotes."""
    if isinstance(value, str):
        return (
            f'"{value}"'
            if '"' not in value and "\\" not in value and value.isprintable()
            else repr(value)
        )
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(literal, value)) + "]"
    return repr(value)
