"""Data that are observed more than once count each time, and each observation has a site of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyro
import pytest
from scipy import stats

from tests.compiler.density import bound, log_density

Y = np.array([0.5, -0.3, 1.2])
G = np.array([2, 1, 2])
LATER = "t = 0.0\nfor i in 1:3\n t = t + a\n{line}\nend"
"""A loop that carries a value, so that it runs in order."""

AGAIN = [
    ("one element", LATER.format(line=" y[2] ~ Normal(t, 1)"), lambda a: [(1, a), (1, 2 * a), (1, 3 * a)]),
    ("by codes with repeats", LATER.format(line=" y[g[i]] ~ Normal(t, 1)"), lambda a: [(1, a), (0, 2 * a), (1, 3 * a)]),
    ("by a sum of loop variables", "t = 0.0\nfor i in 1:2, j in 0:1\n t = t + a\n y[i + j] ~ Normal(t, 1)\nend",
     lambda a: [(0, a), (1, 2 * a), (1, 3 * a), (2, 4 * a)]),
    ("in a loop and after it", LATER.format(line=" y[i] ~ Normal(t, 1)") + "\ny[end] ~ Normal(0, 1)",
     lambda a: [(0, a), (1, 2 * a), (2, 3 * a), (2, 0.0)]),
    ("before a loop and in it", "y[1] ~ Normal(0, 1)\n" + LATER.format(line=" y[i] ~ Normal(t, 1)"),
     lambda a: [(0, 0.0), (0, a), (1, 2 * a), (2, 3 * a)]),
    ("on two sides of a branch", LATER.format(line=" if i > 1\n  y[3] ~ Normal(t, 1)\n else\n  y[3] ~ Normal(0, 1)\n end"),
     lambda a: [(2, 0.0), (2, 2 * a), (2, 3 * a)]),
    ("by a counter that stays", "k = 1\n" + LATER.format(line=" y[k] ~ Normal(t, 1)\n if i == 2\n  k += 1\n end"),
     lambda a: [(0, a), (0, 2 * a), (1, 3 * a)]),
    ("a part", LATER.format(line=" y[1:2] ~ MvNormal(fill(t, 2), I)"),
     lambda a: [(k, i * a) for i in (1, 2, 3) for k in (0, 1)]),
    ("in two loops", LATER.format(line=" y[i] ~ Normal(t, 1)") + "\n" + LATER.format(line=" y[i] ~ Normal(t, 1)"),
     lambda a: 2 * [(0, a), (1, 2 * a), (2, 3 * a)]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "seen"), [case[1:] for case in AGAIN], ids=[case[0] for case in AGAIN])
def test_each_observation_counts(body: str, seen: Any) -> None:
    model = bound(f"@model function m(y, g)\na ~ Normal(0, 1)\n{body}\nend", y=Y, g=G)
    wanted = stats.norm.logpdf(0.7) + sum(stats.norm.logpdf(Y[k], mean) for k, mean in seen(0.7))
    assert log_density(model, {"a": 0.7}) == pytest.approx(wanted, rel=1e-12)


def test_names_that_cannot_repeat_stay_plain() -> None:
    body = "y[1] ~ Normal(a, 1)\nh = a\nfor t in 2:3\n h = 0.5 * h\n y[t] ~ Normal(h, 1)\nend"
    model = bound(f"@model function m(y)\na ~ Normal(0, 1)\n{body}\nend", y=Y)
    with pyro.validation_enabled(False):
        names = pyro.poutine.trace(model.program).get_trace().nodes
    assert {"y[1]", "y[2]", "y[3]"} <= set(names)


def test_densities_of_an_entry_add_up_row_by_row() -> None:
    body = LATER.format(line=" y[i] ~ Normal(t, 1)") + "\ny[end] ~ Normal(a, 2)"
    model = bound(f"@model function m(y)\na ~ Normal(0, 1)\n{body}\nend", y=Y)
    fit = model.sample(seed=1, chains=1, draws=3, tune=20, log_likelihood=True)
    a = np.asarray(fit.idata.posterior["a"])[0]
    found = np.asarray(fit.idata.log_likelihood["y"])[0]
    wanted = np.stack([stats.norm.logpdf(Y[i], (i + 1) * a, 1) for i in range(3)], axis=1)
    wanted[:, 2] += stats.norm.logpdf(Y[2], a, 2)
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_a_loop_of_nothing_does_nothing() -> None:
    body = "k = 0\nfor i in 1:2\n if 1 == 2\n  k += 1\n end\nend"
    assert log_density(bound(f"@model function m()\na ~ Normal(0, 1)\n{body}\nend"), {"a": 0.7}) == pytest.approx(
        stats.norm.logpdf(0.7)
    )
