"""C text to a loaded library: the machine's own compiler, and a cache of what it made.

A library is named by a hash of everything that decides it: the text, the flags, the compiler, the processor. It lies in the
user's cache folder, so the second run of a model compiles nothing. The same inputs give the same code, so whether the
cache was warm changes no draw.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

from mlmdsl.cache import private_folder, prune

FLAGS = (
    *("-O2", "-march=native", "-ftree-vectorize", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd"),
    *("-fPIC", "-shared", "-pthread", "-w", "-std=gnu11"),
    "-fno-gcse",  # a tenth of the compiler's time, for nothing that shows in loops this short
)
COMPILERS = ("cc", "gcc", "clang")
MOST_SECONDS = 120
"""How long a compiler may take: what a model needs takes seconds, so one that takes longer hangs."""
MOST_BYTES = 256 * 2**20
"""What all kept libraries may take, some thousand models; those used longest ago are deleted first."""
UNFINISHED = "unfinished-"


class NoCompiler(Exception):
    """C cannot be compiled here; the message says why."""


@dataclass(frozen=True)
class Build:
    """A library that is being made: `load` waits for it."""

    library: Path
    made: Compilation | None = None

    def load(self) -> ctypes.CDLL:
        """The library.

        Raises:
            NoCompiler: the compiler failed or took too long, or what it made does not load.
        """
        if self.made is not None:
            self.made.wait()
        try:
            return ctypes.CDLL(str(self.library))
        except OSError as error:
            self.library.unlink(missing_ok=True)  # the next run makes it anew
            raise NoCompiler(f"compiled code does not load: {error}") from error


class Compilation:
    """A compiler at work beside whatever else goes on, in a group of processes of its own.

    It is killed with all that it started if it takes longer than MOST_SECONDS, if waiting for it is interrupted, or if nobody
    waits for it any more.
    """

    def __init__(self, text: str, compiler: tuple[str, ...], library: Path) -> None:
        """Begin. Raises NoCompiler where it cannot be started."""
        self.library, self._deadline = library, time.monotonic() + MOST_SECONDS
        try:
            folder = TemporaryDirectory(prefix=UNFINISHED, dir=library.parent)
            self._folder = Path(folder.name)
            (self._folder / "text.c").write_text(text, encoding="utf-8")
            command = [*compiler, *FLAGS, "-o", "made.so", "text.c", "-lm"]
            with open(self._folder / "errors", "wb") as errors:
                self._process = subprocess.Popen(  # noqa: S603 - the user's own compiler
                    command,
                    cwd=folder.name,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    start_new_session=True,
                )
        except OSError as error:
            raise NoCompiler(str(error)) from error
        self._end = weakref.finalize(self, _end, self._process, folder)

    def wait(self) -> None:
        """Until the library lies in its place: another process sees all of it or nothing. Raises NoCompiler."""
        if not self._end.alive:
            return
        try:
            status = self._process.wait(max(0.0, self._deadline - time.monotonic()))
            if status:
                errors = (self._folder / "errors").read_text(encoding="utf-8", errors="replace")
                raise NoCompiler(f"the C compiler failed: {(errors.strip().splitlines() or ['no message'])[0]}")
            (self._folder / "made.so").replace(self.library)
            _prune(self.library.parent)
        except subprocess.TimeoutExpired as late:
            raise NoCompiler(f"the C compiler took more than {MOST_SECONDS} seconds and was stopped") from late
        except OSError as error:
            raise NoCompiler(str(error)) from error
        finally:
            self._end()


def _end(process: subprocess.Popen[bytes], folder: TemporaryDirectory[str]) -> None:
    """Kill a compiler with what it started, and delete what is unfinished."""
    if process.poll() is None:
        with suppress(OSError):  # they ended just now
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    with suppress(OSError):
        folder.cleanup()


def build(text: str) -> Build:
    """Begin to compile a C file, beside whatever else goes on.

    Raises:
        NoCompiler: there is no C compiler, or no folder to keep libraries in.
    """
    compiler = find_compiler()
    whole = header("prelude.h") + text
    decisive = "\0".join([whole, *compiler, *FLAGS, _version(compiler), platform.machine(), _processor()])
    library = cache_folder() / f"{hashlib.sha256(decisive.encode()).hexdigest()[:32]}.so"
    if not library.exists():
        return Build(library, Compilation(whole, compiler, library))
    with suppress(OSError):  # a cache that is read and not written
        os.utime(library)  # it was used: others are deleted before it
    return Build(library)


def _prune(folder: Path) -> None:
    """Keep the cache within MOST_BYTES, and delete what compilers left that were killed a day ago or more."""
    prune(folder, "*.so", MOST_BYTES)
    for left in folder.glob(f"{UNFINISHED}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > 86400:
                shutil.rmtree(left, ignore_errors=True)


@cache
def find_compiler() -> tuple[str, ...]:
    """The command of the C compiler: `CC` where it is set, else the first that the path has."""
    if sys.platform == "win32":
        raise NoCompiler("machine code is made on Linux and macOS only")
    named = shlex.split(os.environ.get("CC", ""))
    for command in [named] if named else [[name] for name in COMPILERS]:
        if (found := shutil.which(command[0])) is not None:
            return (found, *command[1:])
    raise NoCompiler(f"no C compiler was found ({' '.join(named) or ', '.join(COMPILERS)})")


def cache_folder() -> Path:
    """Where libraries are kept: a folder that no other user can write to.

    Raises:
        NoCompiler: there is none.
    """
    if (folder := private_folder("native")) is None:
        raise NoCompiler("there is no folder to keep compiled code in that others cannot write to")
    return folder


@cache
def header(name: str) -> str:
    """A C file of this folder."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def _version(compiler: tuple[str, ...]) -> str:
    """What tells one compiler from another: its real path, size and time, without running it."""
    real = Path(os.path.realpath(compiler[0]))
    found = real.stat()
    return f"{real}:{found.st_size}:{found.st_mtime_ns}"


@cache
def _processor() -> str:
    """The instructions that `-march=native` may use: a cache in a shared home must not cross processors."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return next((line for line in file if line.startswith(("flags", "Features"))), platform.processor())
    except OSError:
        return platform.processor() + sys.platform
