"""Streams, faults and exit statuses."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import click
import pytest

from mlmdsl.console import Status, fault, report, reported, say, verify_writable
from mlmdsl.language.errors import DataError, Diagnostic, SpecError
from mlmdsl.language.source import Source, Span

_ANY_HINT = "python -X dev"


def _noted(error: Exception, note: str) -> Exception:
    error.add_note(note)
    return error


def _raised_anew() -> Exception:
    """As Pyro raises an error of a program again, with the shapes of its sites."""
    anew = RuntimeError("singular\nTrace Shapes:")
    anew.__cause__ = _noted(RuntimeError("singular"), "a.mlm:3: y ~ d")
    return anew


def _status_of(error: BaseException) -> int:
    with pytest.raises(click.exceptions.Exit) as caught, reported():
        raise error
    return caught.value.exit_code


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DataError([Diagnostic("no rows", hint="add some")]), "no rows\n  hint: add some"),
        (ValueError("two\nlines"), "error: two"),
        (ValueError(), "error: ValueError"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.nc"), "error: a.nc: No such file"),
        (OSError(errno.ENOSPC, "No space left on device"), "error: No space left on device"),
        (_noted(RuntimeError("singular"), "a.mlm:3: y ~ d"), "error: singular\n  a.mlm:3: y ~ d"),
        (_raised_anew(), "error: singular\n  a.mlm:3: y ~ d"),
    ],
)
def test_faults_in_words(error: Exception, text: str) -> None:
    assert fault(error) == text


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("odd")])
def test_faults_of_no_known_place_say_how_to_look(error: Exception) -> None:
    first, second = fault(error).splitlines()
    assert first.startswith("error: ")
    assert _ANY_HINT in second


def test_an_error_of_the_spec_is_located(capsys: pytest.CaptureFixture[str]) -> None:
    error = SpecError([Diagnostic("unknown name `b`", Span(4, 5))], Source("a = b", "a.mlm"))
    assert _status_of(error) == Status.WRONG
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("a.mlm:1:5: unknown name `b`\n")


def test_interrupts(capsys: pytest.CaptureFixture[str]) -> None:
    assert _status_of(KeyboardInterrupt()) == 130
    assert _status_of(KeyboardInterrupt("while warming up")) == 130
    assert capsys.readouterr().err == "interrupted\nwhile warming up\n"


def test_an_exit_passes() -> None:
    assert _status_of(click.exceptions.Exit(1)) == 1


@pytest.mark.parametrize(("text", "printed"), [("a", "a\n"), ("a\n", "a\n"), ("", "")])
def test_a_report_ends_its_line(text: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    report(text)
    assert capsys.readouterr().out == printed


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    say("heard", quiet=False)
    say("unheard", quiet=True)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "heard\n")


def test_a_writable_place_is_left_as_it_was(tmp_path: Path) -> None:
    there = tmp_path / "fit.nc"
    there.write_text("old")
    verify_writable(there, "-o")
    verify_writable(tmp_path / "new.nc", "-o")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"fit.nc": "old"}


def test_places_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="-o .*: this is a folder"):
        verify_writable(tmp_path, "-o")
    with pytest.raises(ValueError, match="there is no folder"):
        verify_writable(tmp_path / "none" / "fit.nc", "-o")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that even root cannot write to")
def test_a_folder_that_refuses() -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        verify_writable(Path("/proc/fit.nc"), "-o")


def test_seconds_since_start_count_the_start() -> None:
    """Processor time of the start plus the time since: between what is slept here and what the whole process took."""
    program = "import time; from mlmdsl.console import seconds_since_start as s; time.sleep(0.1); print(s())"
    started = perf_counter()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 0.1 < float(done.stdout) < perf_counter() - started
