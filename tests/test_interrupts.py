"""A run that is asked to stop keeps what was drawn, whichever signal asks and however often."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlmdsl.interrupts import SIGNALS, Interrupted, Interrupts
from mlmdsl.results.fit import Fit

SPEC = "@model function m(y)\n    μ ~ Normal(0, 10)\n    σ ~ Exponential(1)\n    y .~ Normal(μ, σ)\nend\n"


def test_a_signal_waits_for_the_next_report() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupts() as stop, pytest.raises(Interrupted):  # nothing was reported: nothing can be cut in half
        signal.raise_signal(signal.SIGINT)
    with Interrupts() as stop:
        stop.check()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted) as caught:
            stop.check()
    assert caught.value.number == stop.number == signal.SIGTERM
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_asked_for_again_it_comes_at_once() -> None:
    with Interrupts() as stop:
        stop.check()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)


def test_what_is_being_kept_is_given_up_at_the_second_time_only(capfd: pytest.CaptureFixture[str]) -> None:
    with Interrupts() as stop:
        stop.check()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Interrupted):
            stop.check()
        stop.check()
        signal.raise_signal(signal.SIGHUP)
        assert capfd.readouterr().err == "what was drawn is being kept; once more gives it up\n"
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)


def test_once_all_is_drawn_it_is_being_kept(capfd: pytest.CaptureFixture[str]) -> None:
    """Unless the run goes on, since its draws are worth too little: then it ends at the next report."""
    with Interrupts() as stop:
        stop.check()
        stop.check(drawn=True)
        signal.raise_signal(signal.SIGTERM)
        assert "once more gives it up" in capfd.readouterr().err
        with pytest.raises(Interrupted):
            stop.check()
        assert stop.number == signal.SIGTERM
    with Interrupts() as stop:
        stop.check(drawn=True)
        signal.raise_signal(signal.SIGINT)
        stop.check(drawn=True)
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)


def test_signals_that_are_ignored_stay_so() -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as stop:
            stop.check()
            signal.raise_signal(signal.SIGHUP)
            stop.check()
    finally:
        signal.signal(signal.SIGHUP, before)


def begun(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A run that is far too long to end by itself."""
    (folder / "m.mlm").write_text(SPEC, encoding="utf-8")
    (folder / "y.csv").write_text("y\n1.0\n2.0\n2.5\n", encoding="utf-8")
    command = [sys.executable, "-m", "mlmdsl", "run", "m.mlm", "--data", "y.csv", "--seed", "1", "--chains", "4"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    return subprocess.Popen([*command, *arguments], cwd=folder, env=environment, **pipes)  # type: ignore[call-overload, no-any-return]


def heard_until(run: subprocess.Popen[str], phase: str) -> None:
    """Wait for a phase to begin."""
    assert run.stderr is not None
    for line in run.stderr:
        if line.startswith(phase):
            return
    pytest.fail(f"no {phase}")


@pytest.mark.parametrize("numbers", [(signal.SIGTERM,), (signal.SIGHUP, signal.SIGINT)], ids=["once", "twice"])
def test_a_signal_while_sampling_keeps_the_draws(numbers: tuple[signal.Signals, ...], tmp_path: Path) -> None:
    run = begun(tmp_path, "--draws", "1000000", "--tune", "100", "-o", "fit.nc", "--format", "json")
    heard_until(run, "sampling")
    time.sleep(1.0)  # each chain needs a few draws to be worth keeping
    for number in numbers:
        run.send_signal(number)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 128 + numbers[0]
    assert "Traceback" not in err
    fit = Fit.load(tmp_path / "fit.nc")
    assert fit.run.interrupted
    report = json.load(io.StringIO(out))
    assert report["draws"] == fit.values["μ"].shape[1] >= 4
    assert "interrupted" in [finding["code"] for finding in report["findings"]]


def test_a_run_stopped_in_warm_up_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    """The draws are those of the run that is not stopped."""
    settings = ("--draws", "20", "--tune", "40000", "--format", "json")
    run = begun(tmp_path, *settings, "--checkpoint", "kept")
    heard_until(run, "warm-up")
    run.send_signal(signal.SIGTERM)
    out, err = run.communicate(timeout=120)
    assert (run.returncode, out) == (143, "")
    assert "interrupted during warm-up" in err
    assert "--resume kept continues it" in err
    resumed, whole = begun(tmp_path, *settings, "--resume", "kept"), begun(tmp_path, *settings)
    found, expected = (json.loads(each.communicate(timeout=300)[0])["summary"] for each in (resumed, whole))
    assert [row["mean"] for row in found] == [row["mean"] for row in expected]
    assert len(found) == 2
