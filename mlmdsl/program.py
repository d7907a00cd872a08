"""An emitted program run: its text as a callable over its data, the data as tensors, errors noted with their place."""

from __future__ import annotations

import ast
import hashlib
import linecache
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from typing import Any

from mlmdsl.compiler import ir
from mlmdsl.compiler.emit import Program
from mlmdsl.compiler.values import Tensor
from mlmdsl.data.bind import Arguments
from mlmdsl.language.rows import converted, writable
from mlmdsl.language.source import Source
from mlmdsl.language.types import Array


def executable(program: Program, bound: Arguments, source: Source, dtype: str, device: str) -> Callable[[], Any]:
    """The model of an emitted module with its data closed over; keywords give it other data."""
    file = f"<pyro program of {source.name}:{program.name}:{dtype}:{device}:{hash(program.text):x}>"
    linecache.cache[file] = (len(program.text), None, program.text.splitlines(True), file)
    namespace: dict[str, Any] = {}
    exec(compile(program.text, file, "exec"), namespace)  # noqa: S102 - the text is this compiler's own
    given = tensors(program, bound, dtype, device)
    constants = namespace["constants"](**given) if program.has_constants else given
    model = namespace["model"]
    from mlmdsl.runtime.shapes import OwnShapes

    def run(**other: Any) -> Any:
        with located(program, source, file), OwnShapes():
            return model(**{**constants, **other})

    run.__name__ = run.__qualname__ = program.name
    return run


@contextmanager
def located(program: Program, source: Source, file: str) -> Iterator[None]:
    """An error inside a program, noted with the line of the spec it came from."""
    try:
        yield
    except (ValueError, RuntimeError, ArithmeticError) as error:
        trace, line = error.__traceback__, None
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == file:
                line = trace.tb_lineno
            trace = trace.tb_next
        span = program.spans.get(line or 0)
        if span is not None and not getattr(error, "__notes__", None):
            row, _ = source.position(span.start)
            error.add_note(f"{source.name}:{row}: {' '.join(source.excerpt(span).split())}")
        raise


def tensors(
    program: Program, bound: Arguments, dtype: str, device: str, chosen: Container[str] | None = None
) -> dict[str, Any]:
    """The arguments (or those chosen) as the program takes them."""
    import torch

    indexing = {argument.name for argument in program.model_arguments if argument.is_index}
    incomplete = {argument.name for argument in program.model_arguments if argument.has_missing}
    given: dict[str, Any] = {}
    for name, own in program.arguments.items():
        if name not in bound.values or (chosen is not None and name not in chosen):
            continue  # a mask: it comes with its argument
        value = bound.values[name]
        known = value.known if isinstance(value, Tensor) else None
        if not isinstance(known, Array):
            given[own] = int(known) if isinstance(known, int) and not isinstance(known, bool) else known
            continue
        if known.values.dtype == object:
            given[own] = None
            continue
        kind = "int64" if name in indexing else "bool" if known.values.dtype == bool else dtype
        given[own] = torch.from_numpy(writable(converted(known.values, kind))).to(device)
        if name in incomplete and known.missing is not None:
            given[program.arguments[ir.mask_of(name)]] = torch.from_numpy(writable(known.missing)).to(device)
    return given


def fingerprints(program: Program, bound: Arguments, dtype: str, device: str) -> dict[str, str]:
    """What tells a program and its data from others, by the name of each: what does not change them, such as where the spec
    lies, is left out."""
    given = tensors(program, bound, dtype, device)
    names = {own: name for name, own in program.arguments.items()}
    known = {f"the argument `{names.get(own, own)}`": _fingerprint(value) for own, value in given.items()}
    return {"the model": _digest(_without_words(program.text).encode()), **known}


def _without_words(text: str) -> str:
    """A program without comments and docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _fingerprint(value: Any) -> str:
    if not hasattr(value, "numpy"):
        return _digest(repr(value).encode())
    array = value.cpu().contiguous().numpy()
    return _digest(f"{array.dtype} {array.shape} ".encode(), array.data if array.size else b"")


def _digest(*parts: Any) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()[:32]
