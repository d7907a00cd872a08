"""Printing and parsing are inverse: `parse(to_text(tree)) == tree`, for random trees and the tutorial's listings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlmdsl.language import tree
from mlmdsl.language.parse import parse, to_text
from mlmdsl.language.source import Source, Span
from tests.language.listings import DATA, LISTINGS
from tests.language.test_parse import CALLS, COLLECTIONS, INDICES, LITERALS, NAMES, OPERATORS, STATEMENTS, body

NOWHERE = Span(0, 0)
IDS = ["x", "y", "αⱼ", "ŷ", "x̃", "σ²", "n_gr", "sort!", "Sepal.Length", "if", "end", "seed!", "in", "a b", 'q"\\']
COMPARISONS = ["<", "<=", ">", ">=", "==", "!=", "===", "!==", "in"]


def make(kind: type[tree.Node], **parts: Any) -> st.SearchStrategy[Any]:
    """Nodes of a kind with random parts."""
    return st.builds(kind, span=st.just(NOWHERE), **parts)


ids = st.sampled_from(IDS)
names = make(tree.Name, id=ids)
flags = st.booleans()
finite = st.floats(min_value=0, allow_nan=False, allow_infinity=False)
numbers = make(tree.Number, value=st.integers(0, 2**63 - 1) | finite)
strings = make(tree.String, value=st.text(st.characters(exclude_categories=["Cs"]), max_size=5))
symbols = make(tree.Symbol, value=st.sampled_from(["a", "αⱼ", "end"]))
leaves = names | numbers | strings | symbols | make(tree.Boolean, value=flags)


def tuples(items: st.SearchStrategy[Any], least: int = 0, most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    """Tuples of some length."""
    return st.lists(items, min_size=least, max_size=most).map(tuple)


def comparisons(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Comparisons and chains of them."""
    step = st.tuples(inner, st.sampled_from(COMPARISONS), flags)

    def chained(first: tree.Expression, steps: list[tuple[tree.Expression, str, bool]]) -> tree.Comparison:
        operands, ops, dotted = zip(*steps, strict=True)
        return tree.Comparison(operands=(first, *operands), ops=ops, dotted=dotted, span=NOWHERE)

    return st.builds(chained, inner, st.lists(step, min_size=1, max_size=2))


