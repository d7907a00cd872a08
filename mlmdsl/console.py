"""Where a command's words go and what it ends with: the report to stdout, the rest to stderr, faults as exit statuses.

No fault reaches the user as a traceback; `python -X dev -m mlmdsl …` lets it, for those who look for its cause.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from time import perf_counter, thread_time

import click

from mlmdsl.files import is_same_file
from mlmdsl.language.errors import MlmError

COLLECTED_AFTER = 100_000
"""Objects that are made between two looks for garbage."""

_STARTED = perf_counter() - thread_time()


class Status(IntEnum):
    """What the process ends with."""

    FINE = 0
    UNRELIABLE = 1  # sampled, but the diagnostics fail and --strict was given
    UNREPORTED = 1  # the report could not be written to stdout
    WRONG = 2  # the spec, the data or the usage
    INTERRUPTED = 130  # by Ctrl-C; by another signal, 128 and its number


def seconds_since_start() -> float:
    """Wall-clock seconds since the process began.

    What passed before this module was imported is counted as processor time of this thread, which is never more than wall-clock
    time: a starting interpreter does little else.
    """
    return perf_counter() - _STARTED


@contextmanager
def few_collections() -> Iterator[None]:
    """Seldom look for garbage, and not as the process ends.

    What libraries make as they are imported stays; to go through it again and again is a tenth of a run's start, and
    of its end a quarter of a second.
    """
    gc.set_threshold(COLLECTED_AFTER)
    try:
        yield
    finally:
        gc.freeze()


def prepare_streams() -> None:
    """Greek letters arrive: pipes and files get UTF-8 whatever the platform's habit, and nothing is unprintable.

    Streams that are closed get a place to go to: a file opened later would have their number, and get what is meant for them.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def report(text: str) -> None:
    """Write a report to stdout. Where it cannot be written (`| head`, a closed stream, a full disk) the status is 1."""
    if sys.stdout is None:  # closed before the process began
        raise click.exceptions.Exit(Status.UNREPORTED)
    try:
        print(text, end="" if text.endswith("\n") or not text else "\n", flush=True)
    except OSError as error:
        with open(os.devnull, "w") as nowhere:  # what is left in the buffer goes here when the process ends
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            complain(f"error: stdout: {error.strerror}")
        raise click.exceptions.Exit(Status.UNREPORTED) from None


def complain(text: str) -> None:
    """Say on stderr what is wrong, `--quiet` or not. Where nobody can hear it, that is no fault."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(text, file=sys.stderr, flush=True)


def say(text: str, quiet: bool) -> None:
    """Say something on stderr, unless `--quiet`."""
    if not quiet:
        complain(text)


@contextmanager
def reported() -> Iterator[None]:
    """Turn what goes wrong inside into a message on stderr and an exit status."""
    try:
        yield
    except click.exceptions.Exit:
        raise
    except KeyboardInterrupt as error:
        complain(str(error) or "interrupted")
        raise click.exceptions.Exit(128 + getattr(error, "number", signal.SIGINT)) from None
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        complain(fault(error))
        raise click.exceptions.Exit(Status.WRONG) from None


def fault(error: Exception) -> str:
    """What an exception says to a person.

    Errors of the spec and the data say it all. Others are cut to a line, and one for each of their notes: where in the
    spec the program stood.
    """
    if isinstance(error, MlmError):
        return str(error)
    text = str(error).strip()
    notes = [f"  {note}" for note in _notes(error)]
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif not isinstance(error, ValueError):
        text = text if isinstance(error, RuntimeError) else f"{type(error).__name__}: {text}"
        notes = notes or ["  `python -X dev -m mlmdsl …` shows where it comes from"]
    return "\n".join([f"error: {text.splitlines()[0] if text else type(error).__name__}", *notes])


def _notes(error: BaseException | None) -> list[str]:
    """The notes of an exception, or of the nearest one behind it that has any: Pyro raises new ones on the way out."""
    while error is not None:
        if notes := getattr(error, "__notes__", None):
            return list(notes)
        error = error.__cause__
    return []


@contextmanager
def said_warnings(quiet: bool) -> Iterator[None]:
    """Python's warnings go to stderr in a line each, unless `--quiet`; of the draws and of checkpoints that fail even then.

    What is wrong with the draws is said under their summary, and not here again.
    """
    from mlmdsl.results.findings import DiagnosticWarning

    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: complain(f"warning: {message}")
        if quiet:
            warnings.simplefilter("ignore")
        warnings.filterwarnings("always", "the checkpoint ")
        warnings.simplefilter("ignore", DiagnosticWarning)
        yield


def verify_writable(path: Path, option: str, inputs: Iterable[Path] = ()) -> None:
    """Raise ValueError unless a file can be made beside `path` and moved there, and `path` is none of the files that are read:
    found before the hours of sampling."""
    for read in inputs:
        if is_same_file(path, read):
            raise ValueError(f"{option} {path}: this would overwrite {read}, which is read; give another name")
    _verify_folder(path, option)


def _verify_folder(path: Path, option: str) -> None:
    if path.exists() and not path.is_file() and not path.is_dir():
        return  # such as a pipe: it is written into
    folder = Path(os.path.realpath(path)).parent
    if path.is_dir():
        raise ValueError(f"{option} {path}: this is a folder; give the name of a file")
    if not folder.is_dir():
        raise ValueError(f"{option} {path}: there is no folder {folder}")
    try:
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise ValueError(f"{option} {path}: cannot be written: {error.strerror}") from None
