"""Dates that are written in several ways in one column, looked at part by part.

It knows nothing of how they are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from octavo.quality.finding import EXAMPLES, Finding, counted, shown

_FORMS = {
    "year first": r"^\s*\d{4}[-/.]",
    "dots": r"^\s*\d{1,2}\.\d{1,2}\.",
    "slashes": r"^\s*\d{1,2}[-/]\d{1,2}[-/]",
}
_OPEN = r"^\s*(?:0?[1-9]|1[0-2])[-/](?:0?[1-9]|1[0-2])[-/]"

_Examples = tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class DateForms:
    """How the dates of a column, or of a part of it, are written; a whole is the sum of its parts.

    Attributes
    ----------
    of
        Rows looked at.
    runs
        By form, the rows written so, part by part: int64 (runs, 2), begin and end of rows without
        a gap.
    open_days
        Slashed dates whose day and month could be exchanged.
    examples
        By form, the first rows and what is written there.
    """

    of: int = 0
    runs: Mapping[str, tuple[np.ndarray, ...]] = field(default_factory=dict)
    open_days: int = 0
    examples: Mapping[str, _Examples] = field(default_factory=dict)

    @staticmethod
    def seen(text: pl.Series, rows: pl.Series) -> "DateForms":
        """Look at texts that were read as dates, and the numbers of their rows, ascending."""
        usual = text.str.contains(_FORMS["year first"])
        masks = {"year first": usual.fill_null(False)}
        open_days = 0
        if not usual.all():  # null is none
            masks = {form: text.str.contains(p).fill_null(False) for form, p in _FORMS.items()}
            open_days = int((masks["slashes"] & text.str.contains(_OPEN)).sum())
        found = {form: mask.arg_true() for form, mask in masks.items() if mask.any()}
        return DateForms(
            text.len(),
            {form: (_runs(rows.gather(at).to_numpy()),) for form, at in found.items()},
            open_days,
            {
                form: tuple((rows[place], shown(text[place])) for place in at[:EXAMPLES])
                for form, at in found.items()
            },
        )

    def __add__(self, later: "DateForms") -> "DateForms":
        runs, examples = {}, {}
        for form in _FORMS:
            if form in self.runs or form in later.runs:
                runs[form] = (*self.runs.get(form, ()), *later.runs.get(form, ()))
                first = (*self.examples.get(form, ()), *later.examples.get(form, ()))
                examples[form] = first[:EXAMPLES]
        return DateForms(self.of + later.of, runs, self.open_days + later.open_days, examples)

    def after(self, rows: int) -> "DateForms":
        """Return the same, of a part that comes after some rows."""
        runs = {form: tuple(at + rows for at in parts) for form, parts in self.runs.items()}
        examples = {
            form: tuple((row + rows, text) for row, text in each)
            for form, each in self.examples.items()
        }
        return DateForms(self.of, runs, self.open_days, examples)

    def finding(self, column: str) -> Finding | None:
        """Return a finding if there are several forms."""
        if len(self.runs) < 2:
            return None
        found = {form: np.concatenate(parts) for form, parts in self.runs.items()}
        rows = {form: int((runs[:, 1] - runs[:, 0]).sum()) for form, runs in found.items()}
        others = [form for form in rows if form != max(rows, key=rows.__getitem__)]
        at = [np.arange(*run) for form in others for run in found[form]]
        said = ", ".join(f"{form} in {count:,} rows" for form, count in rows.items())
        doubt = (
            f" In {counted(self.open_days, self.of)} day and month could be exchanged: they were "
            "read in the order in which more rows are dates."
            if self.open_days
            else ""
        )
        return Finding(
            "format",
            "dates",
            (column,),
            np.sort(np.concatenate(at)),
            self.of,
            f"`{column}` has dates written in {len(rows)} ways ({said}), all of which were read."
            + doubt,
            None,
            tuple(sorted(e for form in others for e in self.examples[form])[:EXAMPLES]),
            "fault" if doubt else "note",
        )


def _runs(rows: np.ndarray) -> np.ndarray:
    """Return ascending numbers as runs: begin, and end past the last."""
    gaps = np.flatnonzero(np.diff(rows) != 1) + 1
    return np.column_stack([rows[np.append(0, gaps)], rows[np.append(gaps - 1, -1)] + 1])
