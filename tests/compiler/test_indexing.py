"""Indexing is Julia's: from 1, `end` the last, slices with their end, masks, index arrays; of data, parameters and loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlmdsl
from mlmdsl.language.errors import MlmError
from tests.compiler.evaluate import by_data, by_loop, by_parameters, is_real

rng = np.random.default_rng(21)
OPERANDS: dict[str, Any] = {
    "a": 0.8,
    "x": np.array([0.4, -1.2, 2.5, 0.9, -0.3]),
    "z": np.array([1.5, 0.3, -0.7]),
    "M": rng.normal(size=(5, 3)),
    "T": rng.normal(size=(5, 3, 2)),
    "k": 2,
    "idx": np.array([2, 1, 5, 2]),
    "j": np.array([3, 1, 2, 2, 1]),
    "m": np.array([True, False, True, True, False]),
    "P": np.array([[1, 2], [3, 5]]),
}
ROWS: list[tuple[str, Callable[..., Any]]] = [
    ("x[1]", lambda x: x[0]),
    ("x[end]", lambda x: x[-1]),
    ("x[end - 1]", lambda x: x[-2]),
    ("x[k]", lambda x, k: x[1]),
    ("x[k + 1]", lambda x, k: x[2]),
    ("x[2:4]", lambda x: x[1:4]),
    ("x[2:end]", lambda x: x[1:]),
    ("x[2:end-1]", lambda x: x[1:-1]),
    ("x[1:end-1] .- x[2:end]", lambda x: x[:-1] - x[1:]),
    ("x[1:k]", lambda x, k: x[:2]),
    ("x[k:k+2]", lambda x, k: x[1:4]),
    ("x[1:2:end]", lambda x: x[::2]),
    ("x[end:-1:1]", lambda x: x[::-1]),
    ("x[5:-2:1]", lambda x: x[::-2]),
    ("x[:]", lambda x: x),
    ("x[[1, 3]]", lambda x: x[[0, 2]]),
    ("x[[end, 1]]", lambda x: x[[-1, 0]]),
    ("x[idx]", lambda x, idx: x[idx - 1]),
    ("x[idx][2]", lambda x, idx: x[0]),
    ("x[idx[3]]", lambda x, idx: x[4]),
    ("x[idx][2:3]", lambda x, idx: x[[0, 4]]),
    ("x[m]", lambda x, m: x[m]),
    ("x[.!m]", lambda x, m: x[~m]),
    ("x[idx .- 1 .+ 1]", lambda x, idx: x[idx - 1]),
    ("x[j .== 1]", lambda x, j: x[j == 1]),
    ("x[P]", lambda x, P: x[P - 1]),
    ("x[2:1]", lambda x: x[:0]),
    ("sum(x[2:1]) + a", lambda x, a: a),
    ("M[1, 2]", lambda M: M[0, 1]),
    ("M[end, end]", lambda M: M[-1, -1]),
    ("M[:, 2]", lambda M: M[:, 1]),
    ("M[3, :]", lambda M: M[2]),
    ("M[:, :]", lambda M: M),
    ("M[2:3, :]", lambda M: M[1:3]),
    ("M[:, 2:end]", lambda M: M[:, 1:]),
    ("M[2:3, 1:2]", lambda M: M[1:3, :2]),
    ("M[idx, :]", lambda M, idx: M[idx - 1]),
    ("M[idx, 2]", lambda M, idx: M[idx - 1, 1]),
    ("M[:, j]", lambda M, j: M[:, j - 1]),
    ("M[idx, j]", lambda M, idx, j: M[np.ix_(idx - 1, j - 1)]),
    ("M[1, j]", lambda M, j: M[0, j - 1]),
    ("M[2:4, j]", lambda M, j: M[1:4][:, j - 1]),
    ("M[m, :]", lambda M, m: M[m]),
    ("M[m, 2]", lambda M, m: M[m, 1]),
    ("M[[1, 2], [3, 1]]", lambda M: M[np.ix_([0, 1], [2, 0])]),
    ("M[7]", lambda M: M.ravel(order="F")[6]),
    ("M[k, k]", lambda M, k: M[1, 1]),
    ("M'[2, 3]", lambda M: M[2, 1]),
    ("(M * z)[2]", lambda M, z: (M @ z)[1]),
    ("(x .+ a)[idx]", lambda x, a, idx: (x + a)[idx - 1]),
    ("M[idx, :] * z", lambda M, idx, z: M[idx - 1] @ z),
    ("M[:, 1] .* x", lambda M, x: M[:, 0] * x),
    ("vec(M[2:3, :])", lambda M: M[1:3].ravel(order="F")),
    ("T[1, 2, 1]", lambda T: T[0, 1, 0]),
    ("T[:, 2, 1]", lambda T: T[:, 1, 0]),
    ("T[2, :, :]", lambda T: T[1]),
    ("T[:, :, 2]", lambda T: T[:, :, 1]),
    ("T[idx, :, 2]", lambda T, idx: T[idx - 1, :, 1]),
    ("T[idx, 2, :]", lambda T, idx: T[idx - 1, 1, :]),
    ("T[2, idx[1:2], :]", lambda T, idx: T[1, idx[:2] - 1]),
    ("[x[i] for i in idx]", lambda x, idx: x[idx - 1]),
    ("[M[i, 2] for i in idx]", lambda M, idx: M[idx - 1, 1]),
    ("[M[idx[i], j[i]] for i in 1:4]", lambda M, idx, j: M[idx - 1, j[:4] - 1]),
    ("[M[i, c] for i in 2:4, c in 1:2]", lambda M: M[1:4, :2]),
    ("[M[i, c] * x[i] for c in 1:3, i in 1:5]", lambda M, x: (M * x[:, None]).T),
    ("[T[i, c, P[1, c]] for i in 1:5, c in 1:2]", lambda T, P: np.stack([T[:, 0, 0], T[:, 1, 1]], 1)),
    ("[M[i, :] ⋅ z for i in idx]", lambda M, z, idx: M[idx - 1] @ z),
    ("[M[i, i] for i in 1:3]", lambda M: np.diag(M)),
    ("[M[i, 4 - i] for i in 1:3]", lambda M: M[[0, 1, 2], [2, 1, 0]]),
    ("[x[6 - i] for i in 1:5]", lambda x: x[::-1]),
    ("[x[2i] for i in 1:2]", lambda x: x[[1, 3]]),
    ("[x[i - 1] + x[i + 1] for i in 2:4]", lambda x: x[:3] + x[2:]),
    ("[x[i] for i in k:4]", lambda x, k: x[1:4]),
    ("[x[i + k] for i in 1:3]", lambda x, k: x[2:]),
    ("[sum(M[i, 1:k]) for i in 1:5]", lambda M, k: M[:, :2].sum(1)),
    ("[M[P[i, 1], P[i, 2] - 2 * i + 1] for i in 1:2]", lambda M, P: np.array([M[0, 0], M[2, 1]])),
    ("[x[idx[i]] - x[idx[i + 1]] for i in 1:3]", lambda x, idx: -np.diff(x[idx - 1])),
    ("[x[i == 1 ? 5 : i - 1] for i in 1:5]", lambda x: np.roll(x, 1)),
    ("[x[max(i - 1, 1)] for i in 1:5]", lambda x: x[[0, 0, 1, 2, 3]]),
    ("[x[mod(i, 5) + 1] for i in 1:5]", lambda x: np.roll(x, -1)),
    ("[x[i ÷ 2 + 1] for i in 1:5]", lambda x: x[[0, 1, 1, 2, 2]]),
]
CASES = [pytest.param(*row, id=row[0]) for row in ROWS]


def operands_of(value: Callable[..., Any]) -> dict[str, Any]:
    """The operands that a row's reference takes."""
    return {name: OPERANDS[name] for name in value.__code__.co_varnames[: value.__code__.co_argcount]}


