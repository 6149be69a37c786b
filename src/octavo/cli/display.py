"""The live display of a run, on standard error. Where that is no terminal: a line per stage."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from octavo.stages.contract import Outcome

_COLOURS = {"info": "cyan", "warning": "yellow"}


class TerminalDisplay:
    """Shows stages as they run, with a bar for each task within."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.progress_bars = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}
        self.started = time.monotonic()

    def __enter__(self) -> Self:
        self.progress_bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress_bars.stop()

    def began(self, stage: str, reason: str) -> None:
        """Begin a stage's line."""
        self.tasks = {
            "": self.progress_bars.add_task(f"[bold]{stage:<12}[/] {escape(reason)}", total=None)
        }

    def progress(self, stage: str, task: str, done: float, total: float, note: str = "") -> None:
        """Move a task's bar."""
        if task not in self.tasks:
            self.tasks[task] = self.progress_bars.add_task(f"  {task:<14}", total=total)
        self.progress_bars.update(
            self.tasks[task],
            completed=done,
            total=total,
            description=f"  {task:<14}{escape(note)}",
        )

    def ended(self, stage: str, outcome: Outcome, seconds: float) -> None:
        """Replace the bars by what was done."""
        self._clear()
        text = f"{outcome.rows_in:>11,} rows in {outcome.rows_out:>11,} out"
        text += f" {outcome.rejected:>7,} rejected" if outcome.rejected else ""
        self.console.print(f"[green]✓[/] [bold]{stage:<12}[/] {seconds:6.1f} s {text}")
        sys.stderr.flush()

    def unchanged(self, stage: str) -> None:
        """Say nothing: what is up to date is no news."""

    def notify(self, severity: str, text: str) -> None:
        """Print a notification above the bars; errors end the run, and are told then."""
        if severity != "error":
            mark = f"  [{_COLOURS[severity]}]•[/] "
            self.console.print(mark + escape(text), soft_wrap=True)

    def _clear(self) -> None:
        for task in self.tasks.values():
            self.progress_bars.remove_task(task)
        self.tasks = {}
