"""Files that are there in full or not at all: written beside the place they are for, then moved there."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A new file in the folder of `path`, to be written inside; what it then holds takes the place of `path`.

    Whatever goes wrong, `path` stays as it was and nothing is left beside it. A link stays one: what it points to is
    replaced. What is no regular file, such as a pipe, is written into.

    Raises:
        OSError: the folder is not there, or cannot be written to, or is full.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent}")
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder")
    beside = _new_file(target.parent if _is_replaceable(target) else Path(tempfile.gettempdir()))
    try:
        yield beside
        _put(beside, target)
    except OSError as error:
        if error.errno is None or error.filename not in (None, os.fspath(beside)):
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text, in full or not at all. OSError where that fails."""
    with written_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, by links of either kind too."""
    try:
        return one.samefile(other)
    except OSError:  # one is not there, or cannot be looked at
        return os.path.realpath(one) == os.path.realpath(other)


def _is_replaceable(target: Path) -> bool:
    try:
        return stat.S_ISREG(target.stat().st_mode)
    except FileNotFoundError:
        return True


def _new_file(folder: Path) -> Path:
    """An empty file of a name that no other has, with the rights that a new file gets."""
    path = folder / f".{secrets.token_hex(8)}.part"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return path


def _put(beside: Path, target: Path) -> None:
    """Move a file to its place, on the disk before it is seen there; into what is no regular file it is copied."""
    if not _is_replaceable(target):
        with beside.open("rb") as source, target.open("wb") as into:
            shutil.copyfileobj(source, into)
        return
    if target.exists():
        shutil.copymode(target, beside)
    with beside.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(beside, target)
