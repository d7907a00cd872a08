"""What is shown while a model is sampled."""

from __future__ import annotations

import io
from dataclasses import dataclass

import pytest
from rich.console import Console

from mlmdsl.progress import Bar, Display, Lines, display, figures, interruption


@dataclass(frozen=True)
class _Report:
    phase: str
    done: int
    total: int
    step_size: float = 0.41234
    divergences: int = 0


WARM = _Report("warmup", 50, 100)
DRAWN = _Report("sample", 300, 400, divergences=1)


def test_figures() -> None:
    assert figures(WARM) == "50/100 · step 0.412 · 0 divergences"
    assert figures(DRAWN) == "300/400 · step 0.412 · 1 divergence"


def test_lines_tell_each_phase_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as shown:
        for told in (WARM, WARM, DRAWN, WARM, DRAWN):
            shown(told)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "warm-up: 100 transitions\nsampling: 400 transitions\n")


def test_quiet_shows_nothing_and_remembers(capsys: pytest.CaptureFixture[str]) -> None:
    with display(quiet=True) as shown:
        shown(WARM)
        shown(DRAWN)
    assert shown.last == DRAWN
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_lines_where_stderr_is_no_terminal() -> None:
    assert isinstance(display(quiet=False), Lines)
    assert type(display(quiet=True)) is Display


def _frame(*reports: _Report) -> str:
    """What the bar looks like after these reports."""
    console = Console(file=io.StringIO(), width=120)
    bar = Bar(console)
    for told in reports:
        bar(told)
    with console.capture() as captured:
        console.print(bar.rich)
    return captured.get()


def test_the_bar_shows_the_phase_that_is_on() -> None:
    assert "compiling" in _frame()
    warming = _frame(WARM)
    assert "warm-up" in warming
    assert "50/100 · step 0.412 · 0 divergences" in warming
    assert "compiling" not in warming
    drawing = _frame(WARM, DRAWN)
    assert "300/400 · step 0.412 · 1 divergence" in drawing
    assert "warm-up" not in drawing
    assert "50/100" in _frame(WARM, DRAWN, WARM)


def test_the_bar_stops_when_sampling_fails() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with pytest.raises(RuntimeError, match="broken"), Bar(console) as shown:
        shown(WARM)
        raise RuntimeError("broken")
    assert isinstance(shown, Bar)
    assert not shown.rich.live.is_started


def test_interruptions_say_when() -> None:
    assert "before sampling began" in interruption(None)
    assert "during warm-up, after 50 of 100 transitions" in interruption(WARM)
    assert "before each chain had draws worth keeping" in interruption(DRAWN)
