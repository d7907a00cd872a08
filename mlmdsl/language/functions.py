"""The functions a spec may call: one row each.

A row says what checking needs (how many arguments, which keywords), what typing needs (`kind`, the element and bounds of
the result) and what emission needs (`torch`, a Python expression with `{0}`, `{1}` for the arguments). The value on data is
the NumPy function of the same name in `julia.py`; the test of this table holds the two against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, pi
from typing import Literal

Kind = Literal[
    "elementwise",  # of numbers; over an array only with a dot
    "reduce",  # an array to a number, or along `dims`
    "vector",  # an array to an array of the same axes
    "special",  # a typing rule of its own, in compiler/calls.py
    "data",  # for data only: its value is computed when data are bound
]


@dataclass(frozen=True)
class Function:
    """One function: its arity, keywords, kind, result and PyTorch form."""

    name: str
    kind: Kind
    least: int
    most: int | None
    torch: str = ""
    keywords: tuple[str, ...] = ()
    element: Literal["real", "int", "bool", "same"] = "real"
    low: float = -inf
    high: float = inf
    domain: tuple[float, float] = (-inf, inf)


def _elementwise() -> list[Function]:
    """Functions of numbers, with the bounds of their values and the domain of their first argument."""

    def row(name: str, torch: str, low: float = -inf, high: float = inf, n: int = 1, **more: object) -> Function:
        return Function(name, "elementwise", n, n, torch, low=low, high=high, **more)  # type: ignore[arg-type]

    return [
        row("abs", "torch.abs({0})", 0, element="same"),
        row("abs2", "{0} ** 2", 0, element="same"),
        row("sign", "torch.sign({0})", -1, 1, element="same"),
        row("sqrt", "torch.sqrt({0})", 0, domain=(0, inf)),
        row("cbrt", "torch.sign({0}) * torch.abs({0}) ** (1 / 3)"),
        row("exp", "torch.exp({0})", 0),
        row("expm1", "torch.expm1({0})", -1),
        row("log", "torch.log({0})", domain=(0, inf)),
        row("log1p", "torch.log1p({0})", domain=(-1, inf)),
        row("log2", "torch.log2({0})", domain=(0, inf)),
        row("log10", "torch.log10({0})", domain=(0, inf)),
        row("sin", "torch.sin({0})", -1, 1),
        row("cos", "torch.cos({0})", -1, 1),
        row("tan", "torch.tan({0})"),
        row("asin", "torch.asin({0})", -pi / 2, pi / 2, domain=(-1, 1)),
        row("acos", "torch.acos({0})", 0, pi, domain=(-1, 1)),
        row("atan", "torch.atan({0})", -pi / 2, pi / 2),
        row("sinh", "torch.sinh({0})"),
        row("cosh", "torch.cosh({0})", 1),
        row("tanh", "torch.tanh({0})", -1, 1),
        row("logistic", "torch.sigmoid({0})", 0, 1),
        row("invlogit", "torch.sigmoid({0})", 0, 1),
        row("logit", "torch.logit({0})", domain=(0, 1)),
        row("log1pexp", "torch.nn.functional.softplus({0})", 0),
        row("erf", "torch.erf({0})", -1, 1),
        row("gamma", "runtime.gamma({0})"),
        row("loggamma", "torch.lgamma({0})"),
        row("digamma", "torch.digamma({0})"),
        row("floor", "torch.floor({0})"),
        row("ceil", "torch.ceil({0})"),
        row("trunc", "torch.trunc({0})"),
        row("round", "torch.round({0})"),
        row("isnan", "torch.isnan({0})", element="bool"),
        row("inv", "1 / {0}"),
        row("float", "{0}"),
        row("identity", "{0}", element="same"),
        row("beta", "torch.exp(torch.lgamma({0}) + torch.lgamma({1}) - torch.lgamma({0} + {1}))", 0, n=2),
        row("logbeta", "torch.lgamma({0}) + torch.lgamma({1}) - torch.lgamma({0} + {1})", n=2),
        row("logaddexp", "torch.logaddexp({0}, {1})", n=2),
        row("rem", "torch.fmod({0}, {1})", n=2, element="same"),
        row("mod", "torch.remainder({0}, {1})", n=2, element="same"),
        row("div", "torch.div({0}, {1}, rounding_mode='trunc')", n=2, element="same"),
        row("clamp", "torch.clamp({0}, {1}, {2})", n=3, element="same"),
        row("ifelse", "torch.where({0}, {1}, {2})", n=3, element="same"),
        Function("max", "elementwise", 2, None, "torch.maximum({0}, {1})", element="same"),
        Function("min", "elementwise", 2, None, "torch.minimum({0}, {1})", element="same"),
    ]


def _reductions() -> list[Function]:
    """Functions of an array that give a number, or along `dims` an array with that axis of size 1."""

    def row(name: str, torch: str, most: int = 1, keywords: tuple[str, ...] = ("dims",), **more: object) -> Function:
        return Function(name, "reduce", most, most, torch, keywords, **more)  # type: ignore[arg-type]

    return [
        row("mean", "{0}.mean({dims})"),
        row("std", "{0}.std({dims})", low=0),
        row("var", "{0}.var({dims})", low=0),
        row("sum", "{0}.sum({dims})", element="same"),
        row("prod", "runtime.product({0}, {axes}{keep})", element="same"),
        row("minimum", "{0}.amin({dims})", element="same"),
        row("maximum", "{0}.amax({dims})", element="same"),
        row("median", "runtime.quantile({0}, 0.5, {axes})", keywords=()),
        row("quantile", "runtime.quantile({0}, {1}, {axes})", most=2, keywords=()),
        row("mad", "runtime.mad({0}, {axes}, {normalize})", keywords=("normalize",), low=0),
        row("norm", "torch.linalg.vector_norm({0}, dim={axes})", keywords=(), low=0),
        row("logsumexp", "torch.logsumexp({0}, {axes}{keep})"),
        row("any", "{0}.any({dims})", element="bool", keywords=()),
        row("all", "{0}.all({dims})", element="bool", keywords=()),
        row("count", "{0}.sum({dims})", element="int", keywords=(), low=0),
    ]


def _vectors() -> list[Function]:
    """Functions of an array that give an array along the same axes."""

    def row(name: str, torch: str, keywords: tuple[str, ...] = (), **more: object) -> Function:
        return Function(name, "vector", 1, 1, torch, keywords, **more)  # type: ignore[arg-type]

    return [
        row("cumsum", "{0}.cumsum(-1)", ("dims",), element="same"),
        row("cumprod", "{0}.cumprod(-1)", ("dims",), element="same"),
        row("sort", "{0}.sort(-1, descending={rev}).values", ("rev",), element="same"),
        row("sortperm", "{0}.argsort(-1, descending={rev}) + 1", ("rev",), element="int"),
        row("reverse", "{0}.flip(-1)", element="same"),
        row("softmax", "torch.softmax({0}, {last})", ("dims",), low=0, high=1),
        row("zscore", "({0} - {0}.mean({last}, keepdim=True)) / {0}.std({last}, keepdim=True)"),
        row("standardize", "({0} - {0}.mean({last}, keepdim=True)) / {0}.std({last}, keepdim=True)"),
        row("center", "{0} - {0}.mean({last}, keepdim=True)"),
        row("collect", "{0}", element="same"),
        row("copy", "{0}", element="same"),
        row("LazyArray", "{0}", element="same"),
        row("skipmissing", "{0}", element="same"),
        row("Symmetric", "runtime.symmetric({0})", element="same"),
        row("LowerTriangular", "{0}.tril()", element="same"),
        row("UpperTriangular", "{0}.triu()", element="same"),
    ]


def _special() -> list[Function]:
    """Functions with a typing rule of their own (compiler/calls.py)."""

    def row(name: str, least: int, most: int | None, torch: str = "", *keywords: str) -> Function:
        return Function(name, "special", least, most, torch, keywords)

    return [
        # shapes
        row("length", 1, 1),
        row("size", 1, 2),
        row("ndims", 1, 1),
        row("eachindex", 1, 1),
        row("axes", 1, 2),
        row("unique", 1, 1, "torch.unique({0})"),
        # linear algebra
        row("dot", 2, 2),
        row("transpose", 1, 1),
        row("adjoint", 1, 1),
        row("diag", 1, 1, "{0}.diagonal(dim1=-2, dim2=-1)"),
        row("diagm", 1, 1, "torch.diag_embed({0})"),
        row("Diagonal", 1, 1),
        row("I", 1, 1),
        row("PDMat", 1, 1),
        row("Cholesky", 1, 3),
        row("cholesky", 1, 1, "torch.linalg.cholesky({0})"),
        row("qr", 1, 1),
        row("det", 1, 1, "torch.linalg.det({0})"),
        row("logdet", 1, 1, "torch.logdet({0})"),
        row("logabsdet", 1, 1, "torch.linalg.slogdet({0}).logabsdet"),
        row("tr", 1, 1, "{0}.diagonal(dim1=-2, dim2=-1).sum(-1)"),
        row("cor", 1, 2),
        row("cov", 1, 2),
        # construction
        row("zeros", 1, None),
        row("ones", 1, None),
        row("fill", 2, None),
        row("falses", 1, None),
        row("trues", 1, None),
        row("similar", 1, 1),
        row("hcat", 1, None),
        row("vcat", 1, None),
        row("reshape", 2, None),
        row("vec", 1, 1),
        row("repeat", 1, None, "", "inner", "outer"),
        row("range", 2, 3, "", "length", "step", "stop"),
        row("Vector", 1, 2),
        row("Matrix", 1, None),
        row("Array", 1, None),
        row("Float64", 1, 1),
        row("Int", 1, 1),
        # iteration
        row("eachrow", 1, 1),
        row("eachcol", 1, 1),
        row("enumerate", 1, 1),
        row("zip", 2, None),
        row("map", 2, None),
        row("broadcast", 2, None),
        row("reduce", 2, 2, "", "init"),
        row("extrema", 1, 1),
        # densities
        row("logpdf", 2, 2),
        row("loglikelihood", 2, 2),
        *(row(name, 2, 2) for name in ("pdf", "cdf", "ccdf", "logcdf", "logccdf")),
    ]


def _data() -> list[Function]:
    """Functions for data alone."""

    def row(name: str, least: int, most: int | None, *keywords: str) -> Function:
        return Function(name, "data", least, most, "", keywords)

    return [
        row("dummies", 1, 1, "drop"),
        row("levels", 1, None, "order", "reference", "shared"),
        row("interaction", 2, None),
        row("lag", 1, 2),
        row("nrow", 0, 0),
        row("ismissing", 1, 1),
        row("coalesce", 2, None),
    ]


FUNCTIONS: dict[str, Function] = {
    row.name: row for rows in (_elementwise(), _reductions(), _vectors(), _special(), _data()) for row in rows
}
"""Every function, by its Julia name."""

ALIASES = {"Fill": "fill", "Zeros": "zeros", "Ones": "ones", "Eye": "I"}
"""Lazy arrays of FillArrays.jl: here a value is a value, however it is kept."""

FUNCTIONS |= {alias: FUNCTIONS[name] for alias, name in ALIASES.items()}

CONSTANTS: dict[str, float] = {"π": pi, "pi": pi, "ℯ": 2.718281828459045, "Inf": inf, "NaN": float("nan")}
"""Names that are numbers."""

TYPE_NAMES = frozenset({
    "Float64", "Float32", "Real", "Int", "Int64", "Integer", "Bool", "Any", "Number", "AbstractFloat", "undef",
    "Vector", "Matrix", "Array", "AbstractVector", "AbstractMatrix", "AbstractArray", "String",
})  # fmt: skip
"""Names of Julia types: read where an annotation or a constructor needs them."""
