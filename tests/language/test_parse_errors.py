"""Syntax errors: what is said, where, and that nothing but a `SpecError` ever comes of a wrong text."""

from __future__ import annotations

import random
import re

import pytest

from mlmdsl.language.errors import Diagnostic, SpecError
from mlmdsl.language.parse import MAX_ERRORS, parse
from mlmdsl.language.source import Source
from tests.language.listings import DATA, LISTINGS

FUZZ_ROUNDS = 3_000
"""Random mutations tried, on a fixed seed."""


def errors(text: str) -> tuple[list[Diagnostic], Source]:
    """All that is wrong with a text."""
    source = Source(text)
    with pytest.raises(SpecError) as caught:
        parse(source)
    return list(caught.value.diagnostics), source


IN_A_MODEL = [
    # what is written, the characters underlined, what is said, a part of the hint
    ("y =", "=", "expected a value after `=`, found the end of the line", "write a value"),
    ("y =\nz = 1", "=", "expected a value after `=`, found the end of the line", "write what follows"),
    ("y = a +", "+", "expected a value after `+`, found the end of the line", "or leave `+` out"),
    ("y = * 3", "*", "expected a value after `=`, found `*`", "write the value"),
    ("y = a + * 3", "*", "expected a value after `+`, found `*`", "write the value"),
    ("y = (* 3)", "*", "`*` has no value on its left", "write the value before it"),
    ("y = f(a, , b)", ",", "expected a value after `,`, found `,`", "leave `,` out"),
    ("y = f(a b)", "b", "expected `,`, `)` or an operator between `a` and `b`", "what joins them"),
    ("y = a b", "b", "expected an operator or a new line between `a` and `b`", "`*` for a product"),
    ("y = f (a)", "f (", "a space stands between `f` and `(`", "as in `f(x)`"),
    ("y = x [1]", "x [", "a space stands between `x` and `[`", "as in `x[i]`"),
    ("y = x[]", "[]", "an index is empty", "`x[:]`"),
    ("y = f(a; 2)", "2", "expected a keyword argument after `;`, found `2`", "name=value"),
    ("y = [1, 2; 3]", ";", "`;` cannot stand here", "rows of a matrix"),
    ("y = f(a ~ b)", "~", "`~` cannot stand in brackets", "a == b"),
    ("y = z = 1", "=", "a second `=` in one statement", "a statement for each"),
    ("2 = y", "2", "only a name or an indexed name can be assigned to", "name = …"),
    ("f(y) = 1", "f(y)", "a call cannot be assigned to", "at the top of the file"),
    ("y <- 1", "<-", "`<-` is not part of the spec language", "write `=`"),
    ("y = a ? b", "b", "expected ` : ` and what holds otherwise, found the end of the line", "spaces around `:`"),
    ("y = a ? b: c", "c", "expected ` : ` and what holds otherwise, found the end of the line", "spaces around `:`"),
    ("y = 1 + if a b else c end", "if", "`if` starts a statement and cannot stand here", "condition ? a : b"),
    ("y = if a b end", "if a b end", "a block used as a value must hold one expression in each branch", "else"),
    ("for i 1:n\nend", "1", "expected `in` after `i`, found `1`", "for i in 1:n"),
    ("for\nend", "for", "expected a name after `for`, found the end of the line", "for i in 1:n"),
    ("y = [i for i in a for j in b]", "for", "a second `for` is not part of the spec language", "with a comma"),
    ("function f(x)\n x\nend", "function", "a `function` cannot stand inside another", "top of the file"),
    ("else", "else", "this `else` belongs to no `if`", "if condition"),
    ("while a\n b\nend", "while", "`while` is not part of the spec language", "for i in 1:n"),
    ("let y = 1\n b\nend", "let", "`let` is not part of the spec language", "the model's body"),
    ("const y = 1", "const", "`const` is not part of the spec language", "keyword argument"),
    ("break", "break", "`break` is not part of the spec language", "range"),
    ("@inbound y", "@inbound", "`@inbound` is not part of the spec language", "`@inbounds`"),
    ("@addlogprob y", "@addlogprob", "`@addlogprob` is not part of the spec language", "`@addlogprob! e`"),
    ("y = a // b", "//", "`//` is not part of the spec language", "`/`"),
    ("y = a ** b", "**", "`**` is not part of the spec language", "`^`"),
    ("y = a => b", "=>", "`=>` is not part of the spec language", "name=value"),
    ("y = $a", "$", "`$` is not part of the spec language", "interpolation"),
    ("y = `ls`", "`", "``` is not part of the spec language", "runs no commands"),
    ("y = 'a'", "'a'", "characters in single quotes are not part of the spec language", "double quotes"),
    ('y = "a$b"', '"a$b"', "a string has no interpolation here", r"\$"),
    (r'y = "a\qb"', r'"a\qb"', r"`\q` is no escape", r"\\"),
    (r'y = "\ud800"', r'"\ud800"', r"`\ud800` is no character", "code point"),
    ('y = var""', 'var""', "this name is empty", "Sepal.Length"),
    ("y = 1.+x", "1.", "the dot after `1` could belong to the number or to the operator", "`1.0`"),
    ("y = 9223372036854775808", "9223372036854775808", "this whole number is larger than 64 bits hold", "1e20"),
    ("y = 1e999", "1e999", "`1e999` is larger than any number", "Inf"),
    ("y = a × b", "×", "the character `×` (U+00D7, MULTIPLICATION SIGN) has no meaning here", "operator"),
    ("y = “a”", "“", "the character `“` (U+201C, LEFT DOUBLE QUOTATION MARK) has no meaning here", "straight quotes"),
    ("y = \u200ba", "\u200b", "the character (U+200B, ZERO WIDTH SPACE) has no meaning here", "leave it out"),
    ("y = :", ":", "`:` has no value before it", "x[:, 1]"),
    ("y = :(a + b)", ":", "quoted code is not part of the spec language", "the value itself"),
    ("y = x.", ".", "expected a name after `.`, found the end of the line", "write a name"),
    ("y = f(x)...", "...", "`...` cannot stand here", "arguments of a call"),
    ("(y, 1) -> y", "(y, 1)", "expected names before `->`", "(x, y) -> …"),
    ("return y := 1", "y := 1", "`:=` cannot be returned", "line of its own"),
    ("y = a < b ∉ c", "a < b ∉ c", "`∉` cannot be chained", "&&"),
    ("y = 1; ~ d", "~", "expected a name before `~`", "name ~ …"),
]

