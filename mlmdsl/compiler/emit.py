"""From the IR to a Python module with a plain Pyro model: one statement a statement of the spec, its text as a comment.

The module has `model(…)`, and before it, where something depends on the data alone, `constants(…)`, which computes that
once: `model(**constants(X, idx, y))` is the program. Arguments are tensors: reals of `REAL["dtype"]`, or 64-bit integers
for those that index (from 1, as the author's data are).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import AxisKey
from mlmdsl.compiler.emit_expressions import Emitter, UnknownData
from mlmdsl.compiler.emit_statements import Body, Writer, samples_of
from mlmdsl.compiler.python_text import Code, docstring, form, text
from mlmdsl.language.errors import Diagnostic, SpecError
from mlmdsl.language.source import Source, Span


@dataclass(frozen=True)
class Program:
    """An emitted module: its text, the spans of the spec that its lines came from, and its arguments' places."""

    name: str
    text: str
    spans: Mapping[int, Span]
    arguments: Mapping[str, str]
    """From the author's names to Python's."""
    has_constants: bool
    model_arguments: tuple[ir.Argument, ...] = ()


def emit(
    source: Source, model: ir.Model, sizes: Mapping[AxisKey, ir.Expr], dtype: str = "float64", device: str = "cpu"
) -> Program:
    """The module of a model."""
    em = _emitter(model, sizes, dtype, device)
    try:
        return _emitted(source, model, em)
    except UnknownData as unknown:
        span = model.body[0].span if model.body else None
        hint = "the program depends on the data: bind them, or give `--data FILE`"
        raise SpecError([Diagnostic(str(unknown), span, hint)], source) from None


def _emitted(source: Source, model: ir.Model, em: Emitter) -> Program:
    body = Writer(source)
    Body(em, body, model).statements(model.body, 1)
    if model.returned is not None:
        body.write(1, f"return {text(em.code(model.returned))}")
    return _assemble(source, model, em, body)


def _emitter(model: ir.Model, sizes: Mapping[AxisKey, ir.Expr], dtype: str, device: str) -> Emitter:
    arguments = {argument.name: argument for argument in model.arguments}
    numbers = {argument.name for argument in model.arguments if not argument.type.axes}
    longs = {argument.name for argument in model.arguments if argument.is_index}
    em = Emitter(arguments, sizes, dtype, device, python_numbers=numbers, longs=longs)
    for argument in model.arguments:
        em.names(argument.name)
    return em


def _assemble(source: Source, model: ir.Model, em: Emitter, body: Writer) -> Program:
    constants = _constants(em, model)
    out = Writer(source)
    imports = ["import torch", "from functools import partial", "import pyro", "import pyro.distributions as dist"]
    written = "\n".join([*body.lines, *constants])
    imports = [line for line in imports if _is_needed(line, written)]
    if "math." in written:
        imports.insert(0, "import math")
    if "runtime." in written:
        imports.append("from mlmdsl import runtime")
    standard = [line for line in imports if line.startswith(("import math", "from functools"))]
    out.write(0, docstring(f"The model {model.name} of {source.name}, as a Pyro program.") + "\n")
    out.write(0, "\n".join(standard) + "\n" if standard else "")
    out.write(0, "\n".join(line for line in imports if line not in standard) + "\n")
    if "REAL" in written or "real(" in written:
        out.write(0, f'REAL = {{"dtype": torch.{em.dtype}, "device": "{em.device}"}}')
        out.write(0, "real = partial(torch.tensor, **REAL)\n" if "real(" in written else "")
    for line in constants:
        out.write(0, line)
    parameters = [em.names(argument.name) for argument in model.arguments]
    parameters += [em.names(ir.mask_of(argument.name)) for argument in model.arguments if argument.has_missing]
    parameters += [*(wanted for wanted, _ in em.constants.values()), *em.statistics]
    out.write(0, f"\ndef model({', '.join(parameters)}):")
    out.write(1, docstring(_summary(model)))
    shift = len(out.lines)
    out.lines += body.lines or ["    pass"]
    out.spans |= {line + shift: span for line, span in body.spans.items()}
    masks = [ir.mask_of(argument.name) for argument in model.arguments if argument.has_missing]
    places = {name: em.names(name) for name in (*(argument.name for argument in model.arguments), *masks)}
    return Program(model.name, "\n".join(out.lines) + "\n", out.spans, places, bool(constants), model.arguments)


def _is_needed(line: str, written: str) -> bool:
    marks = {"partial": "real(", "distributions": "dist.", "import pyro": "pyro."}
    return next((mark in written for word, mark in marks.items() if word in line), True)


def _summary(model: ir.Model) -> str:
    drawn = [sample.target for sample in samples_of(model.body) if sample.observed is None]
    observed = [sample.target for sample in samples_of(model.body) if sample.observed is not None]
    parts = [f"parameters {', '.join(dict.fromkeys(drawn))}" if drawn else "no parameters"]
    parts += [f"observed {', '.join(dict.fromkeys(observed))}"] if observed else []
    summary = "; ".join(parts)
    return f"{summary[0].upper()}{summary[1:]}."


def _constants(em: Emitter, model: ir.Model) -> list[str]:
    """The function `constants`, if there is anything to compute once."""
    defaults = [argument for argument in model.arguments if argument.default is not None]
    if not em.constants and not defaults and not em.statistics:
        return []
    em.hoisting = False
    parameters = [em.names(a.name) + ("=None" if a.default is not None else "") for a in model.arguments]
    missing = [em.names(ir.mask_of(argument.name)) for argument in model.arguments if argument.has_missing]
    plain = [parameter for parameter in parameters if "=" not in parameter]
    optional = [parameter for parameter in parameters if "=" in parameter]
    lines = [
        f"\ndef constants({', '.join([*plain, *missing, *optional])}):",
        '    """What depends on the data alone, computed once."""',
    ]
    for argument in defaults:
        own = em.names(argument.name)
        lines += [f"    if {own} is None:", f"        {own} = {text(_scalar(em, cast(ir.Expr, argument.default)))}"]
    for wanted, expr in em.constants.values():
        lines.append(f"    {wanted} = {text(_scalar(em, expr))}")
    names = (
        [em.names(argument.name) for argument in model.arguments]
        + missing
        + [wanted for wanted, _ in em.constants.values()]
        + list(em.statistics)
    )
    lines += [f"    {wanted} = {text(code)}" for wanted, code in em.statistics.items()]
    lines.append(f"    return dict({', '.join(f'{own}={own}' for own in names)})\n")
    em.hoisting = True
    return lines


def _scalar(em: Emitter, expr: ir.Expr) -> Code:
    """A constant's code: numbers become Python's own."""
    code = em.code(expr)
    number = expr.type.is_scalar and not em.is_python(expr)
    if number and isinstance(expr, ir.Call) and expr.function == "length":
        return code
    if number and expr.type.element == "int":
        return form("int({0})", code)
    return form("{0}.item()", code) if number else code
