"""The table of functions: every row is tested by value, with parameters, data and loops, and has a NumPy form."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from mlmdsl.language import julia
from mlmdsl.language.errors import SpecError
from mlmdsl.language.functions import FUNCTIONS, Function
from tests.compiler.evaluate import by_data, by_parameters
from tests.compiler.test_expressions import OPERANDS, TABLES
from tests.compiler.test_indexing import ROWS as INDEXED
from tests.compiler.test_statements import ASSIGNMENTS
from tests.data.test_bind import ROWS as BOUND

ELSEWHERE = {
    "logpdf": "test_statements.py", "loglikelihood": "test_statements.py", "lag": "test_bind.py",
    "skipmissing": "below", "coalesce": "below", "interaction": "below", "adjoint": "below", "broadcast": "below",
    "cor": "below", "cov": "below", "trues": "below", "falses": "below", "Vector": "test_loops.py", "Array": "below",
    "I": "test_expressions.py", "LazyArray": "test_expressions.py",
    **dict.fromkeys(("pdf", "cdf", "ccdf", "logcdf", "logccdf", "Fill", "Zeros", "Ones", "Eye"), "test_spellings.py"),
}  # fmt: skip


def called(expression: str) -> set[str]:
    """The functions that an expression names."""
    return set(re.findall(r"[^\W\d]\w*", expression)) & FUNCTIONS.keys()


def test_every_function_is_tested_by_value() -> None:
    """No row of the table is without a row of a test."""
    expressions = [row[0] for table in TABLES.values() for row in table]
    expressions += [row[0] for row in (*INDEXED, *BOUND)] + [line for lines, _ in ASSIGNMENTS for line in lines]
    tested = set().union(*map(called, expressions)) | ELSEWHERE.keys()
    assert FUNCTIONS.keys() - tested == set()


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("adjoint(M)", OPERANDS["M"].T),
        ("broadcast(+, x, a)", OPERANDS["x"] + OPERANDS["a"]),
        ("sum(trues(3)) * a", 3 * OPERANDS["a"]),
        ("sum(falses(3)) + a", OPERANDS["a"]),
        ("Array(x)", OPERANDS["x"]),
    ],
)
def test_less_common(expression: str, wanted: object) -> None:
    """Functions whose values are the same with parameters and data."""
    operands = {name: OPERANDS[name] for name in re.findall(r"\b[aMx]\b", expression)}
    np.testing.assert_allclose(by_parameters(expression, **operands), wanted, rtol=1e-12)
    np.testing.assert_allclose(by_data(expression, **operands), wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("cor(x, z)", np.corrcoef(OPERANDS["x"], OPERANDS["z"])[0, 1]),
        ("cov(x, z)", np.cov(OPERANDS["x"], OPERANDS["z"])[0, 1]),
        ("cor(M)", np.corrcoef(OPERANDS["M"].T)),
        ("cov(M)", np.cov(OPERANDS["M"].T)),
    ],
)
def test_of_data_alone(expression: str, wanted: object) -> None:
    """Functions that take data only say so of a parameter."""
    operands = {name: OPERANDS[name] for name in re.findall(r"\b[zMx]\b", expression)}
    np.testing.assert_allclose(by_data(expression, **operands), wanted, rtol=1e-12)
    with pytest.raises(SpecError, match="data"):
        by_parameters(expression, **operands)


BOUNDED = [row for row in FUNCTIONS.values() if row.kind == "elementwise" and row.least == 1 and row.most == 1]


@pytest.mark.parametrize("row", BOUNDED, ids=lambda row: row.name)
def test_bounds_hold(row: Function) -> None:
    """The bounds that the table gives a function are kept on its domain, and NumPy's form and PyTorch's agree there."""
    least = 0.0 if row.name == "loggamma" else -6.0  # Julia's loggamma is an error where gamma is negative
    low, high = (max(row.domain[0], least), min(row.domain[1], 6.0))
    points = np.linspace(low, high, 203)[1:-1] + 1e-3
    points = points[points < high]
    value = by_parameters(f"{row.name}.(v)", v=points).astype(float)
    known = np.asarray([julia.call(row.name, [float(point)]) for point in points], dtype=float)
    np.testing.assert_allclose(value, known, rtol=1e-10, atol=1e-13)
    assert value.min() >= row.low and value.max() <= row.high


@pytest.mark.parametrize("row", BOUNDED, ids=lambda row: row.name)
def test_gradients_are_finite(row: Function) -> None:
    """Inside its domain a function has a gradient, or none at all (a step)."""
    if row.element == "bool":
        assert not by_parameters(f"{row.name}(v)", v=0.3)
        return
    template = row.torch.replace("{0}", "v")
    from mlmdsl import runtime

    v = torch.tensor([0.31, 0.62], dtype=torch.float64, requires_grad=True)
    result = eval(template, {"torch": torch, "runtime": runtime, "v": v})  # noqa: S307 - a row of the package's own table
    (gradient,) = torch.autograd.grad(result.sum(), v, allow_unused=True)
    assert gradient is None or bool(torch.isfinite(gradient).all())
