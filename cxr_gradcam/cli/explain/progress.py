"""Progress of a command on the terminal, or as lines if there is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.cam.perturbation_methods import Progress

SECONDS = 60
"""Time between two lines of progress, if there is no terminal."""


@contextmanager
def step_progress(method: str) -> Iterator[Progress]:
    """Show the progress of a slow method on one radiograph."""
    console = Console(stderr=True)
    shown = METHODS[method].is_slow and console.is_terminal
    with Bars(console=console, transient=True, disable=not shown) as bars:
        task = bars.add_task(METHODS[method].label)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@dataclass
class FilesProgress:
    """Count files on a progress bar, or in lines if there is no terminal.

    Args:
        bars: the terminal's progress bars.
        task: the bar of the files.
        last_line: when the last line was printed, in seconds; None if a bar is shown.
    """

    bars: Bars
    task: TaskID
    last_line: float | None = None

    def advance(self) -> None:
        """Count one more file."""
        self.bars.advance(self.task)
        if self.last_line is not None and monotonic() - self.last_line > SECONDS:
            self.last_line = monotonic()
            print(self._line(), file=sys.stderr, flush=True)

    def _line(self) -> str:
        task = self.bars.tasks[self.task]
        seconds = task.elapsed or 0
        rate = task.completed / seconds if seconds else 0
        left = (
            timedelta(seconds=round((task.total - task.completed) / rate))
            if rate and task.total
            else "?"
        )
        return f"{task.completed:,.0f} of {task.total:,.0f}, {rate:,.1f} files/s, {left} left"


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} files/s")


@contextmanager
def files_progress(total: int, *, shown: bool) -> Iterator[FilesProgress]:
    """Show how many of the files are done, how fast, and how long the rest will take."""
    console = Console(stderr=True)
    in_lines = shown and not console.is_terminal
    columns = (BarColumn(), MofNCompleteColumn(), _Rate(), TimeElapsedColumn())
    with Bars(
        *columns,
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not (shown and console.is_terminal),
    ) as bars:
        task = bars.add_task("", total=total)
        yield FilesProgress(bars, task, monotonic() if in_lines else None)
