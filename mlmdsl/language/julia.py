"""Julia's functions on data: NumPy implementations of what a spec may compute from a table, by their Julia names.

Values are Python's int, float, bool, str, `MISSING`, `None` (nothing), `Array`s, and tuples of these. Where Julia would
throw, so do they: `JuliaError`. The other `julia_*` modules hold the implementations; this one is the table.

    operator(op, a, b), unary(op, a)    + - * / \\ ^ ⋅ % ÷ comparisons && || !, dotted or not
    index(x, indices)                   x[i, :, mask]
    call(name, args, keywords)          a function of the table, with its arguments checked
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from mlmdsl.language.errors import did_you_mean
from mlmdsl.language.julia_arrays import (
    colon,
    falses,
    fill,
    length,
    lin_range,
    ndims,
    ones,
    range_of,
    repeat,
    reshape,
    reverse,
    similar,
    size,
    sort,
    sortperm,
    trues,
    unique,
    vcat,
    vec,
    zeros,
)
from mlmdsl.language.julia_columns import hcat, lag, matrix_of, named
from mlmdsl.language.julia_elementwise import ELEMENTWISE
from mlmdsl.language.julia_indexing import index
from mlmdsl.language.julia_iteration import (
    axes_of,
    collect,
    eachcol,
    eachindex,
    eachrow,
    elements,
    enumerate_of,
    matrix_literal,
    product_of,
    vector_literal,
    zip_of,
)
from mlmdsl.language.julia_levels import dummies, interaction, levels
from mlmdsl.language.julia_linear import (
    adjoint,
    copy,
    det,
    diag,
    diagm,
    dot,
    inv,
    logabsdet,
    logdet,
    norm,
    qr,
    symmetric,
    trace,
    triangular,
)
from mlmdsl.language.julia_operators import div, fld, mod, mod1, operator, rem, unary, xor
from mlmdsl.language.julia_standardize import center, standardize, zscore
from mlmdsl.language.julia_statistics import (
    all_of,
    any_of,
    cor,
    count,
    cov,
    cumprod,
    cumsum,
    extrema,
    logsumexp,
    mad,
    maximum,
    mean,
    median,
    minimum,
    product,
    quantile,
    softmax,
    std,
    total,
    var,
)
from mlmdsl.language.julia_values import JuliaError, describe
from mlmdsl.language.types import NumberType, Value

__all__ = [
    "DATA_FUNCTIONS",
    "NUMBER_TYPES",
    "JuliaError",
    "call",
    "colon",
    "describe",
    "elements",
    "index",
    "matrix_literal",
    "named",
    "operator",
    "product_of",
    "unary",
    "vector_literal",
]

_STATISTICS: dict[str, Callable[..., Value]] = {
    "mean": mean,
    "std": std,
    "var": var,
    "median": median,
    "mad": mad,
    "quantile": quantile,
    "minimum": minimum,
    "maximum": maximum,
    "extrema": extrema,
    "sum": total,
    "prod": product,
    "cumsum": cumsum,
    "cumprod": cumprod,
    "any": any_of,
    "all": all_of,
    "count": count,
    "zscore": zscore,
    "cov": cov,
    "cor": cor,
    "logsumexp": logsumexp,
    "softmax": softmax,
}

_ARRAYS: dict[str, Callable[..., Value]] = {
    "length": length,
    "size": size,
    "ndims": ndims,
    "unique": unique,
    "sort": sort,
    "sortperm": sortperm,
    "reverse": reverse,
    "hcat": hcat,
    "vcat": vcat,
    "reshape": reshape,
    "vec": vec,
    "repeat": repeat,
    "zeros": zeros,
    "ones": ones,
    "fill": fill,
    "Fill": fill,
    "Zeros": zeros,
    "Ones": ones,
    "falses": falses,
    "trues": trues,
    "similar": similar,
    "range": range_of,
    "LinRange": lin_range,
    "collect": collect,
    "Array": collect,
    "Vector": collect,
    "Matrix": matrix_of,
    "eachrow": eachrow,
    "eachcol": eachcol,
    "eachindex": eachindex,
    "axes": axes_of,
    "enumerate": enumerate_of,
    "zip": zip_of,
    "copy": copy,
    "identity": copy,
    "LazyArray": copy,
}

_LINEAR: dict[str, Callable[..., Value]] = {
    "dot": dot,
    "norm": norm,
    "diag": diag,
    "diagm": diagm,
    "Diagonal": diagm,
    "inv": inv,
    "det": det,
    "logdet": logdet,
    "logabsdet": logabsdet,
    "tr": trace,
    "qr": qr,
    "transpose": adjoint,
    "adjoint": adjoint,
    "Symmetric": symmetric,
    "LowerTriangular": partial(triangular, lower=True),
    "UpperTriangular": partial(triangular, lower=False),
}

_COLUMNS: dict[str, Callable[..., Value]] = {
    "dummies": dummies,
    "levels": levels,
    "interaction": interaction,
    "standardize": standardize,
    "center": center,
    "lag": lag,
}

_OPERATIONS: dict[str, Callable[..., Value]] = {
    "rem": rem,
    "mod": mod,
    "mod1": mod1,
    "div": div,
    "fld": fld,
    "xor": xor,
}

DATA_FUNCTIONS: dict[str, Callable[..., Value]] = {
    **ELEMENTWISE,
    **_OPERATIONS,
    **_STATISTICS,
    **_ARRAYS,
    **_LINEAR,
    **_COLUMNS,
}
"""From Julia's name to the function; Julia's keywords are Python's."""

NUMBER_TYPES: dict[str, NumberType] = {
    "Int": NumberType.INT,
    "Int64": NumberType.INT,
    "Integer": NumberType.INT,
    "Float64": NumberType.FLOAT,
    "Real": NumberType.FLOAT,
    "AbstractFloat": NumberType.FLOAT,
    "Bool": NumberType.BOOL,
}
"""Names of types that may be arguments, as in `zeros(Int, 3)`."""


def call(name: str, args: Sequence[Value], keywords: Mapping[str, Value] | None = None) -> Value:
    """`name(args…; keywords…)`.

    Raises:
        JuliaError: no such function or keyword, the wrong number of arguments, or what the function itself refuses.
    """
    if name not in DATA_FUNCTIONS:
        raise JuliaError(f"there is no function `{name}` of data", did_you_mean(name, DATA_FUNCTIONS))
    function = DATA_FUNCTIONS[name]
    _check_arguments(name, function, args, keywords or {})
    try:
        return function(*args, **(keywords or {}))
    except MemoryError as error:
        raise JuliaError(f"`{name}` needs more memory than there is") from error


def _check_arguments(
    name: str, function: Callable[..., Value], args: Sequence[Value], given: Mapping[str, Value]
) -> None:
    """Raise JuliaError where a function takes no such arguments."""
    parameters = inspect.signature(function).parameters.values()
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in _INTERNAL]
    for keyword in given:
        if keyword not in known:
            raise JuliaError(f"`{name}` has no keyword `{keyword}`", did_you_mean(keyword, known))
    places = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY)]
    least = sum(p.default is p.empty for p in places)
    most = None if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(places)
    if len(args) < least or (most is not None and len(args) > most):
        wanted = f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
        raise JuliaError(f"`{name}` takes {wanted} argument{'' if wanted == '1' else 's'}, found {len(args)}")


_INTERNAL = frozenset({"stretch", "lower"})
