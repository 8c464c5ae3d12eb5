"""How far a command is, on a terminal; elsewhere nothing is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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


@contextmanager
def step_progress(method: str) -> Iterator[Progress]:
    """Show how far a slow method is with one radiograph."""
    console = Console(stderr=True)
    shown = METHODS[method].is_slow and console.is_terminal
    with Bars(console=console, transient=True, disable=not shown) as bars:
        task = bars.add_task(METHODS[method].label)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@dataclass(frozen=True)
class FilesProgress:
    """Counts files on a bar."""

    bars: Bars
    task: TaskID

    def advance(self) -> None:
        """Count one more."""
        self.bars.advance(self.task)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} files/s")


@contextmanager
def files_progress(total: int, *, shown: bool) -> Iterator[FilesProgress]:
    """Show how many of the files are done, how fast, and how long the rest will take."""
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), _Rate(), TimeElapsedColumn())
    with Bars(
        *columns,
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not (shown and console.is_terminal),
    ) as bars:
        yield FilesProgress(bars, bars.add_task("", total=total))
