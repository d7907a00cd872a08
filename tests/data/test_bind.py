"""Binding: the `@data` block is Julia on columns, and arguments come from tables, Python or the block, with their labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyro
import pytest
import torch
from scipy import special, stats

import mlmdsl
from mlmdsl.compiler.values import Tensor
from mlmdsl.language.errors import DataError, MlmError, SpecError
from mlmdsl.language.types import Array
from mlmdsl.outputs import described
from tests.compiler.evaluate import in_data_block

COLUMNS: dict[str, Any] = {
    "x": np.array([0.4, -1.2, 2.5, 0.9]),
    "z": np.array([1.5, 0.3, 0.7, 2.2]),
    "n": np.array([3, 1, 2, 2]),
    "g": np.array(["b", "a", "b", "c"]),
    "h": np.array(["u", "u", "v", "v"]),
    "ok": np.array([True, False, True, True]),
}
ROWS: list[tuple[str, Callable[..., Any]]] = [
    ("x", lambda x: x),
    ("2x .+ 1", lambda x: 2 * x + 1),
    ("x .* z", lambda x, z: x * z),
    ("x .^ 2", lambda x: x**2),
    ("@. x^2 + z", lambda x, z: x**2 + z),
    ("log.(z)", lambda z: np.log(z)),
    ("sqrt.(z)", lambda z: np.sqrt(z)),
    ("exp.(x ./ 2)", lambda x: np.exp(x / 2)),
    ("logistic.(x)", lambda x: special.expit(x)),
    ("x .> 0", lambda x: x > 0),
    ("(x .> 0) .& ok", lambda x, ok: (x > 0) & ok),
    (".!ok", lambda ok: ~ok),
    ("ifelse.(x .> 0, x, z)", lambda x, z: np.where(x > 0, x, z)),
    ('ifelse.(g .== "b", 1, 0)', lambda g: (g == "b").astype(int)),
    ('g .== "b"', lambda g: g == "b"),
    ('(g .== "b") .* x', lambda g, x: (g == "b") * x),
    ("standardize(x)", lambda x: (x - x.mean()) / x.std(ddof=1)),
    ("zscore(x)", lambda x: (x - x.mean()) / x.std(ddof=1)),
    ("center(x)", lambda x: x - x.mean()),
    ("(x .- mean(x)) ./ (2 * std(x))", lambda x: (x - x.mean()) / (2 * x.std(ddof=1))),
    ("dummies(g)", lambda g: (g[:, None] == np.array(["a", "b", "c"])[None]).astype(float)),
    ("levels(g)", lambda g: np.array([2, 1, 2, 3])),
    ("levels(g, h)", lambda g, h: np.unique([a + b for a, b in zip(g, h, strict=True)], return_inverse=True)[1] + 1),
    ("levels(n)", lambda n: np.array([3, 1, 2, 2])),
    ("hcat(x, z)", lambda x, z: np.column_stack([x, z])),
    ("hcat(1, x)", lambda x: np.column_stack([np.ones(4), x])),
    ("[x z]", lambda x, z: np.column_stack([x, z])),
    ("[ones(nrow()) x z]", lambda x, z: np.column_stack([np.ones(4), x, z])),
    ("Matrix(x, z, n)", lambda x, z, n: np.column_stack([x, z, n])),
    ("hcat(standardize(x), dummies(h))", lambda x, h: np.column_stack([stats.zscore(x, ddof=1), h == "u", h == "v"])),
    ("ones(nrow())", lambda x: np.ones(4)),
    ("fill(2.5, nrow())", lambda x: np.full(4, 2.5)),
    ("x .* (h .== \"u\")", lambda x, h: x * (h == "u")),
    ("dummies(h) .* x", lambda h, x: np.column_stack([(h == "u") * x, (h == "v") * x])),
    ("mean(x)", lambda x: x.mean()),
    ("length(unique(g))", lambda g: 3),
    ("maximum(n)", lambda n: 3),
    ("quantile(x, 0.25)", lambda x: np.quantile(x, 0.25)),
    ("x[n]", lambda x, n: x[n - 1]),
    ("x[ok]", lambda x, ok: x[ok]),
    ("x[2:end]", lambda x: x[1:]),
    ("cumsum(x)", lambda x: x.cumsum()),
    ("[x[i] + i for i in 1:nrow()]", lambda x: x + np.arange(1, 5)),
    ("[v^2 for v in x if v > 0]", lambda x: x[x > 0] ** 2),
    ("map(v -> v^2, x)", lambda x: x**2),
    ("sum(x .* z)", lambda x, z: x @ z),
    ("x'z", lambda x, z: x @ z),
    ("ismissing.(x)", lambda x: np.zeros(4, bool)),
    ("clamp.(x, 0, 1)", lambda x: np.clip(x, 0, 1)),
    ("round.(Int, z)", lambda z: np.round(z)),
    ("reverse(x)", lambda x: x[::-1]),
    ("sort(x)", lambda x: np.sort(x)),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "value"), [pytest.param(*row, id=row[0]) for row in ROWS])
def test_data_block(expression: str, value: Callable[..., Any]) -> None:
    """The block's expressions have Julia's values on columns."""
    wanted = value(**{name: COLUMNS[name] for name in value.__code__.co_varnames[: value.__code__.co_argcount]})
    np.testing.assert_allclose(
        in_data_block(expression, **COLUMNS).astype(float), np.asarray(wanted, float), rtol=1e-12
    )


def test_lag_has_missing_entries_first() -> None:
    """`lag(x, k)`: k rows without a value, then the column."""
    text = (
        "@data begin\n    a = lag(x, 2)\nend\n@model function m(a)\n    s ~ Exponential(1)\n    a .~ Normal(0, s)\nend"
    )
    value = mlmdsl.parse(text).bind(pd.DataFrame({"x": COLUMNS["x"]})).bound.values["a"]
    assert isinstance(value, Tensor) and isinstance(value.known, Array) and value.known.missing is not None
    np.testing.assert_array_equal(value.known.missing, [True, True, False, False])
    np.testing.assert_allclose(value.known.values[2:], COLUMNS["x"][:2])


def test_names_of_the_block_build_on_each_other() -> None:
    """A line sees the columns and the lines above; an argument that redefines a column is the new one."""
    text = (
        "@data begin\n    c = center(x)\n    x = c ./ std(c)\n    k = length(c)\nend\n"
        "@model function m(x, k)\n    a ~ Normal()\n    r := x .* k\nend"
    )
    value = mlmdsl.parse(text).bind(COLUMNS).bound.values
    np.testing.assert_allclose(value["x"].known.values, stats.zscore(COLUMNS["x"], ddof=1))  # type: ignore[union-attr]
    assert value["k"].known == 4  # type: ignore[union-attr]


# ── where arguments come from ────────────────────────────────────────────────────────────────────────────────────────

PLAIN = "@model function m(x, y)\n    a ~ Normal()\n    y ~ MvNormal(a .* x, I)\nend"
X, Y = COLUMNS["x"], COLUMNS["z"]


@pytest.mark.parametrize(
    "bind",
    [
        lambda spec: spec.bind(pd.DataFrame({"x": X, "y": Y, "other": X})),
        lambda spec: spec.bind({"x": X, "y": Y}),
        lambda spec: spec.bind({"x": list(X), "y": tuple(Y)}),
        lambda spec: spec.bind(x=X, y=Y),
        lambda spec: spec.bind(x=torch.as_tensor(X), y=torch.as_tensor(Y)),
        lambda spec: spec.bind(x=list(X), y=pd.Series(Y)),
        lambda spec: spec.bind({"x": X, "y": X}, y=Y),
    ],
)
def test_arguments_without_a_block(bind: Callable[[mlmdsl.Spec], mlmdsl.Bound]) -> None:
    """Columns of a table, or anything that Python has numbers in, by name; what is given by name wins."""
    values = bind(mlmdsl.parse(PLAIN)).bound.values
    np.testing.assert_allclose(values["x"].known.values, X)  # type: ignore[union-attr]
    np.testing.assert_allclose(values["y"].known.values, Y)  # type: ignore[union-attr]


def test_a_matrix_from_a_frame() -> None:
    """A frame given as an argument is a matrix, its columns the labels."""
    text = "@model function m(X, y)\n    β ~ filldist(Normal(), size(X, 2))\n    y ~ MvNormal(X * β, I)\nend"
    bound = mlmdsl.parse(text).bind(X=pd.DataFrame({"first": X, "second": Y}), y=Y)
    assert labels_of(bound)["β"] == [("first", "second")]


@pytest.mark.parametrize(
    ("bind", "error", "said"),
    [
        (lambda spec: spec.bind(x=X), MlmError, "`y`"),
        (lambda spec: spec.bind(x=X, y=Y, z=Y), DataError, "no argument `z`"),
        (lambda spec: spec.bind(x=X, y=Y[:3]), MlmError, "length"),
        (lambda spec: spec.bind({"x": X, "Y": Y}), MlmError, "y"),
        (lambda spec: spec.bind(x=["a", "b", "c", "d"], y=Y), MlmError, "x"),
        (lambda spec: spec.bind(x=X, y=np.array([1, np.nan, 2, 3])), MlmError, "NaN"),
    ],
)  # fmt: skip
def test_what_does_not_fit(bind: Callable[[mlmdsl.Spec], Any], error: type[Exception], said: str) -> None:
    """Arguments that are not there, too many, or of a wrong kind are errors before anything runs."""
    text = PLAIN.replace("y ~", "b = mean(y)\n    y ~")
    with pytest.raises(error) as caught:
        bind(mlmdsl.parse(text))
    assert said in str(caught.value)


# ── keywords and settings ────────────────────────────────────────────────────────────────────────────────────────────

KEYWORDS = (
    "@model function m(x, y; scale=2.0, n=length(unique(x)), twice=2n, flag=false)\n"
    "    a ~ Normal(0, scale)\n    b ~ filldist(Normal(0, 1), twice)\n    c := flag ? a : b[1]\n    y ~ filldist(Normal(a, 1), length(y))\nend"
)


@pytest.mark.parametrize(
    ("settings", "scale", "twice"),
    [
        ({}, 2.0, 8),
        ({"scale": 3.5}, 3.5, 8),
        ({"n": 1}, 2.0, 2),
        ({"twice": 3, "scale": 1}, 1, 3),
        ({"flag": True}, 2.0, 8),
    ],
)
def test_settings_of_keywords(settings: dict[str, Any], scale: float, twice: int) -> None:
    """A keyword's default is a data expression; a setting, or an argument by name, takes its place and is seen by later defaults."""
    spec = mlmdsl.parse(KEYWORDS)
    for bound in (spec.bind({"x": X, "y": Y}, settings=settings), spec.bind(x=X, y=Y, **settings)):
        assert bound.bound.values["scale"].known == scale  # type: ignore[union-attr]
        assert bound.bound.values["twice"].known == twice  # type: ignore[union-attr]
        assert bound.program.__name__ == "m"
        bound.program()


