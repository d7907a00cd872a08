"""Functions of whole numbers are computed in the program's own precision, however the whole numbers came about."""

from __future__ import annotations

import numpy as np
import pytest

from tests.compiler.evaluate import tracked

WHOLE = ["[k for k in 1:3]", "g", "g[[1, 2, 3]]", "collect(1:3)", "fill(2, 3)", "repeat([1, 2, 3], 1)"]
FORMS = [
    "exp(maximum({0}))", "exp(minimum({0}))", "exp(prod({0}))", "exp(sum({0}))", "exp.(unique({0}))", "exp.(float.({0}))",
    "exp.(identity.({0}))", "exp.(cumsum({0}))", "exp.(reverse({0}))", "exp.(vec({0}))", "sqrt.({0}) .* a", "log(maximum({0}) + a)",
    "exp.({0} .+ 1)", "exp.(abs.({0}))",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_double_precision(form: str) -> None:
    """Each form over each kind of whole numbers, to 1e-14: single precision differs by 1e-8."""
    lines = [f"r{place} := {form.format(whole)}" for place, whole in enumerate(WHOLE)]
    text = "\n".join(["@model function m(g)", "a ~ Normal(0, 1)", *lines, "end"])
    python = form.replace(".(", "(").replace(" .* ", " * ").replace(" .+ ", " + ").replace("float", "np.float64")
    names = {name: getattr(np, name) for name in ("exp", "sqrt", "log", "cumsum", "unique", "prod", "abs", "sum")}
    names |= {
        "maximum": np.max,
        "minimum": np.min,
        "reverse": np.flip,
        "vec": np.ravel,
        "identity": np.array,
        "np": np,
        "a": 0.5,
    }
    for place, whole in enumerate(WHOLE):
        values = np.array([2, 2, 2] if "fill" in whole else [1, 2, 3])
        wanted = eval(python.format("x"), {**names, "x": values})
        found = tracked(text, f"r{place}", {"a": 0.5}, g=np.array([1, 2, 3]))
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