@pytest.mark.parametrize(("expression", "value"), CASES)
def test_of_parameters(expression: str, value: Callable[..., Any]) -> None:
    """An indexed parameter."""
    operands = operands_of(value)
    np.testing.assert_allclose(by_parameters(expression, **operands), value(**operands), rtol=1e-12)


@pytest.mark.parametrize(("expression", "value"), CASES)
def test_of_data(expression: str, value: Callable[..., Any]) -> None:
    """Indexed data."""
    operands = operands_of(value)
    np.testing.assert_allclose(by_data(expression, **operands), value(**operands), rtol=1e-12)


@pytest.mark.parametrize(("expression", "value"), CASES)
def test_along_a_loop(expression: str, value: Callable[..., Any]) -> None:
    """Indexed values that a loop around walks too."""
    operands = operands_of(value)
    steps = {name: np.stack([v, 2 * v, v + 1]) if is_real(v) else v for name, v in operands.items()}
    each = [{name: v[i] if is_real(v) else v for name, v in steps.items()} for i in range(3)]
    wanted = np.stack([np.asarray(value(**operand)) for operand in each])
    np.testing.assert_allclose(by_loop(expression, 3, **steps), wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("x[0]", "before the start"),
        ("x[6]", "past the end"),
        ("x[end + 1]", "past the end"),
        ("x[2:6]", "past the end"),
        ("x[-1]", "before the start"),
        ("x[1.5]", "an index is an integer"),
        ("x[1, 2]", "takes 1 index"),
        ("M[1, 2, 3]", "takes 2 indices"),
        ("M[6, 1]", "past the end"),
        ("M[idx, 4]", "past the end"),
        ("z[idx]", "past the end"),
        ("[x[i] for i in 1:6]", "past the end"),
        ("[x[i - 1] for i in 1:5]", "before the start"),
        ("[x[i + 1] for i in 1:5]", "past the end"),
        ("a[1]", "only arrays are indexed"),
        ("x[z]", "an index is an integer"),
        ("[i < 2 ? a : x[i - 2] for i in 1:5]", "before the start"),
        ("sum(sum(x[1:i]) for i in 1:6)", "past the end"),
    ],
)
def test_wrong_index(expression: str, said: str) -> None:
    """An index that cannot be right is an error at its place, before anything runs."""
    operands = {name: OPERANDS[name] for name in ("a", "x", "z", "M", "idx")}
    with pytest.raises(MlmError) as caught:
        by_data(expression, **operands)
    assert said in str(caught.value)


def test_masks_stay_masks() -> None:
    """A column of truth values that is an index selects, whatever else it is used for."""
    text = "@model function m(x, keep)\n    a ~ Normal()\n    r := x[keep] .* a .+ sum(keep)\nend"
    bound = mlmdsl.parse(text).bind(x=np.arange(4.0), keep=np.array([True, False, True, False]))
    assert "keep - 1" not in bound.pyro_source()