def test_unknown_setting() -> None:
    """A setting that no keyword has is an error that offers the nearest."""
    with pytest.raises(MlmError, match="scale"):
        mlmdsl.parse(KEYWORDS).bind({"x": X, "y": Y}, settings={"scal": 1})


def test_several_models() -> None:
    """A spec with several models binds the one that is named, the last where none is."""
    text = "@data begin\n    v = 2 .* x\nend\n" + "".join(
        f"@model function {name}(v)\n    a ~ Normal(0, {k})\n    v .~ Normal(a, 1)\nend\n"
        for k, name in enumerate(("one", "two"), 1)
    )
    spec = mlmdsl.parse(text)
    spec.check()
    assert spec.bind(COLUMNS).model_name == "two"
    assert spec.bind(COLUMNS, model="one").model_name == "one"
    with pytest.raises(SpecError, match="no model `three`"):
        spec.bind(COLUMNS, model="three")


# ── labels ───────────────────────────────────────────────────────────────────────────────────────────────────────────

LABELLED = """
@data begin
    X = dummies(g)
    idx = levels(h)
    y = x
end
@model function m(X, idx, y; n_gr=length(unique(idx)), predictors=size(X, 2))
    β ~ filldist(Normal(), predictors)
    α ~ filldist(Normal(), n_gr)
    γ ~ filldist(Normal(), predictors, n_gr)
    for j in 1:n_gr
        δ[j] ~ Normal()
    end
    ε ~ arraydist([Normal(0, 1) for j in 1:n_gr])
    η := α .+ δ
    θ := γ'
    ζ := [α[j] + 1 for j in 1:n_gr]
    first := α[1]
    μ := X * β
    u ~ MvNormal(zeros(n_gr), I)
    w ~ filldist(MvNormal(zeros(predictors), I), n_gr)
    for i in eachindex(y)
        y[i] ~ Normal(X[i, :] ⋅ γ[:, idx[i]] + δ[idx[i]] + ε[idx[i]] + u[idx[i]] + X[i, :] ⋅ w[:, idx[i]], 1)
    end
end
"""


