"""The command line, a function a command: it reads flags, calls the driver and prints; it decides nothing about models.

Nothing that is slow to import is imported before it is needed: `check` needs neither PyTorch nor rich.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlmdsl import options
from mlmdsl.console import (
    Status,
    complain,
    fault,
    few_collections,
    prepare_streams,
    report,
    reported,
    said_warnings,
    say,
    seconds_since_start,
    verify_writable,
)
from mlmdsl.files import write_text
from mlmdsl.interrupts import Interrupted, Interrupts

if TYPE_CHECKING:
    from mlmdsl.driver import Bound, Spec
    from mlmdsl.inference.draws import Progress
    from mlmdsl.results.fit import Fit


class Commands(click.Group):
    """Commands in the order in which people need them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As they are defined, not by the alphabet."""
        return list(self.commands)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="mlmdsl", prog_name="mlmdsl", message="%(prog)s %(version)s")
def app() -> None:
    """Bayesian multilevel models in Turing's notation, compiled to Pyro and sampled with NUTS.

    SPEC is a path, - for stdin, or a shipped name such as cheese/varying_intercept.

    Exit status: 0 fine; 1 the diagnostics fail and --strict was given, or stdout is closed; 2 a spec, data or usage error;
    130 interrupted by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP: what was drawn so far is saved and summarised all the same.
    """


def main() -> None:
    """The entry point of `mlmdsl` and `python -m mlmdsl`."""
    prepare_streams()
    with few_collections():
        app(prog_name="mlmdsl")


# ── sampling ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
@options.spec
@options.bound_data
@options.seed
@options.sampling
@options.fit_output
@options.format_
@options.quiet
@options.strict
def run(
    spec: str,
    model: str | None,
    data: str | None,
    settings: Mapping[str, options.Setting],
    seed: int | None,
    output: Path | None,
    format_: str,
    quiet: bool,
    strict: bool,
    **sampling: Any,
) -> None:
    """Compile, bind the data, sample, print the summary.

    SPEC is a path, - for stdin, or a shipped name such as cheese/varying_intercept.
    """
    with reported(), said_warnings(quiet), Interrupts() as stop:
        read = _read(spec)
        _verify_places(read, data, output, sampling)
        bound = read.bind(data, model=model, settings=settings)
        _verify_device(sampling["device"])
        chosen = _seed(bound, seed, sampling["resume"], quiet)
        fit = _sample(bound, chosen, quiet, sampling, stop)
        status = max(_save(fit, output, quiet), _reported(_summary(fit, format_)))
        _say_how(fit, quiet)
        _finish(fit, status, strict, stop.number)


def _verify_places(spec: Spec, data: str | None, output: Path | None, sampling: Mapping[str, Any]) -> None:
    """Raise ValueError where what is to be written cannot be, or would overwrite what is read or written beside it."""
    checkpoint, resume = sampling["checkpoint"], sampling["resume"]
    inputs = spec.files(data)
    if output is not None:
        verify_writable(output, "--output", [*inputs, *(path for path in (resume, checkpoint) if path is not None)])
    if checkpoint is not None:
        verify_writable(checkpoint, "--checkpoint", inputs)


def _reported(text: str) -> Status:
    """Write the report; what was drawn has a status of its own where nobody reads it."""
    try:
        report(text)
    except click.exceptions.Exit as unwritten:
        return Status(unwritten.exit_code)
    return Status.FINE


def _seed(bound: Bound, seed: int | None, resume: Path | None, quiet: bool) -> int:
    """The seed: the flag's, that of the run to resume, the spec's, or one that is drawn and said."""
    resumed = None if resume is None else _checkpoint_seed(resume)
    chosen = next((known for known in (seed, resumed, bound.spec.seed) if known is not None), None)
    if chosen is None:
        import secrets

        chosen = secrets.randbelow(2**31)
        say(f"seed {chosen}", quiet)
    return chosen


def _checkpoint_seed(path: Path) -> int:
    """The seed of the run that wrote a checkpoint. ValueError where the file is none."""
    from mlmdsl.inference.checkpoint import read_about

    try:
        return int(read_about(path)["seed"])
    except (ValueError, KeyError) as error:
        raise ValueError(f"--resume {error}") from None


def _sample(bound: Bound, seed: int, quiet: bool, sampling: Mapping[str, Any], stop: Interrupts) -> Fit:
    """Draw, showing how far it is; an interrupt that leaves nothing to keep says when it came."""
    from mlmdsl.progress import display, interruption

    with display(quiet) as shown:

        def told(now: Progress) -> None:
            shown(now)
            stop.check(now.phase == "sample" and now.done == now.total)

        try:
            fit = bound.sample(seed=seed, progress=told, **sampling)
        except KeyboardInterrupt:
            kept = sampling["checkpoint"]
            hint = f"; --resume {kept} continues it" if kept is not None and kept.exists() else ""
            raise Interrupted(interruption(shown.last) + hint, stop.number) from None
    timing = {**fit.run.timing, "total_s": seconds_since_start()}
    return replace(fit, run=replace(fit.run, timing=timing))


def _verify_device(device: str) -> None:
    """Raise ValueError where there is no such device."""
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise ValueError(f"--device cuda: PyTorch {torch.__version__} finds no CUDA device on this machine")


def _save(fit: Fit, output: Path | None, quiet: bool) -> Status:
    """Write the fit. Draws that cannot be saved are still worth a summary, so a failure is said, not raised."""
    if output is not None:
        try:
            fit.save(output)
        except OSError as error:
            complain(fault(error))
            return Status.WRONG
        say(f"saved {output}", quiet)
    return Status.FINE


def _finish(fit: Fit, status: Status, strict: bool, signal: int = Status.INTERRUPTED - 128) -> None:
    """Leave with the status that the draws deserve; `signal` is the number of the one that interrupted them."""
    if fit.run.interrupted:
        raise click.exceptions.Exit(128 + signal)
    if status is Status.FINE and strict and not fit.ok:
        status = Status.UNRELIABLE
    raise click.exceptions.Exit(status)


def _summary(fit: Fit, format_: str) -> str:
    from mlmdsl.results.report import to_csv, to_json, to_text

    writers: dict[str, Callable[[Fit], str]] = {"table": to_text, "json": to_json, "csv": to_csv}
    return writers[format_](fit)


def _say_how(fit: Fit, quiet: bool) -> None:
    """After a summary, on stderr: how the draws were made, and all there is to warn of; that alone with `--quiet`."""
    from mlmdsl.describe import run_text
    from mlmdsl.results.findings import findings_text

    say(run_text(fit.run), quiet)
    shown = [finding for finding in fit.findings if not quiet or finding.severity != "note"]
    if shown:
        complain(findings_text(shown))


# ── specs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@app.command("compile")
@options.spec
@options.stage
@options.bound_data
@options.place
@options.output
def compile_(
    spec: str,
    stage: Any,
    model: str | None,
    data: str | None,
    settings: Mapping[str, options.Setting],
    device: str,
    dtype: Any,
    output: Path | None,
) -> None:
    """Print the Pyro program, or another stage."""
    with reported():
        read = _read(spec)
        if output is not None:
            verify_writable(output, "--output", read.files(data))
        text = read.stage(stage, model, data, settings, dtype, device)
        if output is None:
            report(text)
        else:
            write_text(output, text)


@app.command()
@options.specs
@options.model
def check(specs: tuple[str, ...], model: str | None) -> None:
    """Parse and check only; several files.

    Prints a line for each spec that is right, and the errors of each that is not.
    """
    status = Status.FINE
    for name in specs:
        try:
            with reported():
                _read(name).check(model)
                report(f"{name}: ok")
        except click.exceptions.Exit as failed:
            status = max(status, Status(failed.exit_code))
            if status is Status.INTERRUPTED or failed.exit_code == Status.UNREPORTED:
                break
    raise click.exceptions.Exit(status)


@app.command("data")
@options.spec
@options.bound_data
@options.format_
def data_(
    spec: str, model: str | None, data: str | None, settings: Mapping[str, options.Setting], format_: str
) -> None:
    """Describe the table, and what its columns became."""
    with reported():
        from mlmdsl import describe

        writers = {"table": describe.data_table, "json": describe.data_json, "csv": describe.data_csv}
        read = _read(spec)
        report(writers[format_](read.bind(read.table(data), model=model, settings=settings)))


@app.command("list")
def list_() -> None:
    """List the shipped specs."""
    with reported():
        from mlmdsl.describe import shipped_lines
        from mlmdsl.library import shipped

        report(shipped_lines(shipped()))


@app.command()
@click.argument("name", metavar="NAME")
def show(name: str) -> None:
    """Print a shipped spec."""
    with reported():
        report(_read(name).source.text)


def _read(where: str) -> Spec:
    """The spec at a path, by a shipped name, or from stdin."""
    from mlmdsl import driver

    network = bool(click.get_current_context().meta.get("network", True))
    if where != "-":
        return driver.load(where, network)
    from mlmdsl.language.source import read_source

    if sys.stdin is None:
        raise ValueError("stdin is closed")
    return driver.parse(read_source(sys.stdin.buffer.read(), "<stdin>").text, "<stdin>", network)


# ── fits ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
@options.fit
@options.format_
@options.quiet
@options.strict
def summary(fit: Path, format_: str, quiet: bool, strict: bool) -> None:
    """Print the summary of a saved fit."""
    with reported():
        loaded = _load(fit)
        report(_summary(loaded, format_))
        _say_how(loaded, quiet)
        _finish_reading(loaded, strict)


@app.command()
@options.fit
@options.format_
@options.strict
def diagnose(fit: Path, format_: str, strict: bool) -> None:
    """Say what is wrong with a saved fit, and what to do."""
    with reported():
        from mlmdsl import describe

        writers = {"table": describe.diagnosis, "json": describe.diagnosis_json, "csv": describe.diagnosis_csv}
        loaded = _load(fit)
        report(writers[format_](loaded))
        _finish_reading(loaded, strict)


def _load(path: Path) -> Fit:
    from mlmdsl.results.fit import Fit

    return Fit.load(path)


def _finish_reading(fit: Fit, strict: bool) -> None:
    """Leave with the status that a saved fit deserves, however its run ended."""
    raise click.exceptions.Exit(Status.UNRELIABLE if strict and not fit.ok else Status.FINE)
