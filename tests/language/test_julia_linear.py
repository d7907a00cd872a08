"""Linear algebra on data against Julia's answers."""

from __future__ import annotations

from math import inf, log
from typing import Any

import numpy as np
import pytest

from mlmdsl.language.julia import call
from mlmdsl.language.types import Array, Axis
from tests.language.julia_cases import message_of, plain, run, value

A = [[2.0, 1.0], [1.0, 3.0]]

CASES: list[tuple[str, tuple[Any, ...], Any]] = [
    ("dot", ([1, 2], [3, 4]), 11),
    ("dot", (2, 3.5), 7.0),
    ("dot", (A, A), 15.0),
    ("norm", ([3, 4],), 5.0),
    ("norm", ([3, -4], 1), 7.0),
    ("norm", ([3, -4], inf), 4.0),
    ("norm", ([],), 0.0),
    ("norm", (A,), 15**0.5),
    ("diag", (A,), [2.0, 3.0]),
    ("diag", ([[1, 2, 3], [4, 5, 6]],), [1, 5]),
    ("diagm", ([1, 2],), [[1, 0], [0, 2]]),
    ("Diagonal", (A,), [[2.0, 0.0], [0.0, 3.0]]),
    ("inv", (A,), [[0.6, -0.2], [-0.2, 0.4]]),
    ("inv", (4,), 0.25),
    ("det", (A,), 5.0),
    ("logdet", (A,), log(5)),
    ("logabsdet", ([[-1.0, 0.0], [0.0, 2.0]],), (log(2), -1.0)),
    ("tr", (A,), 5.0),
    ("transpose", ([[1, 2], [3, 4]],), [[1, 3], [2, 4]]),
    ("adjoint", ([1, None],), [[1, None]]),
    ("Symmetric", ([[1, 2], [9, 3]],), [[1, 2], [2, 3]]),
    ("LowerTriangular", ([[1, 2], [3, 4]],), [[1, 0], [3, 4]]),
    ("UpperTriangular", ([[1, 2], [3, 4]],), [[1, 2], [0, 4]]),
]


@pytest.mark.parametrize(("name", "args", "wanted"), CASES)
def test_answers(name: str, args: tuple[Any, ...], wanted: Any) -> None:
    found = run(name, args)
    assert np.shape(found) == np.shape(wanted)
    # 1e-14: LAPACK's rounding in a 2×2 system
    assert np.allclose(np.array(found, dtype=float), np.array(wanted, dtype=float), rtol=1e-14, equal_nan=True)


REFUSED: list[tuple[str, tuple[Any, ...], str]] = [
    ("inv", ([[1.0, 2.0], [2.0, 4.0]],), "the matrix is singular"),
    ("inv", ([[1.0, 2.0]],), "needs a square matrix, found a 1×2 matrix"),
    ("det", ([1, 2],), "needs a matrix"),
    ("logdet", ([[0.0, 1.0], [1.0, 0.0]],), "negative"),
    ("diag", (3,), "needs a vector or a matrix"),
    ("tr", ([[1, 2]],), "square"),
    ("det", ([[inf, 0.0], [0.0, 1.0]],), "NaN or Inf"),
    ("dot", (["a"], ["b"]), "needs numbers"),
    ("norm", ([1, 2], "a"), "the order of a norm must be a number"),
    ("diagm", ([0.0] * 20_000,), "too large"),
]


@pytest.mark.parametrize(("name", "args", "words"), REFUSED)
def test_refused(name: str, args: tuple[Any, ...], words: str) -> None:
    assert words in message_of(name, args)


def test_qr() -> None:
    x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
    q, r = (np.array(part) for part in run("qr", (x.tolist(),)))
    # 1e-14: Householder QR of a 3×2 matrix in double precision
    assert np.allclose(q @ r, x, rtol=1e-14)
    assert np.allclose(q.T @ q, np.eye(2), atol=1e-14)
    assert r[1, 0] == 0


def test_axes_follow() -> None:
    rows, columns = Axis("row", 2), Axis("k", 2, ("A", "B"))
    x = Array(np.array(A), (rows, columns))
    for name, axes in [("diag", (rows,)), ("inv", (columns, rows)), ("transpose", (columns, rows))]:
        result = call(name, [x])
        assert isinstance(result, Array)
        assert result.axes == axes


def test_a_diagonal_has_the_axis_twice() -> None:
    axis = Axis("k", 2, ("A", "B"))
    result = call("Diagonal", [Array(np.ones(2), (axis,))])
    assert isinstance(result, Array)
    assert result.axes == (axis, axis)
    assert plain(result) == plain(value([[1.0, 0.0], [0.0, 1.0]]))