WHOLE_FILES = [
    ("model = m(X)", "model", "a spec holds", "needs no call"),
    ("sample(m, NUTS(), 1_000)", "sample", "a spec holds", "`mlmdsl run`"),
    ("Some prose", "Some", "a spec holds", "a comment starts with `#`"),
    ("@model function m(x)\n y = f(1, 2\n z ~ d\nend", "(", "this `(` is never closed", "write `)`"),
    ("@model function m(x)\n y = x[1, 2\n z ~ d\nend", "[", "this `[` is never closed", "write `]`"),
    ("@model function m(x)\n y = [1 2)\nend", ")", "expected `]` for the `[` before, found `)`", "write `]`"),
    ("@model function m(x)\n y = 1)\nend", ")", "this `)` closes nothing", "leave it out"),
    ("@model function m(x)\n y\nend end", "end", "this `end` closes nothing", "leave it out"),
    ("@model function m(x)\n y", "@model function", "this `@model function` has no `end`", "line of its own"),
    ("@model function m(x)\n  for i in x\n    y\nend", "for", "this `for` has no `end`", "line of its own"),
    ("@model function m(x)\n if x\n  y\nend\n\nf(x) = x", "if", "this `if` has no `end`", "line of its own"),
    ("@model function m(x)\n  y\n@model function k(x)\nend", "@model function", "this `@model function` has no", "end"),
    ("@model m(x)\n y\nend", ")", "expected `=` after `)`, found the end of the line", "@model function name(x, y)"),
    ("@model function (x)\nend", "(", "expected a name after `function`, found `(`", "function name(x, y)"),
    ("@model function m(xs...)\nend", "...", "`...` cannot stand here", "one by one"),
    ('@data "x.csv"\n', '"x.csv"', "expected `begin` after `@data`, found the end of the file", "begin … end"),
    ("@data begin\n x ~ d\nend", "x ~ d", "a `@data` block holds only assignments to names", "columns on the right"),
    ("@data begin\nend\n@data begin\nend", "@data begin\nend", "a spec has one `@data` block", "join"),
    ("seed!(1.5)", "1.5", "a seed is a whole number", "seed!(123)"),
    ("using 3", "using 3", "expected the name of a package after `using`", "using Turing"),
    ("export m", "export", "`export` is not part of the spec language", "leave it out"),
    ('f(x) = "abc', '"', "this string has no closing quote on its line", r"\n"),
    ('f(x) = """abc', '"""', 'this `"""` has no closing `"""`', "where the text ends"),
    ("#= never", "#=", "this `#=` is never closed", "=#"),
]


@pytest.mark.parametrize(("text", "underlined", "message", "hint"), IN_A_MODEL)
def test_error_in_a_model(text: str, underlined: str, message: str, hint: str) -> None:
    """One error is reported, at its place, and the statements around it give none."""
    found, source = errors(f"@model function m(x)\n  a ~ d\n  {text}\nend\n\nf(x) = x")
    assert [diagnostic.message for diagnostic in found] == [message]
    assert found[0].span is not None
    assert source.excerpt(found[0].span) == underlined
    assert hint in (found[0].hint or "")


@pytest.mark.parametrize(("text", "underlined", "message", "hint"), WHOLE_FILES)
def test_error_in_a_file(text: str, underlined: str, message: str, hint: str) -> None:
    """The first error of a file, at its place."""
    found, source = errors(text)
    assert found[0].message.startswith(message)
    assert found[0].span is not None
    assert source.excerpt(found[0].span) == underlined
    assert hint in (found[0].hint or "")


