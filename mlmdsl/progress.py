"""What a person sees while a model is sampled: a live bar on a terminal, a line a phase elsewhere, nothing if so asked.

Each display is a context and, inside it, the callback that the sampler calls; `last` is what it was told last.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

from mlmdsl.console import complain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

PHASES = {"pilot": "the pilot run", "warmup": "warm-up", "sample": "sampling"}


class Report(Protocol):
    """Where a run stands: `done` of `total` transitions of a phase, all chains together."""

    @property
    def phase(self) -> str: ...
    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def step_size(self) -> float: ...
    @property
    def divergences(self) -> int: ...


class Display:
    """Shows nothing, and remembers."""

    last: Report | None = None

    def __call__(self, report: Report) -> None:
        """Take note of where the run stands."""
        self.last = report
        self.show(report)

    def show(self, report: Report) -> None:
        """Show it."""

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to do."""


class Lines(Display):
    """A line on stderr as each phase begins."""

    def __init__(self) -> None:
        self.begun: set[str] = set()

    def show(self, report: Report) -> None:
        """Say that a phase has begun."""
        if report.phase not in self.begun:
            self.begun.add(report.phase)
            complain(f"{PHASES[report.phase]}: {report.total} transitions")


class Bar(Display):
    """A bar on the terminal for the phase that is on: transitions, step size, divergences, time left."""

    def __init__(self, console: Console | None = None) -> None:
        from rich import progress
        from rich.console import Console

        self.rich = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[figures]}"),
            progress.TimeRemainingColumn(compact=True),
            console=console or Console(stderr=True),
            transient=True,
        )
        self.tasks: dict[str, TaskID] = {"compile": self.rich.add_task("compiling", total=None, figures="")}

    def show(self, report: Report) -> None:
        """Move the bar of this phase, and hide those of the others (stock Pyro runs the phases by turns)."""
        if report.phase not in self.tasks:
            self.tasks[report.phase] = self.rich.add_task(PHASES[report.phase], total=report.total, figures="")
        for phase, task in self.tasks.items():
            self.rich.update(task, visible=phase == report.phase)
        self.rich.update(self.tasks[report.phase], completed=report.done, figures=figures(report))

    def __enter__(self) -> Display:
        self.rich.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.rich.stop()


def display(quiet: bool) -> Display:
    """The display that suits stderr."""
    if quiet:
        return Display()
    return Bar() if sys.stderr is not None and sys.stderr.isatty() else Lines()


def figures(report: Report) -> str:
    """`1200/4000 · step 0.412 · 0 divergences`."""
    plural = "" if report.divergences == 1 else "s"
    return f"{report.done}/{report.total} · step {report.step_size:.3g} · {report.divergences} divergence{plural}"


def interruption(last: Report | None) -> str:
    """What to say where an interrupt left nothing to keep."""
    if last is None:
        return "interrupted before sampling began: nothing was drawn"
    if last.phase != "sample":
        done = f"{last.done} of {last.total} transitions"
        return f"interrupted during {PHASES[last.phase]}, after {done}: nothing was drawn"
    return "interrupted before each chain had draws worth keeping"
