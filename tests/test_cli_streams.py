"""Commands whose streams are closed, whose files are one, whose names are odd: a status, a line, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlmdsl.cli import app
from mlmdsl.results.fit import Fit
from tests.test_files import full_disk

SPEC = (
    '@data "y ü.csv" begin\n    y = y\nend\n@model function m(y)\n    μ ~ Normal(0, 10)\n    y .~ Normal(μ, 1)\nend\n'
)
SHORT = ["--seed", "1", "--chains", "2", "--draws", "10", "--tune", "20"]
COMMANDS = [
    ["list"],
    ["show", "cheese/varying_intercept"],
    ["compile", "m.mlm"],
    ["check", "m.mlm", "m.mlm"],
    ["data", "m.mlm"],
    ["run", "m.mlm", *SHORT],
    ["summary", "fit.nc"],
    ["diagnose", "fit.nc"],
    ["--help"],
]
ids = [command[0] for command in COMMANDS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec, its table, a fit of it."""
    folder = tmp_path_factory.mktemp("a folder ü")
    (folder / "m.mlm").write_text(SPEC, encoding="utf-8")
    (folder / "y ü.csv").write_text("y\n1.0\n2.0\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["run", str(folder / "m.mlm"), *SHORT, "-o", str(folder / "fit.nc")])
    assert done.exit_code == 0, done.stderr
    return folder


def shell(folder: Path, arguments: list[str], redirection: str) -> subprocess.CompletedProcess[str]:
    """A command with redirections, such as `>&-`."""
    line = f'{sys.executable} -m mlmdsl "$@" {redirection}'
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])}
    command = ["bash", "-c", line, "bash", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", [COMMANDS[0], COMMANDS[5], COMMANDS[-1]], ids=lambda command: command[0])
def test_a_reader_that_goes_away(command: list[str], folder: Path) -> None:
    """Nobody reads the pipe: what cannot be written is status 1, without a word about it."""
    done = shell(folder, command, "| :; exit ${PIPESTATUS[0]}")
    assert done.returncode in ((0, 1) if command == ["--help"] else (1,))  # help may fit before the reader is gone
    assert not [
        line for line in done.stderr.splitlines() if "Traceback" in line or "Exception" in line or "roken" in line
    ]


@pytest.mark.parametrize("command", COMMANDS[:-1], ids=ids[:-1])
def test_a_closed_stdout(command: list[str], folder: Path) -> None:
    done = shell(folder, command, ">&-")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_full_stdout(folder: Path) -> None:
    done = shell(folder, ["list"], "> /dev/full")
    assert (done.returncode, done.stderr) == (1, "error: stdout: No space left on device\n")


def test_a_closed_stderr_puts_nothing_into_the_report(folder: Path) -> None:
    done = shell(folder, ["run", "m.mlm", *SHORT, "--format", "csv"], "2>&-")
    assert done.returncode == 0
    assert [line.split(",")[0] for line in done.stdout.splitlines()] == ["parameter", "μ"]
    wrong = shell(folder, ["check", "none.mlm"], "2>&-")
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_a_closed_stdin(folder: Path) -> None:
    done = shell(folder, ["check", "-"], "<&-")
    assert (done.returncode, done.stderr) == (2, "error: stdin is closed\n")


def test_draws_are_saved_whoever_reads_the_report(folder: Path) -> None:
    (folder / "unread.nc").unlink(missing_ok=True)
    done = shell(folder, ["run", "m.mlm", *SHORT, "-o", "unread.nc"], ">&-")
    assert done.returncode == 1
    assert Fit.load(folder / "unread.nc").values["μ"].shape == (2, 10)


# ── what is read is not written over ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def inside(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own with the spec and its table, and links to both."""
    for name in ("m.mlm", "y ü.csv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "soft").symlink_to("m.mlm")
    (tmp_path / "hard").hardlink_to(tmp_path / "y ü.csv")
    (tmp_path / "up").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mlmdsl(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("target", ["m.mlm", "y ü.csv", "soft", "hard", "up/../m.mlm"])
@pytest.mark.parametrize(
    "command", [["run", "m.mlm", "-o"], ["run", "m.mlm", "--checkpoint"], ["compile", "m.mlm", "-o"]]
)
def test_inputs_are_not_overwritten(command: list[str], target: str, inside: Path) -> None:
    before = {path.name: path.read_bytes() for path in inside.iterdir() if path.is_file()}
    done = mlmdsl(*command, target)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{target}: this would overwrite " in done.stderr
    assert {path.name: path.read_bytes() for path in inside.iterdir() if path.is_file()} == before


def test_a_table_that_is_given_is_not_overwritten(inside: Path) -> None:
    (inside / "other.csv").write_text("y\n3.0\n")
    done = mlmdsl("run", "m.mlm", "--data", "other.csv", "-o", "other.csv")
    assert done.exit_code == 2
    assert "this would overwrite other.csv, which is read" in done.stderr


def test_draws_do_not_overwrite_their_checkpoint(inside: Path) -> None:
    for option in ("--checkpoint", "--resume"):
        done = mlmdsl("run", "m.mlm", option, "one", "-o", "up/../one")
        assert done.exit_code == 2
        assert "this would overwrite one" in done.stderr


@pytest.mark.parametrize("name", ["a b.nc", "αβγ.nc", "-.nc", "--", "$HOME", "'quoted'", "x" * 240])
def test_odd_names(name: str, inside: Path) -> None:
    done = mlmdsl("run", "m.mlm", *SHORT, "-o", name)
    assert done.exit_code == 0, done.stderr
    read = mlmdsl("summary", "--", name)
    assert (read.exit_code, read.stdout) == (0, done.stdout)


def test_names_that_are_no_text(inside: Path) -> None:
    """Bytes that are no UTF-8, as old file systems have them."""
    name = os.fsdecode(b"a\xff.mlm")
    (inside / "m.mlm").rename(name)
    done = mlmdsl("run", name, *SHORT, "--format", "json", "-o", os.fsdecode(b"o\xff.nc"))
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["spec"] == "a\\xff.mlm"
    assert mlmdsl("compile", name, "-o", "program.py").exit_code == 0
    assert mlmdsl("run", name, *SHORT, "-o", name).exit_code == 2


@pytest.mark.parametrize("command", ["run", "compile", "check", "data", "show", "summary", "diagnose"])
def test_folders_in_the_place_of_files(command: str, inside: Path) -> None:
    done = mlmdsl(command, "up")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "up" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["-o", "--checkpoint", "--resume", "--data"])
def test_folders_in_the_place_of_options(option: str, inside: Path) -> None:
    (inside / "up.csv").mkdir()
    done = mlmdsl("run", "m.mlm", *SHORT, option, "up.csv")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_a_full_disk_at_the_end_still_gives_the_summary(inside: Path) -> None:
    with full_disk(5000):
        done = mlmdsl("run", "m.mlm", *SHORT, "--draws", "2000", "-o", "fit.nc")
    assert done.exit_code == 2
    assert "error: fit.nc: File too large" in done.stderr
    assert done.stdout.startswith("parameter")
    assert not (inside / "fit.nc").exists()
