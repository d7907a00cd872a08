"""What is wrong with a tree whatever its values are: names given twice, draws in helper functions.

Non-Goals: everything that needs a type or a value, which lowering sees; whatever the grammar refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlmdsl.language import tree
from mlmdsl.language.errors import Diagnostic, SpecError
from mlmdsl.language.source import Source, Span
from mlmdsl.language.walk import children


def check_names(spec: tree.Spec, source: Source) -> tree.Spec:
    """The same tree.

    Raises:
        SpecError: all that is wrong with it.
    """
    found = [*_same_definitions(spec, source)]
    items: list[tree.ModelDef | tree.FunctionDef] = [*spec.models, *spec.functions]
    for item in items:
        found += _same_parameters(item, source)
    for function in spec.functions:
        found += _draws(function)
    found += _same_keywords(spec)
    found += _nested_loops(spec)
    if found:
        raise SpecError(sorted(found, key=lambda diagnostic: diagnostic.span.start if diagnostic.span else 0), source)
    return spec


def _same_definitions(spec: tree.Spec, source: Source) -> Iterator[Diagnostic]:
    """Models and helper functions of one name."""
    first: dict[str, tree.ModelDef | tree.FunctionDef] = {}
    items: list[tree.ModelDef | tree.FunctionDef] = [*spec.models, *spec.functions]
    for item in sorted(items, key=lambda item: item.span.start):
        other = first.setdefault(item.name, item)
        if other is not item:
            line, _ = source.position(other.span.start)
            kind = "model" if isinstance(item, tree.ModelDef) else "function"
            called = source.text.find(f"{item.name}(", item.span.start, item.span.end)
            span = _span_of(item.name, Span(max(called, item.span.start), item.span.end), source)
            yield Diagnostic(f"`{item.name}` is defined on line {line} already", span, f"give this {kind} another name")


def _same_parameters(item: tree.ModelDef | tree.FunctionDef, source: Source) -> Iterator[Diagnostic]:
    """Arguments of one name."""
    seen: set[str] = set()
    for param in (*item.params, *item.keywords):
        if param.name in seen:
            span = _span_of(param.name, param.span, source)
            yield Diagnostic(f"`{item.name}` has two arguments `{param.name}`", span, "give one another name")
        seen.add(param.name)


def _same_keywords(root: tree.Node) -> Iterator[Diagnostic]:
    """A keyword given twice in a call."""
    pending: list[tree.Node] = [root]
    while pending:
        node = pending.pop()
        pending.extend(children(node))
        if isinstance(node, tree.Call):
            names = [keyword.name for keyword in node.keywords]
            for position, keyword in enumerate(node.keywords):
                if keyword.name in names[:position]:
                    yield Diagnostic(f"the keyword `{keyword.name}` is given twice", keyword.span, "leave one out")


MOST_NESTED = 10
"""How deep loops and comprehensions may nest: where one form of a loop fails another is tried, at each level."""


def _nested_loops(root: tree.Node) -> Iterator[Diagnostic]:
    """Loops and comprehensions that nest deeper than any model needs."""
    pending: list[tuple[tree.Node, int]] = [(root, 0)]
    while pending:
        node, depth = pending.pop()
        depth += len(node.iterators) if isinstance(node, tree.For | tree.Comprehension | tree.Generator) else 0
        if depth > MOST_NESTED:
            message = f"loops and comprehensions nest at most {MOST_NESTED} deep"
            yield Diagnostic(message, node.span, "move the inner ones to a helper function, or index by one range")
            return
        pending.extend((child, depth) for child in children(node))


def _draws(function: tree.FunctionDef) -> Iterator[Diagnostic]:
    """What only a model may do, in a helper function."""
    pending: list[Sequence[tree.Node]] = [function.body]
    while pending:
        for node in pending.pop():
            inner = node.value if isinstance(node, tree.Return) else node
            if isinstance(inner, tree.Tilde):
                message = "a helper function draws nothing: `~` stands only in a @model"
                yield Diagnostic(message, inner.span, "let the function return the distribution")
            elif isinstance(inner, tree.Track | tree.AddLogProb):
                what = "`:=`" if isinstance(inner, tree.Track) else "`@addlogprob!`"
                yield Diagnostic(f"{what} stands only in a @model", inner.span, "let the function return the value")
            elif isinstance(inner, tree.For | tree.If | tree.Branch):
                pending.append(tuple(children(inner)))


def _span_of(name: str, within: Span, source: Source) -> Span:
    """Where a name stands first in a span."""
    start = source.text.find(name, within.start, within.end)
    return Span(start, start + len(name)) if start >= 0 else within
