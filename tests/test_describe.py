"""Reports other than a summary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len

from mlmdsl.describe import as_csv, as_table, diagnosis, run_text, shipped_lines
from mlmdsl.library import Shipped
from mlmdsl.results.fit import Fit, Run, Variable

RUN = Run("a.mlm", "m", 3, 16, 250, 150, "vectorized")


def test_tables_line_up_whatever_the_letters() -> None:
    """A combining hat takes no column, a wide letter two."""
    text = as_table(
        [{"name": "y\u0302", "n": "1"}, {"name": "群", "n": "20"}, {"name": "αⱼ", "n": "3"}], frozenset({"n"})
    )
    header, rule, *rows = text.splitlines()
    assert (header, rule) == ("name   n", "────────")
    assert [cell_len(row) for row in rows] == [8, 8, 8]


def test_tables_are_never_cut() -> None:
    long = "x" * 500
    assert long in as_table([{"name": long, "value": "[bold]"}])
    assert "[bold]" in as_table([{"name": long, "value": "[bold]"}])


def test_csv_quotes_what_needs_it() -> None:
    assert as_csv(("a", "b"), [(1, "x, y")]) == 'a,b\n1,"x, y"\n'


def test_a_run_in_words() -> None:
    assert run_text(RUN) == "16 × 250 draws after 150 of warm-up; seed 3; vectorized"
    timing = {"import_s": 1.0, "warmup_s": 0.25, "total_s": 2.0}
    told = run_text(replace(RUN, draws=1, marginalized=("α", "αⱼ"), timing=timing))
    assert told == (
        "16 × 1 draw after 150 of warm-up; seed 3; vectorized; marginalized: α, αⱼ; 2.0 s (import 1.0, warm-up 0.2)"
    )
    told = run_text(replace(RUN, centring={"αⱼ": (0.83, 0.12, 0.99), "b": (1.0, 1.0, 1.0)}))
    assert told.endswith("vectorized; centring: αⱼ 0.83 on average (0.12 to 0.99), b 1.00")


@pytest.mark.filterwarnings("error")
def test_a_diagnosis_without_figures() -> None:
    """A constant has neither R-hat nor effective draws."""
    told = diagnosis(Fit((Variable("μ"),), {"μ": np.zeros((4, 100))}, RUN)).splitlines()
    assert told[0] == "warning: the same in every draw: μ"
    assert told[-1] == "not ok: 0 divergences"


def test_shipped_specs_line_up() -> None:
    specs = [Shipped("a/long_name", "First.", Path()), Shipped("b/c", "Second.", Path())]
    assert shipped_lines(specs) == "a/long_name  First.\nb/c          Second.\n"
    assert shipped_lines([]) == ""
