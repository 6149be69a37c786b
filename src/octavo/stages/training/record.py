"""What is written down of a study: its trials in the catalog, each with its candidate.

It knows nothing of how trials are run.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import sqlalchemy as sa

from octavo.bundle.ranking import ranked
from octavo.stages.contract import Context
from octavo.stages.training.trial import Tried
from octavo.stores import catalog as tables
from octavo.stores.catalog import Row


class Record:
    """The rows of one study, those of an earlier attempt at it included.

    Parameters
    ----------
    name
        The study's key in the catalog.
    data_version
        Of what is trained on.
    """

    def __init__(
        self, context: Context, name: str, data_version: str, *, more_is_better: bool
    ) -> None:
        self.context, self.name, self.data_version = context, name, data_version
        self.more_is_better = more_is_better
        table = tables.trials
        recorded = context.catalog.rows(sa.select(table).where(table.c.study == name))
        self.by_number: dict[int, Row] = {row["number"]: row for row in recorded}

    @property
    def rows(self) -> list[Row]:
        """What was recorded so far, in the order of the numbers."""
        return [row for _, row in sorted(self.by_number.items())]

    @property
    def seconds(self) -> list[float]:
        """Seconds that complete trials have taken."""
        rows = self.rows
        return [r["seconds"] for r in rows if r["role"] == "trial" and r["state"] == "complete"]

    def ranked(self, rows: Sequence[Row] | None = None) -> list[Row]:
        """Return the candidates' rows, of all or of some, best first; of equal ones the oldest."""
        good = [r for r in (self.rows if rows is None else rows) if r["state"] == "complete"]
        return ranked(good, more_is_better=self.more_is_better)

    def best(self, rows: Sequence[Row] | None = None) -> Row | None:
        """Return the first of `ranked`, if there is one."""
        return next(iter(self.ranked(rows)), None)

    def put(
        self, number: int, role: str, algorithm: str, params: Any, tried: Tried, seconds: float
    ) -> None:
        """Write down how a trial went, and its candidate, together."""
        good = tried.state == "complete"
        found = float(np.mean(tried.figures)) if good else None
        row: Row = {
            "study": self.name,
            "number": number,
            "role": role,
            "algorithm": algorithm,
            "params": params,
            "found": tried.found,
            "state": tried.state,
            "figure": found,
            "folds": tried.figures if good else None,
            **asdict(tried.closeness),
            "steps": tried.steps,
            "seconds": seconds,
            "candidate_id": tried.candidate_id,
            "error": tried.error,
        }
        with self.context.catalog.transaction() as connection:
            tables.put(connection, tables.trials, **row)
            if good:
                tables.put(connection, tables.candidates, **self._candidate(row))
            tables.emit(
                connection,
                "trial finished",
                f"{algorithm} #{number}",
                severity="warning" if tried.state in ("failed", "stopped") else "info",
                run_id=self.context.run_id,
                figure=found,
                folds=row["folds"],
                error=tried.error,
            )
        self.by_number[number] = row

    def _candidate(self, row: Row) -> Row:
        return {
            "candidate_id": row["candidate_id"],
            "study": self.name,
            "run_id": self.context.run_id,
            "algorithm": row["algorithm"],
            "params": row["found"],
            "data_version": self.data_version,
            "config_version": self.context.config_version,
            "validation": row["figure"],
            "seconds": row["seconds"],
            "created_at": self.context.now(),
        }
