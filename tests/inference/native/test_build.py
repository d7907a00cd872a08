"""The C compiler: one that hangs or is interrupted is killed with what it started; the cache of libraries is bounded."""

from __future__ import annotations

import _thread
import os
import shlex
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlmdsl.inference.engine import TensorEngine, build_engine
from mlmdsl.inference.native import build
from mlmdsl.inference.settings import Settings
from mlmdsl.inference.sites import read_sites
from tests.inference.models import eight_schools

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="machine code is made on Linux and macOS only")


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A compiler that writes its number and that of a process it starts into a file, and hangs; that file."""
    note, compiler = tmp_path / "note", tmp_path / "compiler"
    compiler.write_text(
        f"#!/bin/sh\nsleep 600 &\necho $$ $! > {shlex.quote(str(note))}.new\nmv {note}.new {note}\nwait\n"
    )
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CC", str(compiler))
    build.find_compiler.cache_clear()
    yield note
    build.find_compiler.cache_clear()


def ended(note: Path) -> bool:
    """Whether all processes of the compiler are gone, within ten seconds."""
    numbers = [int(number) for number in note.read_text().split()]
    assert len(numbers) == 2
    for _ in range(1000):
        if not any(runs(number) for number in numbers):
            return True
        time.sleep(0.01)
    return False


def runs(number: int) -> bool:
    """Whether a process is there and has not ended: one that nobody has waited for yet counts as gone."""
    try:
        os.kill(number, 0)
        status = Path(f"/proc/{number}/stat")
        return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
    except (ProcessLookupError, FileNotFoundError):
        return False


def begun(note: Path) -> None:
    """Wait until the compiler hangs."""
    while not note.exists():
        time.sleep(0.01)


def test_a_compiler_that_hangs_is_stopped(hanging: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = build.build("int f(void) { return 1; }")
    begun(hanging)
    assert made.made is not None
    monkeypatch.setattr(made.made, "_deadline", time.monotonic())
    with pytest.raises(build.NoCompiler, match="took more than 120 seconds and was stopped"):
        made.load()
    assert ended(hanging)
    assert not list(made.library.parent.iterdir())


def test_an_interrupt_stops_the_compiler(hanging: Path) -> None:
    made = build.build("int f(void) { return 1; }")
    begun(hanging)
    threading.Timer(0.2, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        made.load()
    assert ended(hanging)
    assert not list(made.library.parent.iterdir())


def test_a_compiler_that_nobody_waits_for_is_stopped(hanging: Path) -> None:
    made = build.build("int f(void) { return 1; }")
    begun(hanging)
    del made
    assert ended(hanging)


def test_where_it_hangs_the_model_runs_by_tensor_operations_and_says_so(
    hanging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "MOST_SECONDS", 0.5)
    engine = build_engine(read_sites(eight_schools()), Settings(chains=2, draws=10, tune=10))
    assert isinstance(engine, TensorEngine)
    reason = "the C compiler took more than 0.5 seconds and was stopped"
    assert engine.notes == (f"steps run uncompiled, ten or more times slower: {reason}",)


def test_the_cache_is_bounded_and_what_was_used_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    libraries = []
    for k in range(3):
        made = build.build(f"int f(void) {{ return {k}; }}")
        made.load()
        libraries.append(made.library)
        os.utime(made.library, (k, k))
    size = sum(library.stat().st_size for library in libraries)
    assert build.build("int f(void) { return 0; }").made is None  # used again, so it is the newest
    monkeypatch.setattr(build, "MOST_BYTES", size)
    newest = build.build("int f(void) { return 3; }")
    newest.load()
    assert set(newest.library.parent.iterdir()) == {libraries[0], libraries[2], newest.library}
