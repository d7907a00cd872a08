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
import subprocess
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from mlmdsl.cache import private_folder

FLAGS = (
    *("-O2", "-march=native", "-ftree-vectorize", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd"),
    *("-fPIC", "-shared", "-pthread", "-w", "-std=gnu11"),
    "-fno-gcse",  # a tenth of the compiler's time, for nothing that shows in loops this short
)
COMPILERS = ("cc", "gcc", "clang")


class NoCompiler(Exception):
    """C cannot be compiled here; the message says why."""


@dataclass(frozen=True)
class Build:
    """A library that is being made: `load` waits for it."""

    library: Path
    made: Future[None] | None = None

    def load(self) -> ctypes.CDLL:
        """The library.

        Raises:
            NoCompiler: the compiler failed, or what it made does not load.
        """
        if self.made is not None:
            self.made.result()
        try:
            return ctypes.CDLL(str(self.library))
        except OSError as error:
            self.library.unlink(missing_ok=True)  # the next run makes it anew
            raise NoCompiler(f"compiled code does not load: {error}") from error


def build(text: str) -> Build:
    """Begin to compile a C file, beside whatever else goes on.

    Raises:
        NoCompiler: there is no C compiler, or no folder to keep libraries in.
    """
    compiler = find_compiler()
    whole = header("prelude.h") + text
    decisive = "\0".join([whole, *compiler, *FLAGS, _version(compiler), platform.machine(), _processor()])
    library = cache_folder() / f"{hashlib.sha256(decisive.encode()).hexdigest()[:32]}.so"
    return Build(library, None if library.exists() else _workers().submit(_compile, whole, compiler, library))


def _compile(text: str, compiler: tuple[str, ...], library: Path) -> None:
    """Write beside the library, then move it there: another process sees all of it or nothing."""
    try:
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            unfinished = Path(folder) / library.name
            command = [*compiler, *FLAGS, "-x", "c", "-", "-o", str(unfinished), "-lm"]
            done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
            if done.returncode:
                first = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[0]
                raise NoCompiler(f"the C compiler failed: {first}")
            unfinished.replace(library)
    except OSError as error:
        raise NoCompiler(str(error)) from error


@cache
def _workers() -> ThreadPoolExecutor:
    """Threads that wait for compilers."""
    return ThreadPoolExecutor(max_workers=2, thread_name_prefix="cc")


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
