"""Files are there in full or not at all, and what stood in their place is kept until then."""

from __future__ import annotations

import errno
import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlmdsl.files import is_same_file, write_text, written_beside


@contextmanager
def full_disk(room: int = 1000) -> Iterator[None]:
    """Inside, no file grows beyond so many bytes: what the system says of that comes the way that a full disk's would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder: Path) -> list[str]:
    """All that lies in a folder, hidden files too."""
    return sorted(os.listdir(folder))


def test_a_new_file_has_the_rights_of_one(tmp_path: Path) -> None:
    plain, path = tmp_path / "plain", tmp_path / "a ü.txt"
    plain.write_text("x")
    write_text(path, "β\n")
    assert path.read_text(encoding="utf-8") == "β\n"
    assert path.stat().st_mode == plain.stat().st_mode
    assert names(tmp_path) == ["a ü.txt", "plain"]


def test_rights_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(0o640)
    write_text(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o640)


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half way"), written_beside(path) as beside:
        beside.write_text("new")
        raise RuntimeError("half way")
    assert (path.read_text(), names(tmp_path)) == ("old", ["a"])


def test_a_full_disk_names_the_file_that_was_wanted(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with full_disk(), pytest.raises(OSError, match="File too large") as caught:
        write_text(path, "x" * 100_000)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert (path.read_text(), names(tmp_path)) == ("old", ["a"])


def test_what_a_link_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    path, link = tmp_path / "elsewhere" / "a", tmp_path / "link"
    path.write_text("old")
    link.symlink_to(path)
    write_text(link, "new")
    assert link.is_symlink()
    assert (path.read_text(), names(tmp_path / "elsewhere")) == ("new", ["a"])


def test_what_is_no_file_is_written_into(tmp_path: Path) -> None:
    write_text(Path("/dev/null"), "gone")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text(pipe, "through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="is a folder"):
        write_text(tmp_path, "x")
    with pytest.raises(FileNotFoundError, match="there is no folder .*none"):
        write_text(tmp_path / "none" / "a", "x")


def test_files_that_are_the_same(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_text("x")
    other.write_text("x")
    (tmp_path / "soft").symlink_to(path)
    (tmp_path / "hard").hardlink_to(path)
    (tmp_path / "way").symlink_to(tmp_path, target_is_directory=True)
    for name in ("a", "soft", "hard", "way/a", "../" + tmp_path.name + "/a"):
        assert is_same_file(path, tmp_path / name), name
    assert not is_same_file(path, other)
    assert is_same_file(tmp_path / "none", tmp_path / "way" / "none")
    assert not is_same_file(tmp_path / "none", path)
