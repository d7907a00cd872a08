"""Whether observed data lie in the support of their distribution: said before sampling, with the row."""

from __future__ import annotations

from functools import partial
from math import inf

import numpy as np

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import Context
from mlmdsl.compiler.elementwise import verify_readable
from mlmdsl.compiler.labels import verify_order
from mlmdsl.compiler.values import Tensor
from mlmdsl.language import tree
from mlmdsl.language.rows import Values, mapped
from mlmdsl.language.types import Array, Scalar


def verify_values(cx: Context, node: tree.Tilde, dist: ir.Dist, value: Tensor, name: str | None) -> None:
    """The data lie in the support of their distribution, where their values are known."""
    if value.type.element == "text":
        verify_readable(cx, value, node.target)
        cx.fail_data(
            node.target,
            f"`{name}` is text where {dist.family} needs numbers",
            "make it numbers in `@data`: `levels(…)`, `dummies(…)`, a comparison",
        )
    verify_order(cx, dist, value, node.target)
    found = _observed_part(cx, value, name)
    if found is None or isinstance(found[0], str):
        return
    known, first_row = found
    values = np.asarray(known.values if isinstance(known, Array) else known)
    wrong = mapped(partial(_outside, dist), [values])
    if isinstance(known, Array) and known.missing is not None:
        wrong &= ~known.missing
    if wrong.any():
        _report_value(cx, node, dist, values, wrong, name, first_row)


def _outside(dist: ir.Dist, values: Values) -> Values:
    """Mask of the values that a distribution does not give."""
    wrong = (values < dist.low) | (values > dist.high)
    return wrong | (values != np.round(values)) if dist.element == "int" else wrong


def _observed_part(cx: Context, value: Tensor, name: str | None) -> tuple[Array | Scalar, int] | None:
    """The known values that are observed, and the row of the first of them: all of an array, or those a loop walks."""
    if value.known is not None:
        return value.known, 1
    whole = cx.scope.get(name or "")
    known = whole.known if isinstance(whole, Tensor) else None
    expr = value.expr
    if not isinstance(known, Array) or not isinstance(expr, ir.Gather) or cx.guards:
        return None
    walked = [_walked(item) for item in expr.index]
    if any(part is None for part in walked) or len(walked) != known.values.ndim or expr.x.type.rank != len(walked):
        return None
    part = tuple(item for item in walked if item is not None)
    missing = None if known.missing is None else known.missing[part]
    return Array(known.values[part], known.axes, missing=missing), (part[0].start or 0) + 1


def _walked(item: ir.IndexItem) -> slice | None:
    """The part of an axis that an index walks, where that is known."""
    if isinstance(item, ir.Keep):
        return slice(None)
    if not isinstance(item, ir.Slice) or item.loop is None or not isinstance(item.loop.size, int):
        return None
    start = item.start.value if isinstance(item.start, ir.Const) else None
    return slice(start - 1, start - 1 + item.loop.size) if isinstance(start, int) else None


def _report_value(
    cx: Context,
    node: tree.Tilde,
    dist: ir.Dist,
    values: Values,
    wrong: Values,
    name: str | None,
    first_row: int,
) -> None:
    rows = wrong.reshape(wrong.shape[0] if wrong.ndim else 1, -1).any(axis=1)
    row = int(np.argwhere(rows)[0][0]) + first_row
    bad = float(values[wrong].flat[0]) if values.ndim else float(values)
    place = f" in row {row}" if values.ndim else ""
    kind = "whole numbers" if dist.element == "int" else "numbers"
    range_ = f" from {dist.low:g}" if dist.low > -inf else ""
    range_ += f" to {dist.high:g}" if dist.high < inf else ""
    count = int(wrong.sum())
    more = f" ({count} such values)" if count > 1 else ""
    cx.fail_data(
        node.target,
        f"`{name or 'the observed value'}` has {bad:g}{place}{more}, but {dist.family} gives {kind}{range_}",
        "choose a distribution whose support holds the data",
    )
