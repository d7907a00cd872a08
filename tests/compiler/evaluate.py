"""The value of one expression of the language, by each of the ways in which a compiled program can come to it.

`by_parameters`: operands are parameters, held at given values, so that PyTorch computes the expression. `by_data`: they are
data, so that the value is computed when data are bound, or by the program from its arguments. `by_loop`: each operand has one
more axis, and a comprehension along it computes the expression for each step, in a helper function. `in_data_block`: they
are columns of a table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyro
import torch

import mlmdsl
from mlmdsl.compiler.values import Tensor
from mlmdsl.language.types import Array

Values = npt.NDArray[Any]


def by_parameters(expression: str, **operands: Any) -> Values:
    """The value where every operand of reals is a parameter; integers and truth values stay data."""
    drawn = {name: value for name, value in operands.items() if is_real(value)}
    data = {name: value for name, value in operands.items() if name not in drawn}
    lines = [f"    {name} ~ {_flat(np.shape(value))}" for name, value in drawn.items()]
    return _tracked(_model(data, [*lines, f"    result := {expression}"]), data, drawn)


def by_data(expression: str, **operands: Any) -> Values:
    """The value where every operand is data."""
    return _tracked(_model(operands, [f"    result := {expression}"]), operands, {})


def by_loop(expression: str, steps: int, **operands: Any) -> Values:
    """The values along the first axis, of `steps` steps, that every operand of reals has before its own."""
    drawn = {name: value for name, value in operands.items() if is_real(value)}
    data = {name: value for name, value in operands.items() if name not in drawn}
    items = {name: f"{name}[{', '.join(['i', *[':'] * (np.ndim(value) - 1)])}]" for name, value in drawn.items()}
    lines = [f"    {name} ~ {_flat(np.shape(value))}" for name, value in drawn.items()]
    call = f"f({', '.join(items.get(name, name) for name in operands)})"
    lines += [f"    result := [{call} for i in 1:{steps}]"]
    helper = f"f({', '.join(operands)}) = {expression}\n"
    return _tracked(helper + _model(data, lines), data, drawn)


def in_data_block(expression: str, **columns: Any) -> Values:
    """The value of `result = expression` in a `@data` block over a table of these columns."""
    text = f"@data begin\n    result = {expression}\nend\n@model function m(result)\n    a ~ Normal()\nend"
    value = mlmdsl.parse(text).bind(columns).bound.values["result"]
    assert isinstance(value, Tensor)
    return np.asarray(value.known.values if isinstance(value.known, Array) else value.known)


def is_real(value: Any) -> bool:
    """Whether an operand is made of reals, so that it can be a parameter."""
    return bool(np.asarray(value).dtype.kind == "f")


def tracked(text: str, name: str, values: dict[str, Any] | None = None, **data: Any) -> Values:
    """The value of `name := …` of a model, its parameters held at `values`."""
    return _tracked(text, data, values or {}, name)


def _tracked(text: str, data: dict[str, Any], values: dict[str, Any], name: str = "result") -> Values:
    program = mlmdsl.parse(text).bind(**data).program
    given = {key: torch.as_tensor(np.asarray(value, dtype=np.float64)) for key, value in values.items()}
    with pyro.validation_enabled(False):
        trace = pyro.poutine.trace(pyro.poutine.condition(program, data=given)).get_trace()
    return np.asarray(trace.nodes[name]["value"])


def _model(arguments: dict[str, Any], lines: list[str]) -> str:
    return "\n".join([f"@model function m({', '.join(arguments)})", *lines, "end"])


def _flat(shape: tuple[int, ...]) -> str:
    return f"filldist(Flat(), {', '.join(map(str, shape))})" if shape else "Flat()"
