"""The report of a fit: a table for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import asdict, astuple
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlmdsl.results.findings import Finding, warnings_of
from mlmdsl.results.fit import Fit
from mlmdsl.results.summary import COLUMNS

TIMINGS = ("import_s", "compile_s", "warmup_s", "sample_s", "recover_s", "total_s")


def to_table(fit: Fit) -> Table:
    """The summary with the tutorial's columns, under the data's labels. Undefined figures show as NaN."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    table.add_column("parameter", no_wrap=True)
    for name in _SHOWN:
        table.add_column(name, justify="right", no_wrap=True)
    for row in fit.rows:
        figures = [_shown(getattr(row, name), style) for name, style in _SHOWN.items()]
        table.add_row(Text(row.label), *(Text(figure) for figure in figures))
    return table


def to_text(fit: Fit) -> str:
    """`to_table` as plain text, as wide as it needs to be: what goes into a file or a pipe."""
    table = to_table(fit)
    width = Console(width=10_000).measure(table).maximum
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def to_json(fit: Fit) -> str:
    """One JSON object: how the draws were made, and `summary`, a list of rows. Figures that are not finite are null.

    Keys: spec, model, seed, chains, draws, tune, kernel, device, marginalized, centring (of each effect that
    has it: mean, min, max), timing (seconds), gradient_evaluations (per chain, mean), divergences, warnings (messages),
    findings (each with code, severity, parameters, values, message, remedy), summary.
    """
    run = fit.run
    report = {
        "spec": run.spec,
        "model": run.model,
        "seed": run.seed,
        "chains": run.chains,
        "draws": run.draws,
        "tune": run.tune,
        "kernel": run.kernel,
        "device": run.device,
        "marginalized": list(run.marginalized),
        "centring": {name: dict(zip(("mean", "min", "max"), c, strict=True)) for name, c in run.centring.items()},
        "timing": {name: _finite(run.timing.get(name)) for name in TIMINGS},
        "gradient_evaluations": _finite(run.gradient_evaluations),
        "divergences": run.divergences,
        "warnings": list(warnings_of(fit)),
        "findings": [described(finding) for finding in fit.findings],
        "summary": [{name: _finite(value) for name, value in asdict(row).items()} for row in fit.rows],
    }
    return json.dumps(report, ensure_ascii=False, allow_nan=False, indent=2)


def described(finding: Finding) -> dict[str, Any]:
    """A finding as JSON knows it."""
    return {
        "code": finding.code,
        "severity": finding.severity,
        "parameters": list(finding.parameters),
        "values": [_finite(value) for value in finding.values],
        "message": finding.message,
        "remedy": finding.remedy,
    }


def to_csv(fit: Fit) -> str:
    """The summary as CSV under a header line, all digits; undefined figures are NaN.

    The last column, `findings`, holds the codes of what was found of the row's parameter and of the whole run, notes left
    out: the rows where it is empty can be relied on.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, "findings"])
    codes = _codes(fit)
    for row in fit.rows:
        figures = ["NaN" if value != value else value for value in astuple(row)]
        writer.writerow([*figures, " ".join([*codes.get(row.parameter, ()), *codes.get("", ())])])
    return text.getvalue()


def _codes(fit: Fit) -> dict[str, list[str]]:
    """The codes of all findings but notes, by the parameter that they are about; under "" those of the whole run."""
    found: dict[str, list[str]] = {}
    for finding in fit.findings:
        if finding.severity != "note":
            for name in finding.parameters or ("",):
                found.setdefault(name, []).append(finding.code)
    return found


def _magnitude(value: float) -> str:
    """Four decimals; a power of ten where these would show little or the number were too long."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e7 else f"{value:.3e}"


def _rounded(value: float) -> str:
    return f"{value:.1f}"


def _ratio(value: float) -> str:
    return f"{value:.4f}"


_SHOWN: dict[str, Callable[[float], str]] = {
    "mean": _magnitude,
    "std": _magnitude,
    "mcse": _magnitude,
    "ess_bulk": _rounded,
    "ess_tail": _rounded,
    "rhat": _ratio,
    "ess_per_sec": _rounded,
}


def _shown(value: float, style: Callable[[float], str]) -> str:
    if math.isnan(value):
        return "NaN"
    return style(value) if math.isfinite(value) else ("∞" if value > 0 else "-∞")


def _finite(value: Any) -> Any:
    """The value, or None for a number that JSON cannot hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
