"""Folders for files that are trusted when they are read back: none that another user could write to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlmdsl.cache import is_private, private_folder, prune

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners and modes are those of POSIX")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own, and a temporary folder beside it."""
    home, temporary = tmp_path / "cache", tmp_path / "temporary"
    for folder in (home, temporary):
        folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    return home


def test_a_folder_is_made_for_its_user_alone(home: Path) -> None:
    folder = private_folder("native")
    assert folder == home / "mlmdsl" / "native"
    assert [path.stat().st_mode & 0o777 for path in (folder, folder.parent)] == [0o700, 0o700]


@pytest.mark.parametrize("lax", [0o770, 0o707, 0o777, 0o720])
@pytest.mark.parametrize("place", ["", "mlmdsl", "mlmdsl/native"])
def test_where_others_may_write_the_temporary_folder_is_taken(home: Path, place: str, lax: int) -> None:
    private_folder("native")
    (home / place).chmod(lax)
    folder = private_folder("native")
    assert folder == home.parent / "temporary" / f"mlmdsl-{os.getuid()}" / "native"
    assert folder.is_dir()


def test_where_no_folder_is_safe_there_is_none(home: Path) -> None:
    home.chmod(0o777)
    (home.parent / "temporary").chmod(0o777)
    assert private_folder("native") is None


def test_a_folder_for_all_is_safe_if_it_is_sticky(home: Path) -> None:
    home.chmod(0o777)
    (home.parent / "temporary").chmod(0o1777)
    assert private_folder("native") is not None


def test_a_link_is_followed_and_what_it_points_to_is_looked_at(home: Path) -> None:
    real = home.parent / "elsewhere"
    real.mkdir(mode=0o700)
    (home / "mlmdsl").symlink_to(real)
    assert private_folder("native") == home / "mlmdsl" / "native"
    real.chmod(0o777)
    assert private_folder("native") != home / "mlmdsl" / "native"


def test_what_belongs_to_another_user_is_not_trusted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_private(home)
    if os.getuid() == 0:
        os.chown(home, 12345, -1)
    else:
        monkeypatch.setattr("os.getuid", lambda: 12345)
    assert not is_private(home)


def test_a_file_in_the_way_and_a_dangling_link_are_no_folders(home: Path) -> None:
    (home / "mlmdsl").write_text("")
    assert private_folder("native") == home.parent / "temporary" / f"mlmdsl-{os.getuid()}" / "native"
    (home / "mlmdsl").unlink()
    (home / "mlmdsl").symlink_to(home / "nowhere")
    assert private_folder("native") == home.parent / "temporary" / f"mlmdsl-{os.getuid()}" / "native"


def test_a_relative_cache_folder_is_not_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("HOME", str(home))
    assert private_folder("native") == home / ".cache" / "mlmdsl" / "native"


def test_what_was_used_longest_ago_is_deleted_first(tmp_path: Path) -> None:
    for age, name in enumerate(["new.so", "older.so", "oldest.so", "ancient.txt"]):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1_000_000 - age, 1_000_000 - age))
    prune(tmp_path, "*.so", 250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ancient.txt", "new.so", "older.so"]
