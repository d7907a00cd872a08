"""Where files are kept that can be made again: a folder that no other user can write to.

A library or a table that is read back is trusted like code, so whoever can write there, or exchange a folder on the way
there, could run code as this user. OpenSSH asks the same of the files that it trusts: each folder on the way belongs to
root or to the user, and nobody else may write to it. A folder for all, such as /tmp, is safe where its sticky bit lets
nobody exchange what belongs to another.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def private_folder(*parts: str) -> Path | None:
    """The folder of these names in the user's cache, made if need be; else in the temporary folder; None where neither is safe.

    The cache is `XDG_CACHE_HOME` where that is an absolute path, else `~/.cache`.
    """
    return next((folder for base in _bases() if (folder := _made(base.joinpath(*parts))) is not None), None)


def _bases() -> Iterator[Path]:
    named = os.environ.get("XDG_CACHE_HOME", "")
    with suppress(RuntimeError):  # nobody knows where home is
        yield (Path(named) if os.path.isabs(named) else Path.home() / ".cache") / "mlmdsl"
    yield Path(tempfile.gettempdir()) / f"mlmdsl-{_user()}"


def _made(folder: Path) -> Path | None:
    try:
        for missing in reversed([each for each in (folder, *folder.parents) if not os.path.lexists(each)]):
            missing.mkdir(mode=0o700, exist_ok=True)
        return folder if folder.is_dir() and os.access(folder, os.W_OK) and is_private(folder) else None
    except OSError:
        return None


def is_private(path: Path) -> bool:
    """Whether nobody but root and this user can change what lies at a path: neither it nor what leads to it, links included."""
    if not hasattr(os, "getuid"):  # Windows keeps a user's folders from others by itself
        return True
    absolute, real = path.absolute(), path.resolve()
    return all(_is_guarded(each) for each in {absolute, *absolute.parents, real, *real.parents})


def _is_guarded(path: Path) -> bool:
    found = path.lstat()
    if found.st_uid not in (0, _user()):
        return False
    if stat.S_ISLNK(found.st_mode):  # its own mode says nothing; the folder that holds it is looked at too
        return True
    others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return not others or bool(stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX)


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def prune(folder: Path, pattern: str, most_bytes: int) -> None:
    """Delete files of a folder, those used longest ago first, until what is left takes at most that many bytes.

    When a file was used is its time of change: whoever uses it, touches it.
    """
    kept = 0
    for _, size, path in sorted(_files(folder, pattern), reverse=True):
        kept += size
        if kept > most_bytes:
            path.unlink(missing_ok=True)


def _files(folder: Path, pattern: str) -> Iterator[tuple[int, int, Path]]:
    for path in folder.glob(pattern):
        try:
            found = path.stat()
        except OSError:  # another process has deleted it
            continue
        yield found.st_mtime_ns, found.st_size, path
