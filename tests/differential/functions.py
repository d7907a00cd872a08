"""The functions of the language, one plain Python function each, on the values of `values.py`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from scipy import special

from tests.differential.laws import LAWS
from tests.differential.operators import (
    adjoint,
    binary,
    broadcast,
    compare,
    divide,
    dot,
    modulus,
    quotient,
    remainder,
    total,
    wrapped,
)
from tests.differential.values import (
    MISSING,
    Array,
    Lazy,
    collected,
    elements,
    fail,
    is_array,
    is_number,
    length,
    scalar,
)

Function = Callable[..., Any]


class TypeName(str):
    """The name of a Julia type as a value: `Int`, `Float64`, `undef`."""


def of_number(function: Callable[[float], float], inside: Callable[[float], bool] = lambda x: True) -> Function:
    """A function of one real number, with its domain."""

    def apply(x: Any) -> float:
        if not is_number(x):
            fail("type", f"no method matching a function of numbers for {type(x).__name__}")
        if not inside(x):
            fail("domain", f"a function of {x}")
        try:
            return float(function(float(x)))
        except OverflowError:
            return math.inf

    return apply


def rounding(function: Callable[[float], float]) -> Function:
    """`floor(x)`, `floor(Int, x)` and their kin."""

    def apply(*args: Any) -> Any:
        x = args[-1]
        value = function(x)
        return int(value) if len(args) == 2 or (isinstance(x, int) and len(args) == 1) else float(value)

    return apply


def reduced(function: Callable[[list[Any]], Any]) -> Function:
    """`f(xs)`, `f(g, xs)` and `f(X; dims=k)`."""

    def apply(*args: Any, dims: int | None = None) -> Any:
        values = args[-1]
        if len(args) == 2:
            values = collected(args[0](item) for item in elements(values))
        if dims is None:
            items = list(elements(values))
            if not items and function in (added, multiplied) and is_array(values) and values.dtype == np.float64:
                return float(function(items))
            return function(items)
        whole = values if values.ndim == 2 else values.reshape(-1, 1)
        lanes = [[scalar(x) for x in lane] for lane in (whole.T if dims == 1 else whole)]
        shape = (1, whole.shape[1]) if dims == 1 else (whole.shape[0], 1)
        return collected([function(lane) for lane in lanes], shape if values.ndim == 2 else shape[:1])

    return apply


def added(items: list[Any]) -> Any:
    """`sum`, also of arrays."""
    if items and is_array(items[0]):
        result = items[0]
        for item in items[1:]:
            result = binary("+", result, item)
        return result
    return total(items)


def mean(items: list[Any]) -> float:
    """`mean`."""
    return divide(float(total(items)), len(items)) if items else math.nan


def variance(items: list[Any]) -> float:
    """`var`, by n − 1."""
    center = mean(items)
    return divide(math.fsum((item - center) ** 2 for item in items), len(items) - 1) if len(items) > 1 else math.nan


def multiplied(items: list[Any]) -> Any:
    """`prod`."""
    result: Any = 1
    for item in items:
        result = wrapped(result * item)
    return result


def extreme(function: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    """`maximum` and `minimum`: of nothing there is none."""
    return lambda items: function(items) if items else fail("type", "reducing over an empty collection")


def quantile(values: Any, p: Any) -> Any:
    """`quantile(xs, p)`."""
    if is_array(p):
        return collected(quantile(values, each) for each in elements(p))
    return float(np.quantile(np.array(list(elements(values)), dtype=float), p))


def counted(items: list[Any]) -> int:
    """`count`."""
    return sum(1 for item in items if item)


def logsumexp(values: Any) -> float:
    """`logsumexp(xs)`."""
    return float(special.logsumexp([float(item) for item in elements(values)]))


def softmax(values: Any) -> Array:
    """`softmax(xs)`."""
    shifted = np.array([math.exp(item - max(elements(values))) for item in elements(values)])
    return shifted / shifted.sum()


def running(step: Callable[[Any, Any], Any]) -> Function:
    """`cumsum` and `cumprod` of a vector."""

    def apply(values: Any) -> Array:
        items = list(elements(values))
        for place in range(1, len(items)):
            items[place] = step(items[place - 1], items[place])
        return collected(items) if items else values.copy()

    return apply


def size(value: Any, axis: int | None = None) -> Any:
    """`size(x)`, `size(x, k)`."""
    shape = np.shape(value) if is_array(value) else ()
    if axis is None:
        return tuple(shape)
    return shape[axis - 1] if axis <= len(shape) else 1


def span(n: int) -> Array:
    """`1:n`."""
    result = np.arange(1, n + 1)
    result.flags.writeable = False
    return result


def axes(value: Any, axis: int | None = None) -> Any:
    """`axes(x)`, `axes(x, k)`."""
    return tuple(map(span, size(value))) if axis is None else span(size(value, axis))


def objects(items: Iterable[Any]) -> Array:
    """An array of any values, each as it is."""
    values = list(items)
    result = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        result[place] = value
    return result


def rows(value: Array, axis: int) -> Array:
    """`eachrow`, `eachcol`: views."""
    matrix = value.reshape(-1, 1) if value.ndim == 1 else value
    return objects(matrix if axis == 0 else matrix.T)


def zipped(*values: Any) -> Lazy:
    """`zip`: as long as the shortest."""
    return Lazy(lambda: zip(*map(elements, values), strict=False))


def mapped(function: Function, *values: Any) -> Any:
    """`map(f, xs, ys)`: as long as the shortest."""
    items = [function(*group) for group in zip(*map(elements, values), strict=False)]
    if len(values) == 1 and is_array(values[0]):
        return collected(items, values[0].shape)
    return collected(items) if not all(isinstance(each, tuple) for each in values) else tuple(items)


def folded(function: Function, values: Any, init: Any = None) -> Any:
    """`reduce(f, xs; init)`."""
    items = list(elements(values))
    if init is None and not items:
        fail("type", "reducing over an empty collection")
    result, rest = (init, items) if init is not None else (items[0], items[1:])
    for item in rest:
        result = function(result, item)
    return result


def vcat(*values: Any) -> Array:
    """`vcat`: rows below rows."""
    if any(is_array(value) and value.ndim == 2 for value in values):
        blocks = [np.atleast_2d(value) if is_number(value) else value for value in values]
        blocks = [block.reshape(-1, 1) if block.ndim == 1 else block for block in blocks]
        if len({block.shape[1] for block in blocks}) > 1:
            fail("dimension", "vcat of blocks of different widths")
        return collected(
            [scalar(x) for x in np.vstack(blocks).ravel(order="F")],
            (sum(len(block) for block in blocks), blocks[0].shape[1]),
        )
    return collected(item for value in values for item in (elements(value) if is_array(value) else [value]))


def hcat(*values: Any) -> Array:
    """`hcat`: columns beside columns."""
    blocks = [np.array([[value]]) if is_number(value) else value for value in values]
    blocks = [block.reshape(-1, 1, order="F") if block.ndim == 1 else block for block in blocks]
    if len({block.shape[0] for block in blocks}) > 1:
        fail("dimension", "hcat of blocks of different heights")
    shape = (blocks[0].shape[0], sum(block.shape[1] for block in blocks))
    return collected([item for block in blocks for item in elements(block)], shape)


def filled(value: Any, *shape: Any) -> Array:
    """`fill(v, n…)`."""
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
    if any(n < 0 for n in sizes):
        fail("type", "a size below 0")
    count = int(np.prod(sizes))
    result = collected([value] * count, tuple(sizes)) if count else np.zeros(sizes, type(value))
    return np.array(result, order="F")


def constant(value: float) -> Function:
    """`zeros(n…)`, `zeros(Int, n…)`, `ones(…)`."""

    def apply(*args: Any) -> Array:
        if args and isinstance(args[0], TypeName):
            kinds: dict[str, Any] = {"Int": int, "Int64": int, "Bool": bool}
            return filled(kinds.get(args[0], float)(value), *args[1:])
        return filled(float(value), *args)

    return apply


def uninitialised(*args: Any) -> Array:
    """`Vector{Float64}(undef, n)`."""
    return filled(math.nan, *args[1:])


def reshaped(value: Array, *shape: Any) -> Array:
    """`reshape`: shares the elements."""
    sizes = list(shape[0] if isinstance(shape[0], tuple) else shape)
    known = math.prod(n for n in sizes if not isinstance(n, slice))
    sizes = [value.size // known if isinstance(n, slice) else n for n in sizes]
    if math.prod(sizes) != value.size:
        fail("dimension", f"reshape of {value.size} elements to {sizes}")
    return value.reshape(sizes, order="F")


def repeated(value: Any, count: int | None = None, inner: int = 1, outer: int = 1) -> Array:
    """`repeat(xs, n)`, `repeat(xs; inner, outer)`."""
    items = [item for item in elements(value) for _ in range(inner)]
    return collected(items * (outer if count is None else count))


def unique(values: Any) -> Array:
    """`unique`: in order of first occurrence."""
    return collected(dict.fromkeys(elements(values)))


def ordered(values: Any, rev: bool = False) -> Array:
    """`sort`."""
    return collected(sorted(elements(values), reverse=rev))


def order_of(values: Any, rev: bool = False) -> Array:
    """`sortperm`: stable."""
    items = list(elements(values))
    return collected(place + 1 for place in sorted(range(len(items)), key=lambda k: items[k], reverse=rev))


def clamped(x: Any, low: Any, high: Any) -> Any:
    """`clamp`."""
    return max(low, min(x, high)) if any(isinstance(each, int) for each in (x,)) else float(max(low, min(x, high)))


def best(better: Callable[[Any, Any], bool]) -> Function:
    """`max(a, b…)`, `min(a, b…)`: of a float and an integer, a float."""

    def apply(*args: Any) -> Any:
        result = args[0]
        for arg in args[1:]:
            result = arg if better(arg, result) else result
        return float(result) if any(isinstance(arg, float) for arg in args) else result

    return apply


def _converted(x: Any) -> Any:
    return int(x) if x == int(x) else fail("inexact", f"Int({x})")


FUNCTIONS: dict[str, Function] = {
    **LAWS,
    "exp": of_number(math.exp), "expm1": of_number(math.expm1), "log": of_number(lambda x: math.log(x) if x else -math.inf, lambda x: x >= 0),
    "log1p": of_number(math.log1p, lambda x: x > -1), "sqrt": of_number(math.sqrt, lambda x: x >= 0),
    "sin": of_number(math.sin), "cos": of_number(math.cos), "tanh": of_number(math.tanh), "atan": of_number(math.atan),
    "logistic": of_number(lambda x: float(special.expit(x))), "invlogit": of_number(lambda x: float(special.expit(x))),
    "logit": of_number(lambda x: float(special.logit(x)), lambda x: 0 <= x <= 1), "log1pexp": of_number(lambda x: float(np.logaddexp(0.0, x))),
    "abs": lambda x: wrapped(abs(x)), "abs2": lambda x: wrapped(x * x), "sign": lambda x: type(x)((x > 0) - (x < 0)),
    "inv": lambda x: divide(1.0, x), "float": float, "identity": lambda x: x, "Float64": float, "Int": _converted,
    "floor": rounding(math.floor), "ceil": rounding(math.ceil), "trunc": rounding(math.trunc), "round": rounding(round),
    "max": best(lambda a, b: a > b), "min": best(lambda a, b: a < b), "mod": modulus, "rem": remainder, "div": quotient,
    "clamp": clamped, "ifelse": lambda condition, a, b: a if condition else b,
    "isnan": lambda x: math.isnan(x), "iseven": lambda k: k % 2 == 0, "isodd": lambda k: k % 2 == 1,
    "sum": reduced(added), "prod": reduced(multiplied), "mean": reduced(mean), "var": reduced(variance),
    "std": reduced(lambda items: math.sqrt(variance(items))), "maximum": reduced(extreme(max)), "minimum": reduced(extreme(min)),
    "any": reduced(any), "all": reduced(all), "count": reduced(counted), "extrema": lambda xs: (min(elements(xs)), max(elements(xs))),
    "median": lambda xs: float(np.median(list(elements(xs)))), "quantile": quantile,
    "norm": lambda xs: math.sqrt(math.fsum(item * item for item in elements(xs))), "logsumexp": logsumexp, "softmax": softmax,
    "cumsum": running(lambda a, b: wrapped(a + b)), "cumprod": running(lambda a, b: wrapped(a * b)),
    "length": length, "size": size, "ndims": lambda x: np.ndim(x), "axes": axes, "eachindex": lambda x: span(length(x)),
    "eachrow": lambda x: rows(x, 0), "eachcol": lambda x: rows(x, 1), "zip": zipped, "map": mapped, "reduce": folded,
    "enumerate": lambda xs: Lazy(lambda: enumerate(elements(xs), start=1)), "broadcast": lambda f, *xs: broadcast(f, list(xs)),
    "vcat": vcat, "hcat": hcat, "fill": filled, "zeros": constant(0), "ones": constant(1), "similar": lambda x: filled(math.nan, *x.shape),
    "falses": lambda *n: filled(False, *n), "trues": lambda *n: filled(True, *n), "Vector": uninitialised, "Matrix": uninitialised,
    "copy": lambda x: np.array(x, order="F"), "collect": lambda x: np.array(x, order="F") if is_array(x) else collected(elements(x)),
    "reverse": lambda x: np.array(x[::-1]), "vec": lambda x: x.reshape(-1, order="F"), "reshape": reshaped, "repeat": repeated,
    "unique": unique, "sort": ordered, "sortperm": order_of, "dot": dot, "transpose": adjoint, "adjoint": adjoint,
    "diagm": lambda v: np.diag(v), "Diagonal": lambda v: np.diag(v), "diag": lambda x: np.array(np.diag(x)),
    "ismissing": lambda x: x is MISSING, "==": lambda a, b: compare("==", a, b),
}  # fmt: skip
"""Every function by its name; operators used as functions are added by the interpreter."""