def test_labels_reach_the_output() -> None:
    """Levels of a factor and columns of dummies name the entries of every parameter along them."""
    found = labels_of(mlmdsl.parse(LABELLED).bind(COLUMNS))
    abc, uv = ("a", "b", "c"), ("u", "v")
    wanted = {
        "β": [abc], "α": [uv], "γ": [abc, uv], "δ": [uv], "ε": [uv], "η": [uv], "θ": [uv, abc], "ζ": [uv], "u": [uv],
        "w": [abc, uv], "first": [], "μ": [None],
    }  # fmt: skip
    assert found == wanted


def labels_of(bound: mlmdsl.Bound) -> dict[str, list[tuple[str, ...] | None]]:
    """The labels of the axes of every variable, for draws that are one draw from the prior."""
    trace = pyro.poutine.trace(bound.program).get_trace()
    drawn = {
        name: np.asarray(node["value"])[None, None]
        for name, node in trace.nodes.items()
        if node["type"] == "sample" and "_Subsample" not in type(node["fn"]).__name__
        and (not node["is_observed"] or node["infer"].get("_deterministic"))
    }  # fmt: skip
    variables, _ = described(bound, drawn)
    return {variable.name: [dim.labels for dim in variable.dims] for variable in variables}


# ── small and odd data ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("@model function m(X, y)\n    β ~ filldist(Normal(), size(X, 2))\n    y ~ MvNormal(X * β, I)\nend",
         {"X": np.ones((3, 1)), "y": np.zeros(3)}),
        ("@model function m(X, y)\n    β ~ filldist(Normal(), size(X, 2))\n    for i in eachindex(y)\n        y[i] ~ Normal(X[i, :] ⋅ β, 1)\n    end\nend",
         {"X": np.ones((1, 2)), "y": np.zeros(1)}),
        ("@model function m(g, y; J=maximum(g))\n    α ~ filldist(Normal(), J)\n    y ~ MvNormal(α[g], I)\nend",
         {"g": np.array([1, 1, 2]), "y": np.zeros(3)}),
        ("@model function m(g, y; J=maximum(g))\n    α ~ filldist(Normal(), J)\n    y ~ MvNormal(α[g], I)\nend",
         {"g": np.array([1]), "y": np.zeros(1)}),
        ("@model function m(g, y; J=maximum(g))\n    B ~ filldist(Normal(), 1, J)\n    y ~ arraydist([Normal(B[1, g[i]], 1) for i in 1:length(y)])\nend",
         {"g": np.array([1, 1]), "y": np.zeros(2)}),
        ("@model function m(y)\n    a ~ Normal()\n    for t in 2:length(y)\n        y[t] ~ Normal(a * y[t-1], 1)\n    end\nend", {"y": np.zeros(1)}),
    ],
)  # fmt: skip
def test_small_data(text: str, data: dict[str, Any]) -> None:
    """One column, one row, one group: the program runs and the density is finite."""
    trace = pyro.poutine.trace(mlmdsl.parse(text).bind(**data).program).get_trace()
    assert np.isfinite(float(trace.log_prob_sum()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.uint8, bool])
def test_number_types(dtype: Any) -> None:
    """Columns of any number type compute in the program's own."""
    x = np.array([1, 0, 1, 1]).astype(dtype)
    text = "@model function m(x, y)\n    a ~ Normal()\n    r := a .* x .+ mean(x)\n    y ~ MvNormal(x ./ 3, I)\nend"
    program = mlmdsl.parse(text).bind(x=x, y=Y).program
    trace = pyro.poutine.trace(
        pyro.poutine.condition(program, {"a": torch.tensor(0.3, dtype=torch.float64)})
    ).get_trace()
    value = np.asarray(trace.nodes["r"]["value"])
    np.testing.assert_allclose(value, 0.3 * np.array([1, 0, 1, 1]) + 0.75, rtol=1e-12)
    np.testing.assert_allclose(float(trace.nodes["y"]["fn"].mean[0]), 1 / 3, rtol=1e-12)
