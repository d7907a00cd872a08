"""Any text, and any bytes, give a result or a located error: never another exception, never a hang, never a huge array.

Mutations of the shipped specs and of those in tests/golden, on fixed seeds; random bytes; and texts that ask for more
than a machine has.
"""

from __future__ import annotations

import ast
import random
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

import mlmdsl
from mlmdsl.data.tables import Table, read_table
from mlmdsl.language.distributions import COMBINATORS, DISTRIBUTIONS
from mlmdsl.language.errors import MlmError
from mlmdsl.language.functions import FUNCTIONS
from mlmdsl.language.source import read_source
from mlmdsl.library import specs_folder
from tests.conftest import GOLDEN
from tests.odd_arguments import program_of_valid, statements

MUTATIONS = 10_000
"""Mutated specs tried."""

BATCHES = 20
"""Tests that they are spread over, so that several processes can share them."""

BIND_EVERY = 10
"""One spec in so many is bound to the table of the shipped specs as well, and its program compiled."""

LIMIT_S = 10
"""A case that takes longer hangs: the slowest takes well under a second."""

TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
WORD = re.compile(r"[^\W\d]\w*|\d+(?:\.\d+)?")
ARGUMENT = re.compile(r"(?<=[(\[,=~])\s*([^()\[\],=~#\n]+)(?=[)\],])")
EXPRESSIONS = [
    "y", "X", "X'", "size(X)", "-1", "0", "2.5", "1:3", "1:0", "[1, 2]", "[1.0 2.0; 3.0 4.0]", "zeros(3)",
    "zeros(0)", "true", '"text"', ":symbol", "missing", "nothing", "I", "2I", "Diagonal([1.0, 2.0])", "(1, 2)", "()",
    "[]", "x -> x", "x -> Normal(x, 1)", "Normal", "Normal(0, 1)", "Normal.([0, 1], 1)", "filldist(Normal(0, 1), 2)",
    "MvNormal(zeros(2), I)", "LKJCholesky(2, 1.0)", "Dirac(0)", "truncated(Normal(0, 1); lower=0)",
    "MixtureModel([Normal(0, 1), Normal(2, 1)])", "Inf", "NaN", "10^18", "cholesky(I)", "eachrow(X)", "enumerate(y)",
    "zip(y, y)", "[i for i in 1:3]", "[Normal(i, 1) for i in 1:3]", "[[1, 2] for i in 1:3]", "length(y)", "mean(y)",
    "y .> 0", "y[1]", "X[1, :]", "σ", "exp(σ)", "σ .* y", "Vector{Float64}(undef, 3)", "Float64", "qr(X)", ":",
    "end", "π", "+", "mean", "rand()", "y...", "(a=1, b=2)", "1 == 1 == 1", "y'", "X * y", "unique(y)",
    "levels(background)", "dummies(cheese)",
]  # fmt: skip
INSERTED = [
    *"()[]{};:,.'\"~=+-*/^<>&|!?@#$%\\_0123456789 \n\t", "end", "for", "if", "else", "begin", "return", "function",
    "@model", "@data", ".~", ":=", "...", "->", "missing", "nothing", "I", "π", "1e999", "10^18", "-1", "0.5", "Inf",
    "[1, 2]", "(1, 2)", "Normal(0, 1)", "Normal", "filldist(Normal(0, 1), 3)", "x -> x", "1:3", "y", "σ", "β[1]",
    "'", "⋅", "α̂", "\u200b", "\x00", "length(y)", "[i for i in 1:3]", "levels(", "size(y, 1)", "true", '"text"',
    ":symbol", "x[end]",
]  # fmt: skip


