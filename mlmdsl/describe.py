"""Reports other than a summary: a table and what became of its columns, findings on a fit, how its draws were made."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlmdsl.data.tables import ColumnSummary
    from mlmdsl.driver import Bound, BoundArgument
    from mlmdsl.library import Shipped
    from mlmdsl.results.fit import Fit, Run

_TIMINGS = {
    "import_s": "import",
    "compile_s": "compile",
    "warmup_s": "warm-up",
    "sample_s": "sampling",
    "recover_s": "recovery",
}


# ── shapes of a report ───────────────────────────────────────────────────────────────────────────────────────────────


def as_table(rows: Sequence[Mapping[str, str]], right: frozenset[str] = frozenset()) -> str:
    """Rows under the keys of the first, as wide as they need to be; columns named in `right` are flush right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for name in rows[0]:
        table.add_column(Text(name), justify="right" if name in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row.values()))
    width = Console(width=100_000).measure(table).maximum
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def as_json(value: Any) -> str:
    """Indented JSON, Greek letters as they are."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2)


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A header line, and a line a row."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue()


# ── data ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def data_table(bound: Bound) -> str:
    """The table's columns, and the model's arguments made of them, for people."""
    parts = []
    if bound.table is not None:
        heading = f"{bound.table.name}: {_count(bound.table.rows, 'row')}"
        parts.append(f"{heading}\n\n{as_table([_column_row(column) for column in bound.table.describe()], _FIGURES)}")
    if bound.arguments:
        rows = [_argument_row(argument) for argument in bound.arguments]
        parts.append(f"arguments of {bound.model_name}\n\n{as_table(rows)}")
    if bound.notes:
        parts.append("".join(f"note: {note}\n" for note in bound.notes))
    return "\n".join(parts)


def data_json(bound: Bound) -> str:
    """One object: `table`, `rows`, `columns`, `model`, `arguments`, `notes`.

    A column has column, type, n, missing, min, mean, median, max, n_levels, levels; an argument name, kind, labels (of
    each axis, or null), source, reference (the level that its columns leave out, or null), ordered.
    """
    table = bound.table
    return as_json(
        {
            "table": None if table is None else table.name,
            "rows": None if table is None else table.rows,
            "columns": [] if table is None else [asdict(column) for column in table.describe()],
            "model": bound.model_name,
            "arguments": [asdict(argument) for argument in bound.arguments],
            "notes": list(bound.notes),
        }
    )


def data_csv(bound: Bound) -> str:
    """The table's columns, a line each; levels are joined by spaces."""
    columns = [] if bound.table is None else [asdict(column) for column in bound.table.describe()]
    rows = [[" ".join(value) if isinstance(value, tuple) else value for value in column.values()] for column in columns]
    return as_csv(list(columns[0]) if columns else [], rows)


_FIGURES = frozenset({"missing", "min", "mean", "median", "max"})


def _column_row(column: ColumnSummary) -> dict[str, str]:
    return {
        "column": column.column,
        "type": column.type,
        "missing": str(column.missing),
        "min": _figure(column.min),
        "mean": _figure(column.mean),
        "median": _figure(column.median),
        "max": _figure(column.max),
        "levels": _levels(column),
    }


def _argument_row(argument: BoundArgument) -> dict[str, str]:
    labels = _labels(argument.labels, mark=" < " if argument.ordered else " ")
    reference = f" (reference: {argument.reference})" if argument.reference else ""
    return {"argument": argument.name, "value": argument.kind, "from": argument.source, "labels": labels + reference}


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _levels(column: ColumnSummary) -> str:
    """`4: A B C D`."""
    return f"{column.n_levels}: {' '.join(column.levels)}{' …' if column.n_levels > len(column.levels) else ''}"


def _labels(axes: Sequence[Sequence[str] | None], shown: int = 12, mark: str = " ") -> str:
    known = [labels for labels in axes if labels is not None]
    return " × ".join(mark.join(labels[:shown]) + (f"{mark}…" if len(labels) > shown else "") for labels in known)


# ── shipped specs ────────────────────────────────────────────────────────────────────────────────────────────────────


def shipped_lines(specs: Sequence[Shipped]) -> str:
    """A line each: the name, and what it is."""
    width = max((len(spec.name) for spec in specs), default=0)
    return "".join(f"{spec.name:<{width}}  {spec.title}\n" for spec in specs)


# ── fits ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def diagnosis(fit: Fit) -> str:
    """The findings, and the worst figures."""
    from mlmdsl.results.findings import findings_text

    return "\n".join([*([findings_text(fit.findings)] if fit.findings else []), _verdict(fit)])


def diagnosis_json(fit: Fit) -> str:
    """One object: `ok`, and `findings`, a list of code, severity, parameters, values, message, remedy."""
    from mlmdsl.results.report import described

    return as_json({"ok": fit.ok, "findings": [described(finding) for finding in fit.findings]})


def diagnosis_csv(fit: Fit) -> str:
    """The findings, a line each."""
    rows = [(f.code, f.severity, " ".join(f.parameters), f.message, f.remedy) for f in fit.findings]
    return as_csv(("code", "severity", "parameters", "message", "remedy"), rows)


def _verdict(fit: Fit) -> str:
    """`ok: R-hat at most 1.0021, …`, of the figures that are defined."""
    rhats = [row.rhat for row in fit.rows if not math.isnan(row.rhat)]
    sizes = [min(row.ess_bulk, row.ess_tail) for row in fit.rows if not math.isnan(row.ess_bulk)]
    figures = [f"R-hat at most {max(rhats):.4f}"] if rhats else []
    figures += [f"effective draws at least {min(sizes):.0f}"] if sizes else []
    return f"{'ok' if fit.ok else 'not ok'}: {', '.join([*figures, _count(fit.run.divergences, 'divergence')])}"


def run_text(run: Run) -> str:
    """How the draws were made: layout, seed, what was integrated out, where the seconds went."""
    parts = [f"{run.chains} × {_count(run.draws, 'draw')} after {run.tune} of warm-up", f"seed {run.seed}", run.kernel]
    if run.thin > 1:
        parts.insert(1, f"one transition of {run.thin} kept")
    if run.marginalized:
        parts.append(f"marginalized: {', '.join(run.marginalized)}")
    if run.centring:
        parts.append(f"centring: {', '.join(_centring(name, *figures) for name, figures in run.centring.items())}")
    spent = [f"{name} {run.timing[key]:.1f}" for key, name in _TIMINGS.items() if key in run.timing]
    if "total_s" in run.timing:
        parts.append(f"{run.timing['total_s']:.1f} s ({', '.join(spent)})")
    return "; ".join(parts)


def _centring(name: str, mean: float, least: float, greatest: float) -> str:
    """`αⱼ 0.83 on average (0.12 to 0.99)`."""
    spread = "" if least == greatest else f" on average ({least:.2f} to {greatest:.2f})"
    return f"{name} {mean:.2f}{spread}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