def test_all_errors_of_a_file() -> None:
    """Errors in different statements are reported together, in the order of the text."""
    text = """
@data "x.csv" begin
    X = dummies(a b)
    y = y
end
@model function m(X, y)
    for i 1:n
        y ~ d
    end
    α ~ Normal(0 1)
    if a
        β = f (x)
    else
        γ = 'c'
    end
    σ ~ Exponential(1)
end
"""
    found, source = errors(text)
    lines = [source.position(diagnostic.span.start)[0] for diagnostic in found if diagnostic.span]
    assert lines == [3, 7, 10, 12, 14]


def test_number_of_errors_is_bounded() -> None:
    """A text with an error a line reports the first of them."""
    found, _ = errors("@model function m(x)\n" + "  y = = 1\n" * 100 + "end")
    assert len(found) == MAX_ERRORS


def test_prose_is_one_error() -> None:
    """Lines in a row that no spec holds are reported once."""
    found, _ = errors("This is no spec.\nNor is this.\nchain = sample(m)\n\n" + LISTINGS["varying_slope"])
    assert len(found) == 1


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000,
        "y = " + "(" * 10_000 + "1" + ")" * 10_000,
        "y = " + "[" * 10_000 + "1" + "]" * 10_000,
        "y = " + "f(" * 10_000 + "1" + ")" * 10_000,
        "y = " + "-" * 10_000 + "x",
        "@. y = " + "-" * 10_000 + "x",
        "y = " + "!" * 10_000 + "x",
        "y = x" + "'" * 10_000,
        "y = x" + "[1]" * 10_000,
        "y = x" + ".a" * 10_000,
        "y = 1" + " + 1" * 10_000,
        "y = 1" + "^1" * 10_000,
        "y = " + "a ? b : " * 10_000 + "c",
        "y = " + "x -> " * 10_000 + "x",
        "if a\n" * 10_000 + "y\n" + "end\n" * 10_000,
        "for i in x\n" * 10_000,
        "y = if a b " + "elseif a b " * 10_000 + "else c end",
        "#=" * 10_000 + "=#" * 9_999,
        "begin\n" * 10_000 + "end\n" * 10_000,
    ],
    ids=lambda text: text[:12],
)
def test_deep_nesting(text: str) -> None:
    """However deep a text is nested, the error has a place, and no recursion overflows."""
    found, _ = errors(f"@model function m(x)\n{text}\nend")
    assert found[0].message in ("nested too deeply", "this `#=` is never closed")
    assert found[0].span is not None


def test_sane_nesting_is_no_error() -> None:
    """Sixty brackets, or a sum of a hundred terms, are not too many."""
    source = Source(f"f(x) = {'(' * 60}1{')' * 60}\ng(x) = {' + '.join('x' * 100)}")
    assert len(parse(source).functions) == 2


def test_messages_are_in_the_languages_words() -> None:
    """No message or hint names a terminal of the grammar."""
    for text, *_ in IN_A_MODEL:
        for diagnostic in errors(f"@model function m(x)\n{text}\nend")[0]:
            assert not re.search(r"\b_?[A-Z]{3,}(_[A-Z]+)*\b(?! STRING)", re.sub(r"\(U\+.*?\)", "", diagnostic.message))
            assert diagnostic.hint


def mutated(text: str, rng: random.Random) -> str:
    """A text with a few characters dropped, doubled, swapped or replaced."""
    pieces = list("()[]{}'\"#=:;,.~+-*/^!&|<>?@$\\ \n0aα∈ŷ")
    pieces += ["end", " for ", " if ", "begin", "@model ", "function ", "#=", "do "]
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(text) + 1)
        to = min(len(text), at + rng.choice([0, 1, 1, 2, 5, 40]))
        text = text[:at] + rng.choice([rng.choice(pieces), "", text[at:to] * 2]) + text[to:]
    return text


def test_mutated_specs_give_a_tree_or_an_error() -> None:
    """A result or located errors, whatever is done to a spec."""
    rng = random.Random(20240501)
    texts = [DATA + listing for listing in LISTINGS.values()]
    texts += [f"@model function m(x)\n{text}\nend" for text, *_ in IN_A_MODEL]
    outcomes = {"tree": 0, "error": 0}
    for _ in range(FUZZ_ROUNDS):
        source = Source(mutated(rng.choice(texts), rng))
        try:
            parse(source)
            outcomes["tree"] += 1
        except SpecError as error:
            outcomes["error"] += 1
            assert error.diagnostics
            assert all(d.span is not None and 0 <= d.span.start <= len(source.text) for d in error.diagnostics)
            assert str(error)
    assert min(outcomes.values()) > FUZZ_ROUNDS // 50


def test_random_characters_give_a_tree_or_an_error() -> None:
    """The same for texts of no shape at all."""
    rng = random.Random(7)
    alphabet = [chr(code) for code in range(1, 256)] + list("αⱼ²≤∈√÷⋅\u0302\u2028🙂\ud800")
    alphabet += ["end ", "for ", "@model "]
    for _ in range(FUZZ_ROUNDS // 3):
        source = Source("".join(rng.choices(alphabet, k=rng.randint(1, 60))))
        try:
            assert parse(source).items == () or source.text
        except SpecError as error:
            assert str(error)
