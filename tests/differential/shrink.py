"""A failing program made smaller: statements are left out, expressions replaced by parts of themselves, data shortened."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from mlmdsl.language import tree
from mlmdsl.language.parse import to_text
from mlmdsl.language.source import Source, Span
from tests.differential.programs import Program

NOWHERE = Span(0, 0)
LITERALS = (tree.Number(value=1, span=NOWHERE), tree.Number(value=0.5, span=NOWHERE))
EXPRESSIONS = tuple(tree.Expression.__args__)  # type: ignore[attr-defined]
STATEMENTS = tuple(tree.Statement.__args__)  # type: ignore[attr-defined]


def shrunk(program: Program, fails: Callable[[Program], bool], attempts: int = 3000) -> Program:
    """The smallest program found that still fails in the same way."""
    from mlmdsl.language.parse import parse

    spec = parse(Source(program.text, "<program>"))
    smallest, moved = (spec, program), True
    while moved and attempts > 0:
        moved = False
        for candidate in candidates(smallest[0]):
            attempts -= 1
            made = _program(candidate, program)
            if made is not None and len(made.text) < len(smallest[1].text) and _still(fails, made):
                smallest, moved = (candidate, made), True
                break
            if attempts <= 0:
                break
    return smallest[1]


def _still(fails: Callable[[Program], bool], made: Program) -> bool:
    try:
        return fails(made)
    except Exception:  # smaller programs need not make sense, to the interpreter either
        return False


def _program(spec: tree.Spec, whole: Program) -> Program | None:
    """The program of a tree, with the arguments and values that it still uses."""
    try:
        text = to_text(spec)
    except Exception:  # a tree that no text has
        return None
    names = {param.name for model in spec.models for param in model.params}
    return Program(text, {name: value for name, value in whole.arguments.items() if name in names}, whole.values)


def candidates(node: Any) -> Iterator[Any]:
    """Trees that are a step smaller, the largest steps first."""
    yield from _smaller_bodies(node)
    yield from _smaller_expressions(node)


def _smaller_bodies(node: Any) -> Iterator[Any]:
    for part in dataclasses.fields(node):
        value = getattr(node, part.name)
        if not isinstance(value, tuple):
            continue
        if (
            value
            and part.name in ("body", "items", "otherwise", "params", "helpers")
            and not isinstance(node, tree.Tuple)
        ):
            for place in range(len(value)):
                rest = (*value[:place], *value[place + 1 :])
                if rest or part.name != "body":
                    yield dataclasses.replace(node, **{part.name: rest})
            for place, item in enumerate(value):
                inner = _inside(item)
                if inner:
                    yield dataclasses.replace(node, **{part.name: (*value[:place], *inner, *value[place + 1 :])})
        for place, item in enumerate(value):
            if isinstance(item, STATEMENTS + (tree.ModelDef, tree.FunctionDef, tree.Branch)):
                for smaller in _smaller_bodies(item):
                    yield dataclasses.replace(node, **{part.name: (*value[:place], smaller, *value[place + 1 :])})


def _inside(statement: Any) -> tuple[Any, ...]:
    """The statements inside one."""
    if isinstance(statement, tree.If):
        return statement.branches[0].body
    return statement.body if isinstance(statement, tree.For) else ()


def _smaller_expressions(node: Any) -> Iterator[Any]:
    """The tree with one expression replaced by a part of it, or by a number."""
    for part in dataclasses.fields(node):
        value = getattr(node, part.name)
        if part.name in ("span", "function", "targets", "target"):
            continue
        if isinstance(value, tree.Node):
            for smaller in _replacements(value):
                yield dataclasses.replace(node, **{part.name: smaller})
        elif isinstance(value, tuple):
            for place, item in enumerate(value):
                if isinstance(item, tree.Node):
                    for smaller in _replacements(item):
                        yield dataclasses.replace(node, **{part.name: (*value[:place], smaller, *value[place + 1 :])})


def _replacements(node: Any) -> Iterator[Any]:
    if isinstance(node, EXPRESSIONS) and not isinstance(node, tree.Number | tree.Lambda | tree.Colon | tree.End):
        yield from LITERALS
        yield from _parts(node)
    yield from _smaller_expressions(node)


def _parts(node: Any) -> Iterator[Any]:
    for part in dataclasses.fields(node):
        value = getattr(node, part.name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, EXPRESSIONS):
                yield item