def named_tuples(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """`(; a=1)`."""
    pairs = st.lists(st.tuples(ids, inner), min_size=1, max_size=2)
    return pairs.map(
        lambda items: tree.Tuple(names=tuple(k for k, _ in items), items=tuple(v for _, v in items), span=NOWHERE)
    )


def iterators(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """What loops run over."""
    single = make(tree.Iterator, targets=tuples(names, 1, 1), destructured=st.just(False), iterable=inner)
    several = make(tree.Iterator, targets=tuples(names, 2, 2), destructured=st.just(True), iterable=inner)
    return tuples(single | several, 1, 2)


def compound(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Every expression that has parts."""
    loops = {"body": inner, "iterators": iterators(inner), "condition": st.none() | inner}
    binary = st.sampled_from(["+", "-", "*", "/", "\\", "^", "⋅", "%", "÷"])
    indices = inner | make(tree.Colon) | make(tree.End)
    arguments = inner | make(tree.Splat, operand=inner) | make(tree.Colon)
    keywords = tuples(make(tree.Keyword, name=ids, value=inner), 0, 2)
    rows = st.integers(2, 3).flatmap(lambda width: tuples(tuples(inner, width, width), 1, 3))
    return st.one_of(
        make(tree.Operator, op=st.sampled_from(["+", "-"]), operands=tuples(inner, 1, 1), dotted=flags),
        make(tree.Operator, op=binary, operands=tuples(inner, 2, 2), dotted=flags),
        comparisons(inner),
        make(tree.Logical, op=st.sampled_from(["&&", "||"]), left=inner, right=inner, dotted=flags),
        make(tree.Not, operand=inner, dotted=flags),
        make(tree.Ternary, condition=inner, then=inner, otherwise=inner),
        make(tree.Range, start=inner, step=st.none() | inner, stop=inner),
        make(tree.Call, function=inner, args=tuples(arguments), keywords=keywords, dotted=flags),
        make(tree.Call, function=names, args=tuples(make(tree.Generator, **loops), 1, 1), keywords=keywords),
        make(tree.Index, base=inner, indices=tuples(indices, 1)),
        make(tree.Field, base=inner, name=ids),
        make(tree.Adjoint, operand=inner),
        make(tree.VectorLiteral, items=tuples(inner)),
        make(tree.VectorLiteral, items=tuples(inner, 2), concatenate=st.just(True)),
        make(tree.MatrixLiteral, rows=rows),
        make(tree.Tuple, items=tuples(inner)),
        named_tuples(inner),
        make(tree.Comprehension, **loops),
        make(tree.Generator, **loops),
        make(tree.Lambda, params=tuples(names, 0, 2), body=inner),
        make(tree.TypeApply, base=names, params=tuples(inner, 1, 2)),
    )


expressions = st.recursive(leaves, compound, max_leaves=12)
targets = names | make(tree.Index, base=names, indices=tuples(expressions, 1)) | make(tree.Field, base=names, name=ids)
assignments = make(
    tree.Assign,
    target=targets | make(tree.Tuple, items=tuples(targets, 2)),
    value=expressions,
    op=st.none() | st.sampled_from(["+", "-", "*", "/", "\\", "^", "÷", "%"]),
    dotted=flags,
)
tildes = make(tree.Tilde, target=targets, distribution=expressions, dotted=flags)
simple = st.one_of(
    tildes,
    assignments,
    make(tree.Track, target=targets, value=expressions),
    make(tree.Return, value=st.none() | expressions | tildes | assignments),
    make(tree.AddLogProb, value=expressions),
    make(tree.ExpressionStatement, value=expressions),
)


def blocks(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Loops and branches."""
    branches = tuples(make(tree.Branch, condition=expressions, body=tuples(inner, 0, 2)), 1, 2)
    return st.one_of(
        make(tree.For, iterators=iterators(expressions), body=tuples(inner, 0, 2)),
        make(tree.If, branches=branches, otherwise=tuples(inner, 0, 2)),
    )


statements = st.recursive(simple, blocks, max_leaves=4)
params = tuples(make(tree.Param, name=ids, default=st.none() | expressions), 0, 2)
definition: dict[str, Any] = {"name": ids, "params": params, "keywords": params, "body": tuples(statements, 0, 3)}
items = st.one_of(
    make(tree.ModelDef, **definition),
    make(tree.FunctionDef, **definition),
    make(tree.Using, text=st.sampled_from(["using Turing", "import LinearAlgebra: I, norm", "using A.B, C"])),
    make(tree.Seed, value=st.integers(0, 2**63 - 1)),
)
data_blocks = make(
    tree.DataBlock,
    path=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    body=tuples(make(tree.Assign, target=names, value=expressions), 0, 2),
)
specs = st.tuples(tuples(data_blocks, 0, 1), tuples(items, 0, 2)).map(
    lambda parts: tree.Spec(items=parts[0] + parts[1], span=NOWHERE)
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(specs)
def test_random_specs(spec: tree.Spec) -> None:
    """A random file, printed and parsed, is the same file."""
    assert parse(Source(to_text(spec))) == spec


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(expressions)
def test_random_expressions(expression: tree.Expression) -> None:
    """A random expression, printed and parsed, is the same expression."""
    statement = tree.ExpressionStatement(value=expression, span=NOWHERE)
    assert body(to_text(statement)) == (statement,)


@pytest.mark.parametrize("text", [text for text, _ in [*LITERALS, *NAMES, *OPERATORS, *CALLS, *INDICES, *COLLECTIONS]])
def test_examples(text: str) -> None:
    """The examples of the manual survive printing."""
    (statement,) = body(text)
    assert body(to_text(statement)) == (statement,)


@pytest.mark.parametrize("text", [text for text, _ in STATEMENTS])
def test_statements(text: str) -> None:
    """So do its statements."""
    first = body(text)
    assert body("\n".join(map(to_text, first))) == first


@pytest.mark.parametrize("name", sorted(LISTINGS))
def test_listings(name: str) -> None:
    """So do the tutorial's listings, and printing what was printed changes nothing."""
    spec = parse(Source(DATA + LISTINGS[name]))
    text = to_text(spec)
    assert parse(Source(text)) == spec
    assert to_text(parse(Source(text))) == text


@pytest.mark.parametrize("value", ["e\u0301", "\u0344", "\u200b\ufeff", "\r\n", "𝄞", "\x00"])
def test_strings_that_unicode_would_change(value: str) -> None:
    """A text that is not in composed form, or cannot be seen, is printed with escapes."""
    statement = tree.ExpressionStatement(value=tree.String(value=value, span=NOWHERE), span=NOWHERE)
    assert body(to_text(statement)) == (statement,)


def test_fewest_parentheses() -> None:
    """Printing adds parentheses only where reading needs them."""
    texts = ["-x^2", "(-x)^2", "a - (b - c)", "a - b - c", "(a ? b : c) ? d : e", "2 * (σ * τ)", "(x -> x)(y)", "(2)'"]
    texts += ["a .+ X * β .+ αⱼ[idx]", "x[1:end - 1]", "!(a && b) || c", "[a (b + c); -(1) d]"]
    printed = [to_text(body(text)[0]) for text in texts]
    assert printed == [text.replace("-(1)", "(-1)") for text in texts]