@contextmanager
def no_hang(seconds: int = LIMIT_S) -> Iterator[None]:
    """Fail what takes longer."""

    def ring(signum: int, frame: FrameType | None) -> None:
        raise AssertionError(f"takes more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@cache
def shipped_texts() -> tuple[str, ...]:
    """The shipped specs."""
    return tuple(spec.path.read_text(encoding="utf-8") for spec in mlmdsl.shipped())


@cache
def texts() -> tuple[str, ...]:
    """What is mutated: the shipped specs, and those with an error."""
    wrong = tuple(path.read_text(encoding="utf-8") for path in sorted((GOLDEN / "errors").glob("*.mlm")))
    right = tuple(path.read_text(encoding="utf-8") for path in sorted((GOLDEN / "stages").glob("*.mlm")))
    return (*shipped_texts() * 8, *right * 12, *wrong)


@cache
def words() -> tuple[str, ...]:
    """Names and numbers of all texts, and of the language."""
    found = {word for text in texts() for word in WORD.findall(text)}
    return tuple(sorted(found | FUNCTIONS.keys() | DISTRIBUTIONS.keys() | set(COMBINATORS)))


@cache
def table() -> Table:
    """The table of the shipped specs, with columns of the names that the small specs use."""
    shipped = read_table(next(path for path in specs_folder().glob("cheese/*.csv")))
    rows = np.arange(shipped.rows)
    numbers = {name: rows % k + 1.5 for k, name in enumerate(("x", "t", "d", "age", "income", "score"), start=2)}
    codes = {name: rows % k + 1 for k, name in enumerate(("g", "n", "rating"), start=2)}
    words = {"town": ["north", "south"] * (shipped.rows // 2), "voted": ["yes", "no"] * (shipped.rows // 2)}
    return Table.from_mapping({**shipped.columns, **numbers, **codes, **words})


def mutated(rng: random.Random) -> str:
    """A spec with one to four random changes."""
    text = rng.choice(texts())
    for _ in range(rng.randint(1, 4)):
        text = rng.choice(CHANGES)(rng, text)
    return text


def _characters(rng: random.Random, text: str) -> str:
    """Some characters deleted or doubled."""
    start = rng.randrange(len(text) + 1)
    stop = start + rng.randint(1, 4)
    return text[:start] + text[start:stop] * rng.choice((0, 2)) + text[stop:]


def _tokens(rng: random.Random, text: str) -> str:
    """A token deleted, doubled or exchanged with another."""
    tokens = TOKEN.findall(text) or [""]
    first, second = rng.randrange(len(tokens)), rng.randrange(len(tokens))
    kind = rng.randrange(3)
    if kind == 2:
        tokens[first], tokens[second] = tokens[second], tokens[first]
    else:
        tokens[first] *= 2 * kind
    return "".join(tokens)


def _exchanged(rng: random.Random, text: str) -> str:
    """A name or number in the place of another: the text still parses, as a rule, and is wrong further down."""
    tokens = TOKEN.findall(text)
    places = [k for k, token in enumerate(tokens) if WORD.fullmatch(token)]
    if places:
        tokens[rng.choice(places)] = rng.choice(words())
    return "".join(tokens)


def _argument(rng: random.Random, text: str) -> str:
    """An argument left out, or given twice, or an expression put in its place."""
    places = [match.span(1) for match in ARGUMENT.finditer(text)]
    if not places:
        return text
    start, stop = rng.choice(places)
    new = rng.choice(["", f"{text[start:stop]}, {text[start:stop]}", *EXPRESSIONS, *EXPRESSIONS])
    return text[:start] + new + text[stop:]


def _inserted(rng: random.Random, text: str) -> str:
    """Something put in at the edge of a token, or in the place of one."""
    tokens = TOKEN.findall(text)
    place = rng.randrange(len(tokens) + 1)
    tokens[place : place + rng.randrange(2)] = [rng.choice(INSERTED)]
    return "".join(tokens)


def _lines(rng: random.Random, text: str) -> str:
    """Lines of another spec in the place of some of this one's."""
    mine, others = text.split("\n"), rng.choice(texts()).split("\n")
    start, from_ = rng.randrange(len(mine)), rng.randrange(len(others))
    mine[start : start + rng.randrange(3)] = others[from_ : from_ + rng.randint(0, 4)]
    return "\n".join(mine)


CHANGES: tuple[Callable[[random.Random, str], str], ...] = (
    _characters, _tokens, _inserted, _lines, _exchanged, _exchanged, _argument, _argument
)  # fmt: skip


def is_answered(text: str, bind: bool = False) -> bool:
    """Whether a text is a valid spec; asserts that an error says where it is and what is wrong."""
    try:
        spec = mlmdsl.parse(text, "fuzz.mlm")
        spec.check()
        if bind:
            ast.parse(spec.bind(table()).pyro_source())
    except MlmError as error:
        assert error.diagnostics
        assert all(diagnostic.message for diagnostic in error.diagnostics)
        assert str(error)
        return False
    return True


@pytest.mark.parametrize("batch", range(BATCHES))
def test_mutated_specs(batch: int) -> None:
    rng = random.Random(batch)
    valid = 0
    for number in range(MUTATIONS // BATCHES):
        text = mutated(rng)
        with no_hang(), explained(text):
            valid += is_answered(text, bind=number % BIND_EVERY == 0)
    assert valid > 0


@contextmanager
def explained(text: str) -> Iterator[None]:
    """Add the text to what goes wrong."""
    try:
        yield
    except BaseException as error:
        error.add_note(text if len(text) < 5000 else text[:200])
        raise


@pytest.mark.parametrize("name", [*FUNCTIONS, *DISTRIBUTIONS, *sorted(COMBINATORS)])
def test_odd_arguments(name: str) -> None:
    """Every function with every kind of argument: an error, or a program."""
    lines = statements(name, seed=0)
    with no_hang(30):
        compile(program_of_valid(lines), name, "exec")


def test_random_bytes() -> None:
    rng = random.Random(1)
    valid = 0
    for _ in range(1000):
        data = rng.randbytes(rng.randrange(200))
        with no_hang():
            try:
                mlmdsl.Spec(read_source(data, "fuzz.mlm")).check()
                valid += 1
            except MlmError as error:
                assert error.diagnostics
    assert valid == 0


def in_model(body: str) -> str:
    """A model with a body."""
    return f"@model function m()\n{body}\nend\n"


BOMBS = {
    "range": "x = 1:10^18\nμ ~ Normal(sum(x), 1)",
    "collected range": "x = collect(1:10^15)\nμ ~ Normal(x[1], 1)",
    "zeros": "x = zeros(10^12)\nμ ~ Normal(x[1], 1)",
    "matrix": "x = zeros(10^6, 10^6)\nμ ~ Normal(x[1, 1], 1)",
    "fill": "x = fill(1.0, 10^13)\nμ ~ Normal(x[1], 1)",
    "repeat": "x = repeat([1.0, 2.0], 10^13)\nμ ~ Normal(x[1], 1)",
    "doubled repeat": "x = [1.0, 2.0]\n" + "x = repeat(x, 1000)\n" * 8 + "μ ~ Normal(x[1], 1)",
    "outer product": "x = ones(100000)\ny = x * x'\nμ ~ Normal(y[1, 1], 1)",
    "power tower": "x = 2^2^2^2^2^2\nμ ~ Normal(x, 1)",
    "large power": "x = 10^10^10\nμ ~ Normal(x, 1)",
    "long number": f"x = {'9' * 100_000}\nμ ~ Normal(x, 1)",
    "filldist": "β ~ filldist(Normal(0, 1), 10^15)",
    "filldist of filldist": "β ~ filldist(Normal(0, 1), 10^9, 10^9)",
    "comprehension": "x = [i * j * k for i in 1:10^5, j in 1:10^5, k in 1:10^5]\nμ ~ Normal(x[1, 1, 1], 1)",
    "deep comprehension": f"x = {'[' * 60}1.0{' for i in 1:2]' * 60}\nμ ~ Normal(0, 1)",
    "loop": "s = 0\nfor i in 1:10^15\n    s += i\nend\nμ ~ Normal(s, 1)",
    "brackets": f"x = {'(' * 10_000}1{')' * 10_000}\nμ ~ Normal(x, 1)",
    "open brackets": f"x = {'[' * 10_000}",
    "minus signs": f"x = {'-' * 10_000}1\nμ ~ Normal(x, 1)",
    "sum": f"x = {' + '.join(['1.0'] * 5_000)}\nμ ~ Normal(x, 1)",
    "sum of draws": f"θ ~ Normal(0, 1)\nx = {' + '.join(['θ'] * 5_000)}\nμ ~ Normal(x, 1)",
    "powers": f"x = {'^'.join(['1'] * 2_000)}\nμ ~ Normal(x, 1)",
    "calls": f"x = {'exp(' * 2_000}0{')' * 2_000}\nμ ~ Normal(x, 1)",
    "indices": f"x = [1]\nμ ~ Normal(x{'[1]' * 3_000}, 1)",
    "fields": f"Ω ~ LKJCholesky(2, 1.0)\nμ ~ Normal(Ω{'.L' * 3_000}, 1)",
    "adjoints": f"x = [1, 2]\ny = x{chr(39) * 3_000}\nμ ~ Normal(0, 1)",
    "ternaries": f"x = {'true ? 1 : ' * 2_000}0\nμ ~ Normal(x, 1)",
    "blocks": "for i in 1:2\n" * 2_000 + "x = 1\n" + "end\n" * 2_000,
    "branches": "if true\n" * 2_000 + "x = 1\n" + "end\n" * 2_000,
    "growing names": "θ ~ Normal(0, 1)\nx = θ\n" + "x = x + x\n" * 200 + "μ ~ Normal(x, 1)",
    "carried loops": "for i in 1:3\n" * 12 + "x = 1\n" + "end\n" * 12,
    "lambda": "f = x -> x(x)\nμ ~ Normal(f(f), 1)",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_more_than_a_machine_has(name: str) -> None:
    with no_hang():
        is_answered(in_model(BOMBS[name]), bind=True)


HELPERS = {
    "doubling": "\n".join(["f0(x) = x", *(f"f{k}(x) = f{k - 1}(x) + f{k - 1}(x)" for k in range(1, 40))]),
    "recursion": "f39(x) = f39(x)",
    "mutual recursion": "f39(x) = g(x)\ng(x) = f39(x)",
    "endless default": "f39(x; y=f39(x)) = y",
}


@pytest.mark.parametrize("name", HELPERS)
def test_helpers_without_end(name: str) -> None:
    text = f"{HELPERS[name]}\n\n{in_model('θ ~ Normal(0, 1)' + chr(10) + 'μ ~ Normal(f39(θ), 1)')}"
    with no_hang():
        assert not is_answered(text)


def test_a_long_file(tmp_path: Path) -> None:
    path = tmp_path / "long.mlm"
    path.write_text(in_model("\n".join(f"x{k} ~ Normal(0, 1)" for k in range(5_000))), encoding="utf-8")
    with no_hang(30):
        mlmdsl.load(path).check()
