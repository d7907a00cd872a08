"""Indices outside 1…length: refused where they stand, wherever they come from; what a condition keeps out is not read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import mlmdsl
from mlmdsl.console import fault
from mlmdsl.runtime import OutsideError
from tests.compiler.density import bound, log_density

Y = np.array([0.4, -1.2, 2.5, 0.9])
X = np.array([1.0, 2.0, 3.0])
A = np.array([0.3, 0.1, 0.5])
CODES = {"zero": [1, 2, 0, 3], "negative": [1, 2, -1, 3], "past": [1, 2, 4, 3]}
WORDS = {"zero": "index 0 ({}) is before the start", "negative": "index -1 ({}) is before the start",
         "past": "index 4 ({}) is past the end: this axis has length 3"}  # fmt: skip


def model(*lines: str) -> str:
    """A model of y, x, g and k with three parameters a."""
    return "\n".join(["@model function m(y, g, x, k)", "a ~ filldist(Normal(), 3)", *lines, "end"])


def refused(text: str, **data: Any) -> str:
    """What a refusal says."""
    with pytest.raises(mlmdsl.MlmError) as raised:
        bound(text, **{"y": Y, "g": np.array([1, 2, 3, 3]), "x": X, "k": 2, **data})
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.span is not None
    return diagnostic.message


READS = {
    "a loop": (["for i in 1:4 y[i] ~ Normal(a[g[i]], 1) end"], "row 3, `g[i]`"),
    "a comprehension": (["y ~ MvNormal([a[g[i]] for i in 1:4], I)"], "row 3, `g[i]`"),
    "a comprehension of values": (["y ~ MvNormal([a[j] for j in g], I)"], "row 3, `j`"),
    "map": (["y ~ MvNormal(map(j -> a[j], g), I)"], "row 3, `j`"),
    "enumerate": (["for (i, j) in enumerate(g) y[i] ~ Normal(a[j], 1) end"], "row 3, `j`"),
    "zip": (["for (v, j) in zip(y, g) @addlogprob! v * a[j] end"], "row 3, `j`"),
    "a whole column": (["y ~ MvNormal(a[g], I)"], "entry 3"),
    "arithmetic": (["for i in 1:4 y[i] ~ Normal(a[2 * g[i] - g[i]], 1) end"], "row 3, `2 * g[i] - g[i]`"),
    "a name": (["for i in 1:4", "j = g[i]", "y[i] ~ Normal(a[j], 1)", "end"], "row 3, `j`"),
    "a loop in order": (["t = 0.0", "for i in 1:4", "t = t + a[g[i]]", "y[i] ~ Normal(t, 1)", "end"], "i = 3, `g[i]`"),
    "a sum into elements": (["z = zeros(3)", "for i in 1:4 z[g[i]] += a[1] end"], "row 3, `g[i]`"),
    "a store": (["z = zeros(3)", "for i in 1:4 z[g[i]] = a[1] end"], "i = 3, `g[i]`"),
    "data by data": (["for i in 1:4 y[i] ~ Normal(a[1] * x[g[i]], 1) end"], "row 3, `g[i]`"),
    "a helper": (["for i in 1:4 y[i] ~ Normal(f(a, g[i]), 1) end", "end", "function f(b, j)", "b[j]"], "row 3, `j`"),
    "a collapsed likelihood": (["s ~ Exponential(1)", "b ~ filldist(Normal(0, s), 3)", "for i in 1:4 y[i] ~ Normal(b[g[i]], 1) end"], "row 3, `g[i]`"),
    "two loops": (["for i in 1:4, j in 1:2 @addlogprob! a[g[i] + 0 * j] end"], "i = 3, j = 1, `g[i] + 0 * j`"),
}  # fmt: skip


@pytest.mark.parametrize("fault", CODES)
@pytest.mark.parametrize(("lines", "where"), READS.values(), ids=READS)
def test_a_code_outside_is_named_with_its_row(lines: list[str], where: str, fault: str) -> None:
    assert refused(model(*lines), g=np.array(CODES[fault])).startswith(WORDS[fault].format(where))


FIXED = {
    "a lag from the first": ("for t in 1:4 y[t] ~ Normal(y[t - 1], 1) end", "index 0 (t = 1, `t - 1`)"),
    "a lag of k": ("for t in 1:4 y[t] ~ Normal(y[t - k], 1) end", "index -1 (t = 1, `t - k`)"),
    "a lead": ("for t in 1:4 y[t] ~ Normal(y[t + 1], 1) end", "index 5 (t = 4, `t + 1`)"),
    "end - 3": ("y[1] ~ Normal(a[end - 3], 1)", "index 0 is"),
    "end - k": ("y[1] ~ Normal(a[end - k - 1], 1)", "index 0 is"),
    "a range by steps": ("y[1:2] ~ MvNormal(a[1:3:5], I)", "index 4 (entry 2)"),
    "into a range": ("y[1] ~ Normal((1:3)[k - 2], 1)", "index 0 is"),
    "into a range by a loop": ("for i in 1:4 y[i] ~ Normal((2:2:8)[i + 1], 1) end", "index 5 (i = 4, `i + 1`)"),
    "a tuple": ("t = (a[1], a[2])\ny[1] ~ Normal(t[0], 1)", "index 0 is before the start"),
    "true": ("y[1] ~ Normal(a[true], 1)", "an index is an integer, found a truth value"),
    "true into a tuple": ("t = (a[1], a[2])\ny[1] ~ Normal(t[true], 1)", "a tuple is indexed by one known integer"),
    "a truth value along a loop": ("for i in 1:4 y[i] ~ Normal(a[y[i] > 0], 1) end", "an index is an integer, found"),
    "a parameter": ("y[1] ~ Normal(a[round(Int, a[1])], 1)", "this index depends on a parameter"),
    "part of a loop's row": ("for t in 1:4 y[t] ~ Normal(sum(y[(t - 1):t]), 1) end", "index 0 (row 1, entry 1, `(t - 1):t`)"),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "message"), FIXED.values(), ids=FIXED)
def test_an_index_outside_is_refused_when_data_are_bound(lines: str, message: str) -> None:
    assert refused(model(lines)).startswith(message)


def inside(codes: Any) -> Any:
    """The parameters that codes pick, 0 where they are outside."""
    return np.array([A[j - 1] if 1 <= j <= 3 else 0.0 for j in codes])


GUARDS = {
    "a choice": ["for i in 1:4 y[i] ~ Normal(1 <= g[i] <= 3 ? a[g[i]] : 0.0, 1) end"],
    "a choice in a comprehension": ["y ~ MvNormal([g[i] < 1 || g[i] > 3 ? 0.0 : a[g[i]] for i in 1:4], I)"],
    "choices in one another": ["for i in 1:4 y[i] ~ Normal(g[i] > 0 ? g[i] < 4 ? a[g[i]] : 0.0 : 0.0, 1) end"],
    "a condition that reads": ["for i in 1:4 y[i] ~ Normal(1 <= g[i] <= 3 && x[g[i]] > 0 ? a[g[i]] : 0.0, 1) end"],
    "an if with an else": ["for i in 1:4", "if 1 <= g[i] <= 3", "m = a[g[i]]", "else", "m = 0.0", "end", "y[i] ~ Normal(m, 1)", "end"],
    "a helper that returns": ["for i in 1:4 y[i] ~ Normal(f(a, g[i]), 1) end", "end", "function f(b, j)", "if j < 1 || j > 3", "return 0.0", "end", "b[j]"],
    "a store": ["z = zeros(4)", "for i in 1:4", "if 1 <= g[i] <= 3", "z[i] = a[g[i]]", "end", "end", "y ~ MvNormal(z, I)"],
    "in order": ["t = 0.0", "for i in 1:4", "t = 0 * t + (1 <= g[i] <= 3 ? a[g[i]] : 0.0)", "y[i] ~ Normal(t, 1)", "end"],
    "in order, a condition that reads": ["t = 0.0", "for i in 1:4", "t = 0 * t", "if 1 <= g[i] <= 3 && x[g[i]] > 0", "t = t + a[g[i]]", "end", "y[i] ~ Normal(t, 1)", "end"],
    "by a counter in order": ["j = 0", "for i in 1:4", "j = j + 1", "t = 1 <= g[j] <= 3 ? a[g[j]] : 0.0", "y[i] ~ Normal(t, 1)", "end"],
}  # fmt: skip


@pytest.mark.parametrize("fault", CODES)
@pytest.mark.parametrize("lines", GUARDS.values(), ids=GUARDS)
def test_what_a_condition_keeps_out_is_not_read(lines: list[str], fault: str) -> None:
    codes = np.array(CODES[fault])
    density = log_density(bound(model(*lines), y=Y, g=codes, x=X, k=2), {"a": A})
    wanted = stats.norm.logpdf(A).sum() + stats.norm.logpdf(Y, inside(codes), 1).sum()
    assert density == pytest.approx(float(wanted), rel=1e-10)


LAGS = {
    "a choice": ["for t in 1:4 y[t] ~ Normal(t > k ? y[t - k] : 0.0, 1) end"],
    "an if": ["for t in 1:4", "if t > k", "m = y[t - k]", "else", "m = 0.0", "end", "y[t] ~ Normal(m, 1)", "end"],
    "a comprehension": ["y ~ MvNormal([t <= k ? 0.0 : y[t - k] for t in 1:4], I)"],
    "a range that may be empty": ["for t in 1:4 y[t] ~ Normal(sum(y[max(t - 2, 1):(t - 2)]), 1) end"],
}  # fmt: skip


@pytest.mark.parametrize("lines", LAGS.values(), ids=LAGS)
def test_a_lag_under_a_condition(lines: list[str]) -> None:
    density = log_density(bound(model(*lines), y=Y, g=np.array([1, 2, 3, 3]), x=X, k=2), {"a": A})
    wanted = stats.norm.logpdf(A).sum() + stats.norm.logpdf(Y, [0, 0, *Y[:2]], 1).sum()
    assert density == pytest.approx(float(wanted), rel=1e-10)


RUNNING = {
    "a counter from 0": (["j = 0", "for i in 1:4", "y[i] ~ Normal(a[j], 1)", "j = j + 1", "end"], "index 0 is before"),
    "a counter past the end": (["j = 0", "for i in 1:4", "j = j + 1", "y[i] ~ Normal(a[j], 1)", "end"], "index 4 is past"),
    "a part": (["j = 0", "for i in 1:4", "j = j + 1", "y[i] ~ Normal(sum(a[j:(j + 1)]), 1)", "end"], "index 4 is past"),
    "a store": (["z = zeros(3)", "j = 0", "for i in 1:4", "z[j] = a[1]", "j = j + 1", "end"], "index 0 is before"),
    "counts as codes": (["z = zeros(Int, 4)", "for i in 1:4", "z[g[i]] = z[g[i]] + 2", "end", "for i in 1:4 y[i] ~ Normal(a[z[i]], 1) end"], "index 0 is before"),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "message"), RUNNING.values(), ids=RUNNING)
def test_an_index_known_only_while_the_program_runs_is_checked_there(lines: list[str], message: str) -> None:
    program = bound(model(*lines), y=Y, g=np.array([1, 2, 3, 3]), x=X, k=2)
    with pytest.raises(OutsideError, match=message) as raised:
        log_density(program, {"a": A})
    assert "<string>:" in fault(raised.value)


def test_codes_of_many_rows_are_looked_at_at_once() -> None:
    """A million rows, one of which is outside: found without a step for each."""
    codes = np.ones(1_000_000, dtype=np.int64)
    codes[765_432] = 4
    message = refused(model("for i in eachindex(g) y[i] ~ Normal(a[g[i]], 1) end"), g=codes, y=np.zeros(1_000_000))
    assert message.startswith("index 4 (row 765433, `g[i]`) is past the end")


TRUTHS = {
    "a sum": ("for i in 1:4 y[i] ~ Normal(a[(y[i] > 0) + 1], 1) end", [2, 1, 2, 2]),
    "a difference": ("for i in 1:4 y[i] ~ Normal(a[2 - (y[i] > 0)], 1) end", [1, 2, 1, 1]),
    "a sum of two": ("for i in 1:4 y[i] ~ Normal(a[(y[i] > 0) + (y[i] > 1) + 1], 1) end", [2, 1, 3, 2]),
    "a column": ("y ~ MvNormal(a[(y .> 0) .+ 1], I)", [2, 1, 2, 2]),
    "a choice": ("for i in 1:4 y[i] ~ Normal(a[ifelse(y[i] > 0, 1, 3)], 1) end", [1, 3, 1, 1]),
}


@pytest.mark.parametrize(("line", "codes"), TRUTHS.values(), ids=TRUTHS)
def test_truth_values_in_arithmetic_are_0_and_1(line: str, codes: list[int]) -> None:
    """Never a mask, which `(y .> 0) .+ 1` less one would be."""
    density = log_density(bound(model(line), y=Y, g=np.array(codes), x=X, k=2), {"a": A})
    wanted = stats.norm.logpdf(A).sum() + stats.norm.logpdf(Y, inside(codes), 1).sum()
    assert density == pytest.approx(float(wanted), rel=1e-10)


def test_a_choice_in_order_has_the_axes_of_both_values() -> None:
    line = "for t in 1:2\nm = [t == 1 ? j : t for j in 1:2]\ny[t] ~ Normal(m[1] + 10 * m[2], 1)\nz = z + m[1]\nend"
    density = log_density(bound(model("z = 0.0", line), y=Y, g=np.array([1]), x=X, k=2), {"a": A})
    wanted = stats.norm.logpdf(A).sum() + stats.norm.logpdf(Y[:2], [21, 22], 1).sum()
    assert density == pytest.approx(float(wanted), rel=1e-10)
