"""The command line: what goes to stdout, what to stderr, and the exit status, of every command."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from mlmdsl.cli import _finish, _sample, app
from mlmdsl.console import Status
from mlmdsl.driver import Bound
from mlmdsl.interrupts import Interrupts
from mlmdsl.results.fit import Fit, Run, Variable

SPEC = """\
# The mean of a column.
@data "y.csv" begin
    y = y
    g = levels(group)
end
seed!(7)

@model function centre(y, g; scale=1)
    μ ~ Normal(0, 10)
    σ ~ Exponential(scale)
    y .~ Normal(μ, σ)
end
"""
TABLE = "group,y\na,1.0\nb,2.0\na,1.5\nb,2.5\na,0.5\n"
SHORT = ("--chains", "4", "--draws", "100", "--tune", "100")
RUN_KEYS = [
    "spec", "model", "seed", "chains", "draws", "tune", "kernel", "device", "marginalized", "centring",
    "timing", "gradient_evaluations", "divergences", "warnings", "findings", "summary",
]  # fmt: skip
TIMING_KEYS = ["import_s", "compile_s", "warmup_s", "sample_s", "recover_s", "total_s"]
ROW_KEYS = [
    "parameter", "label", "mean", "std", "mcse", "q5", "q95", "ess_bulk", "ess_tail", "rhat", "ess_per_sec",
]  # fmt: skip


def mlmdsl(*arguments: object, stdin: str | bytes | None = None) -> Result:
    """What a command does, in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def process(*arguments: str) -> subprocess.Popen[str]:
    """A command in a process of its own."""
    command = [sys.executable, "-m", "mlmdsl", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small spec beside its table."""
    folder = tmp_path_factory.mktemp("specs")
    (folder / "y.csv").write_text(TABLE, encoding="utf-8")
    path = folder / "centre.mlm"
    path.write_text(SPEC, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def saved(spec: Path) -> tuple[Result, Path]:
    """A run that was saved, and where."""
    output = spec.parent / "fit.nc"
    return mlmdsl("run", spec, *SHORT, "-o", output), output


# ── check, list, show, compile, data ─────────────────────────────────────────────────────────────────────────────────


def test_check() -> None:
    done = mlmdsl("check", "cheese/varying_intercept")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "cheese/varying_intercept: ok\n", "")


def test_check_goes_through_all_files(spec: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.mlm"
    wrong.write_text("@model function m(y)\n    y ~ Normal(nu, 1)\nend\n", encoding="utf-8")
    done = mlmdsl("check", wrong, tmp_path / "none.mlm", spec)
    assert done.exit_code == 2
    assert done.stdout == f"{spec}: ok\n"
    assert f"{wrong}:2:" in done.stderr
    assert "none.mlm: there is no such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_reads_stdin() -> None:
    assert mlmdsl("check", "-", stdin=SPEC).stdout == "-: ok\n"
    wrong = mlmdsl("check", "-", stdin="y ~ ")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("<stdin>:1:")
    assert mlmdsl("check", "-", stdin=b"\xff\xfe").exit_code == 2


def test_check_imports_nothing_slow() -> None:
    program = (
        "import sys; from mlmdsl.cli import app; app(['check', 'cheese/varying_intercept'], standalone_mode=False); "
        "slow = {'torch', 'pyro', 'pandas', 'pyarrow', 'arviz', 'xarray', 'rich'}; print(slow & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["cheese/varying_intercept: ok", "set()"]


def test_list_and_show() -> None:
    lines = mlmdsl("list").stdout.splitlines()
    names = [line.split()[0] for line in lines]
    assert "cheese/varying_intercept" in names
    assert all(len(line.split()) > 1 for line in lines)
    shown = mlmdsl("show", "cheese/varying_intercept")
    assert shown.exit_code == 0
    assert "@model function varying_intercept(" in shown.stdout
    missing = mlmdsl("show", "cheese/varying_intercep")
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "did you mean `cheese/varying_intercept`?" in missing.stderr


@pytest.mark.parametrize("stage", ["tree", "checked", "ir", "pyro"])
def test_compile_prints_each_stage(stage: str, spec: Path) -> None:
    done = mlmdsl("compile", spec, "--stage", stage)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "μ" in done.stdout
    assert ("pyro.sample" in done.stdout) == (stage == "pyro")


def test_compile_to_a_file(spec: Path, tmp_path: Path) -> None:
    program = tmp_path / "model.py"
    done = mlmdsl("compile", spec, "--dtype", "float32", "-o", program)
    assert (done.exit_code, done.stdout) == (0, "")
    text = program.read_text(encoding="utf-8")
    assert "torch.float32" in text
    compile(text, str(program), "exec")
    assert mlmdsl("compile", spec, "-o", tmp_path).exit_code == 2


def test_data_as_a_table(spec: Path) -> None:
    done = mlmdsl("data", spec)
    assert (done.exit_code, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["y.csv:", "5", "rows"] in lines
    assert ["group", "text", "0", "2:", "a", "b"] in lines
    assert ["y", "number", "0", "0.5", "1.5", "1.5", "2.5", "5:", "0.5", "1.0", "1.5", "2.0", "2.5"] in lines
    assert any(line[0] == "g" and line[-3:] == ["levels(group)", "a", "b"] for line in lines if line)


def test_data_for_programs(spec: Path) -> None:
    described = json.loads(mlmdsl("data", spec, "--set", "scale=2.5", "--format", "json").stdout)
    assert (described["rows"], described["model"]) == (5, "centre")
    assert [column["column"] for column in described["columns"]] == ["group", "y"]
    arguments = {argument["name"]: argument for argument in described["arguments"]}
    assert arguments["g"]["labels"] == [["a", "b"]]
    assert "2.5" in arguments["scale"]["kind"]
    rows = list(csv.DictReader(io.StringIO(mlmdsl("data", spec, "--format", "csv").stdout)))
    assert [(row["column"], row["type"], row["min"]) for row in rows] == [("group", "text", ""), ("y", "number", "0.5")]
    assert rows[0]["levels"] == "a b"


def test_another_table(spec: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("group,y\na,1\nb,2\n", encoding="utf-8")
    assert json.loads(mlmdsl("data", spec, "--data", other, "--format", "json").stdout)["rows"] == 2
    missing = mlmdsl("data", spec, "--data", tmp_path / "othr.csv")
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "did you mean `other.csv`?" in missing.stderr


# ── run ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_run_prints_the_summary_and_saves_the_draws(saved: tuple[Result, Path]) -> None:
    done, output = saved
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["parameter", "mean", "std", "mcse", "ess_bulk", "ess_tail", "rhat", "ess_per_sec"]
    assert [line.split()[0] for line in lines[2:]] == ["μ", "σ"]
    assert "warm-up: " in done.stderr
    assert "sampling: 400 transitions\n" in done.stderr
    assert f"saved {output}\n" in done.stderr
    assert "4 × 100 draws after 100 of warm-up; seed 7; vectorized" in done.stderr
    assert Fit.load(output).values["μ"].shape == (4, 100)


def test_run_as_json(spec: Path) -> None:
    done = mlmdsl("run", spec, *SHORT, "--seed", "11", "--format", "json", "--quiet")
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert list(report) == RUN_KEYS
    assert {line.split(":")[0] for line in done.stderr.splitlines() if line[:1] != " "} <= {"warning", "error"}
    grave = [finding for finding in report["findings"] if finding["severity"] != "note"]
    assert all(f"{finding['severity']}: {finding['message']}\n" in done.stderr for finding in grave)
    assert {finding["message"] for finding in grave} <= set(report["warnings"])
    assert list(report["timing"]) == TIMING_KEYS
    assert [list(row) for row in report["summary"]] == [ROW_KEYS, ROW_KEYS]
    assert [report[name] for name in RUN_KEYS[1:8]] == ["centre", 11, 4, 100, 100, "vectorized", "cpu"]
    assert all(report["timing"]["total_s"] > report["timing"][part] >= 0 for part in TIMING_KEYS[:-1])


def test_a_seed_is_drawn_and_said(spec: Path) -> None:
    text = SPEC.replace("seed!(7)\n", "")
    done = mlmdsl("run", "-", "--data", spec.parent / "y.csv", *SHORT, "--format", "json", stdin=text)
    seed = json.loads(done.stdout)["seed"]
    assert done.stderr.splitlines()[0] == f"seed {seed}"
    again = mlmdsl("run", "-", "--data", spec.parent / "y.csv", *SHORT, "--seed", seed, "--format", "csv", stdin=text)
    means = [row["mean"] for row in csv.DictReader(io.StringIO(again.stdout))]
    assert means == [str(row["mean"]) for row in json.loads(done.stdout)["summary"]]


def test_strict_fails_where_the_diagnostics_do(spec: Path) -> None:
    """Three draws a chain are too few for any diagnostic, whatever they are."""
    short = ("--chains", "2", "--draws", "3", "--tune", "20")
    lax = mlmdsl("run", spec, *short)
    strict = mlmdsl("run", spec, *short, "--strict", "--quiet")
    assert (lax.exit_code, strict.exit_code) == (0, 1)
    assert "warning: 3 draws a chain: nothing can be diagnosed\n  draw more" in lax.stderr
    assert strict.stderr == "warning: 3 draws a chain: nothing can be diagnosed\n  draw more: --draws 1000\n"
    assert strict.stdout.startswith("parameter")


def test_resume_gives_the_same_draws(spec: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    first = mlmdsl("run", spec, *SHORT, "--seed", "5", "--checkpoint", checkpoint, "--format", "csv")
    resumed = mlmdsl("run", spec, *SHORT, "--resume", checkpoint, "--format", "csv")
    assert (first.exit_code, resumed.exit_code) == (0, 0)
    rows = [list(csv.DictReader(io.StringIO(done.stdout))) for done in (first, resumed)]
    assert [row["mean"] for row in rows[0]] == [row["mean"] for row in rows[1]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sed", "1"), "--seed"),
        (("--chains", "0"), "'--chains'"),
        (("--draws", "many"), "'--draws'"),
        (("--tune", "-1"), "'--tune'"),
        (("--seed", "-1"), "'--seed'"),
        (("--target-accept", "1"), "'--target-accept'"),
        (("--max-depth", "0"), "'--max-depth'"),
        (("--kernel", "stan"), "'--kernel'"),
        (("--format", "xml"), "'--format'"),
        (("--set", "scale"), "`scale` is no NAME=VALUE"),
        (("--set", "scal=2"), "did you mean `scale`?"),
        (("--model", "centr"), "did you mean `centre`?"),
        (("--data", "none.csv"), "there is no file `none.csv`"),
        (("--output", "/no/such/folder/fit.nc"), "there is no folder /no/such/folder"),
        (("--checkpoint", "/no/such/folder/run"), "there is no folder /no/such/folder"),
        (("--resume", "/no/such/run"), "there is no such file"),
        (("--resume", __file__), "this is no checkpoint"),
    ],
)
def test_wrong_usage_is_found_before_sampling(arguments: tuple[str, str], message: str, spec: Path) -> None:
    done = mlmdsl("run", spec, *arguments, "--quiet")
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_device_that_is_not_there(spec: Path) -> None:
    command = [sys.executable, "-m", "mlmdsl", "run", str(spec), "--device", "cuda"]
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=hidden, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "finds no CUDA device" in done.stderr


def test_an_error_while_the_program_runs_is_one_of_the_spec(tmp_path: Path) -> None:
    """A covariance that is never positive definite: |correlation| ≥ 1 wherever s is drawn."""
    text = "@model function m(y)\n    s ~ Uniform(2, 3)\n    y ~ MvNormal([0.0, 0.0], [1.0 s; s 1.0])\nend\n"
    (tmp_path / "y.csv").write_text("y\n1.0\n2.0\n", encoding="utf-8")
    done = mlmdsl("run", "-", "--data", tmp_path / "y.csv", *SHORT, "--quiet", stdin=text)
    assert (done.exit_code, done.stdout) == (2, "")
    first, second = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert "PositiveDefinite" in first
    assert second == "  <stdin>:3: y ~ MvNormal([0.0, 0.0], [1.0 s; s 1.0])"


# ── summary, diagnose ────────────────────────────────────────────────────────────────────────────────────────────────


def test_summary_of_a_saved_fit(saved: tuple[Result, Path]) -> None:
    done, output = saved
    again = mlmdsl("summary", output)
    assert (again.exit_code, again.stdout) == (0, done.stdout)
    assert "seed 7; vectorized" in again.stderr
    rows = list(csv.DictReader(io.StringIO(mlmdsl("summary", output, "--format", "csv", "--quiet").stdout)))
    assert [row["parameter"] for row in rows] == ["μ", "σ"]
    assert list(json.loads(mlmdsl("summary", output, "--format", "json").stdout)) == RUN_KEYS


@pytest.mark.parametrize("command", ["summary", "diagnose"])
def test_a_file_that_holds_no_fit(command: str, spec: Path) -> None:
    for path, message in ((spec, "is no netCDF file"), (spec.parent / "none.nc", "there is no file")):
        done = mlmdsl(command, path)
        assert (done.exit_code, done.stdout) == (2, "")
        assert message in done.stderr


def _fit(draws: Mapping[str, Any], **fields: Any) -> Fit:
    arrays = {name: np.asarray(values) for name, values in draws.items()}
    run = Run("a.mlm", "m", 1, 4, 500, 100, "vectorized", **fields)
    return Fit(tuple(Variable(name) for name in arrays), arrays, run)


def test_diagnose(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    drawn = rng.normal(size=(4, 500))
    fits = {"good.nc": _fit({"μ": drawn}), "bad.nc": _fit({"μ": drawn + np.arange(4)[:, None]}, divergences=3)}
    for name, fit in fits.items():
        fit.save(tmp_path / name)
    good, bad = (mlmdsl("diagnose", tmp_path / name, "--strict") for name in fits)
    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert good.stdout.startswith("ok: R-hat at most 1.0")
    assert "3 of 2000 transitions diverged" in bad.stdout
    assert "R-hat above 1.01 in 1 of 1 figures: μ" in bad.stdout
    assert bad.stdout.splitlines()[-1].startswith("not ok: ")
    assert mlmdsl("diagnose", tmp_path / "bad.nc").exit_code == 0
    found = json.loads(mlmdsl("diagnose", tmp_path / "bad.nc", "--format", "json").stdout)
    assert found["ok"] is False
    assert {finding["severity"] for finding in found["findings"]} == {"error", "warning"}
    rows = list(csv.DictReader(io.StringIO(mlmdsl("diagnose", tmp_path / "bad.nc", "--format", "csv").stdout)))
    assert [row["message"] for row in rows] == [finding["message"] for finding in found["findings"]]


# ── interrupts, pipes, the entry point ───────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass(frozen=True)
class _Stopped:
    """A bound model whose sampling is interrupted at once."""

    def sample(self, **_: Any) -> Fit:
        raise KeyboardInterrupt


def test_an_interrupt_before_anything_is_drawn(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    with pytest.raises(KeyboardInterrupt, match="before sampling began: nothing was drawn$"):
        _sample(cast(Bound, _Stopped()), 1, True, {"checkpoint": checkpoint}, Interrupts())
    checkpoint.touch()
    with pytest.raises(KeyboardInterrupt, match="--resume .* continues it"):
        _sample(cast(Bound, _Stopped()), 1, True, {"checkpoint": checkpoint}, Interrupts())


@pytest.mark.parametrize(
    ("interrupted", "status", "strict", "left_with"),
    [
        (False, Status.FINE, False, 0),
        (False, Status.FINE, True, 1),
        (False, Status.WRONG, True, 2),
        (True, Status.FINE, True, 130),
        (True, Status.WRONG, False, 130),
    ],
)
def test_the_gravest_status_counts(interrupted: bool, status: Status, strict: bool, left_with: int) -> None:
    fit = _fit({"μ": np.zeros((4, 500))}, interrupted=interrupted)
    with pytest.raises(click.exceptions.Exit) as caught:
        _finish(fit, status, strict)
    assert caught.value.exit_code == left_with


def test_an_interrupted_run_keeps_its_draws(spec: Path, tmp_path: Path) -> None:
    """A run far too long to end by itself, stopped a second after its first draw."""
    output = tmp_path / "fit.nc"
    run = process(
        "run", str(spec), "--kernel", "pyro", "--chains", "1", "--draws", "1000000", "--tune", "5", "-o", str(output)
    )
    assert run.stderr is not None
    heard = []
    for line in run.stderr:
        heard.append(line)
        if line.startswith("sampling"):
            time.sleep(1.0)
            run.send_signal(signal.SIGINT)
            break
    out, err = run.communicate(timeout=120)
    assert run.returncode == 130
    assert out.startswith("parameter")
    draws = Fit.load(output).values["μ"].shape[1]
    assert 4 <= draws < 1_000_000
    assert f"warning: interrupted; this is the summary of 1 × {draws} draws" in err
    assert "Traceback" not in err


def test_pipes_carry_utf8_whatever_the_locale(spec: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "mlmdsl", "compile", str(spec), "--stage", "ir"]
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert "μ" in done.stdout.decode("utf-8")


def test_version_and_help() -> None:
    version = process("--version")
    assert version.communicate()[0].split()[0] == "mlmdsl"
    assert version.returncode == 0
    text = mlmdsl("--help").stdout
    commands = ["run", "compile", "check", "data", "list", "show", "summary", "diagnose"]
    assert [line.split()[0] for line in text.split("Commands:\n")[1].splitlines()] == commands
    assert mlmdsl("chek", "a.mlm").exit_code == 2
