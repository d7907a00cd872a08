"""The spec language by example: on the left what is written, on the right the tree it means.

Where Julia's reading could surprise, the case says so.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mlmdsl.language import tree
from mlmdsl.language.errors import SpecError
from mlmdsl.language.parse import parse
from mlmdsl.language.source import Source, Span, read_source
from tests.language.listings import DATA, LISTINGS
from tests.language.sexp import sexp


def body(text: str) -> tuple[tree.Statement, ...]:
    """The statements of a model's body."""
    return parse(Source(f"@model function m(x)\n{text}\nend")).models[0].body


def shown(text: str) -> str:
    """The statements of a model's body as S-expressions, a line each."""
    return "\n".join(sexp(statement) for statement in body(text))


LITERALS = [
    ("1", "1"),
    ("1_000", "1000"),
    ("1.5", "1.5"),
    (".5", "0.5"),
    ("5.", "5.0"),
    ("1e-6", "1e-06"),
    ("2e3", "2000.0"),
    ("1f0", "1.0"),
    ("0.1f0", "0.10000000149011612"),  # a Float32
    ("0x1F", "31"),
    ("0b101", "5"),
    ("0o17", "15"),
    ("9223372036854775807", "9223372036854775807"),
    ("true", "true"),
    ('"a b"', '"a b"'),
    (r'"tab\t quote\" \\ \$ \u3b1"', '"tab\t quote" \\ $ α"'),
    ('"""\n    two\n    lines"""', '"two\nlines"'),
    ('""', '""'),
    ("f(:name)", "(call f :name)"),
    ("missing", "missing"),
]

NAMES = [
    ("ŷ", "ŷ"),
    ("y\u0302", "ŷ"),  # the composed form, however it was typed
    ("[x̃, ϕ₂, σ², τₐ, αⱼ, β′, ∂f, ∇, n_1]", "(vect x̃ ϕ₂ σ² τₐ αⱼ β′ ∂f ∇ n_1)"),
    ("sort!(x)", "(call sort! x)"),
    ("x!=y", "(!= x y)"),
    ('var"Sepal.Length"', "Sepal.Length"),
    ('var"if"', "if"),
    ("π * ℯ", "(* π ℯ)"),
    ("🙂", "🙂"),
]

OPERATORS = [
    ("a + b * c", "(+ a (* b c))"),
    ("a - b - c", "(- (- a b) c)"),
    ("a / b * c", "(* (/ a b) c)"),
    (r"A \ b", r"(\ A b)"),
    ("a ⋅ b % c ÷ d", "(÷ (% (⋅ a b) c) d)"),
    ("a^b^c", "(^ a (^ b c))"),
    ("-x^2", "(- (^ x 2))"),
    ("2^-1", "(^ 2 (- 1))"),
    ("-a * b", "(* (- a) b)"),
    ("a − b", "(- a b)"),  # U+2212
    ("a .+ b .* c .^ d", "(.+ a (.* b (.^ c d)))"),
    ("x.^2", "(.^ x 2)"),
    ("1 ./ x", "(./ 1 x)"),
    ("√x + √(y)", "(+ (call sqrt x) (call sqrt y))"),
    ("x |> f", "(call f x)"),
    ("x .|> f", "(call. f x)"),
    ("2σ", "(* 2 σ)"),
    ("2σ^2", "(* 2 (^ σ 2))"),
    ("1/2σ", "(/ 1 (* 2 σ))"),  # juxtaposition before division
    ("2^3x", "(^ 2 (* 3 x))"),  # and before the power on its left
    ("2.5std(y)", "(* 2.5 (call std y))"),
    ("2(x + 1)", "(* 2 (+ x 1))"),
    ("(a + b)c", "(* (+ a b) c)"),
    ("X'X", "(* (' X) X)"),
    ("x'", "(' x)"),
    ("Ω.L * Ω.L'", "(* Ω.L (' Ω.L))"),
    ("x''", "(' (' x))"),
    ("a < b", "(< a b)"),
    ("a < b <= c", "(compare a < b <= c)"),
    ("a ≤ b ≥ c ≠ d", "(compare a <= b >= c != d)"),
    ("a .== b", "(.== a b)"),
    ("a === b", "(=== a b)"),
    ("a in b", "(in a b)"),
    ("a ∈ b", "(in a b)"),
    ("a ∉ b", "(! (in a b))"),
    ("a < b && !c || d", "(|| (&& (< a b) (! c)) d)"),
    ("a .& b .| c", "(.|| (.&& a b) c)"),
    ("(a .> 1) .&& .!b", "(.&& (.> a 1) (.! b))"),
    ("a ? b : c ? d : e", "(? a b (? c d e))"),
    ("a ? 1:n : 2", "(? a (: 1 n) 2)"),
    ("1:n", "(: 1 n)"),
    ("1:2:n", "(: 1 2 n)"),
    ("1:n-1", "(: 1 (- n 1))"),
    ("a +\n b", "(+ a b)"),  # a line end after an operator does not end the statement
    ("reduce(+, x)", "(call reduce + x)"),
    ("(/)(a, b) + reduce(max, x; init=-1)", "(+ (call / a b) (call reduce max x init=(- 1)))"),
]

CALLS = [
    ("f()", "(call f)"),
    ("f(a, b)", "(call f a b)"),
    ("f(a, b,)", "(call f a b)"),
    ("f(a; k=1)", "(call f a k=1)"),
    ("f(a, k=1)", "(call f a k=1)"),
    ("f(; x)", "(call f x=x)"),
    ("f.(a)", "(call. f a)"),
    ("f(xs...)", "(call f (... xs))"),
    ("f(\n  a,\n  b;\n  k=1\n)", "(call f a b k=1)"),
    ("truncated(Cauchy(0, 2); lower=0)", "(call truncated (call Cauchy 0 2) lower=0)"),
    ("Turing.filldist(d, n)", "(call Turing.filldist d n)"),
    ("f(x)(y)", "(call (call f x) y)"),
    ("Vector{Float64}(undef, n)", "(call (curly Vector Float64) undef n)"),
    ("map(x -> x^2, xs)", "(call map (-> (x) (^ x 2)) xs)"),
    ("map((x, y) -> x, a, b)", "(call map (-> (x y) x) a b)"),
    ("map(xs) do x\n x + 1\nend", "(call map (-> (x) (+ x 1)) xs)"),
    ("sum(f(i) for i in 1:n)", "(call sum (generator (call f i) (i in (: 1 n))))"),
    ("sum(i for i in x if i > 2; init=0)", "(call sum (generator i (i in x) (> i 2)) init=0)"),
    ("x::Float64", "x"),  # a type has no effect
]

INDICES = [
    ("x[i]", "(ref x i)"),
    ("x[i, :]", "(ref x i :)"),
    ("x[:]", "(ref x :)"),
    ("x[end]", "(ref x end)"),
    ("x[1:end-1, begin]", "(ref x (: 1 (- end 1)) 1)"),
    ("x[max(1, end)]", "(ref x (call max 1 end))"),
    ("x[idx[i]]", "(ref x (ref idx i))"),
    ("x[:, :y]", "(ref x : :y)"),
    ("x[x .> 0]", "(ref x (.> x 0))"),
    ("view(x, :, 1)", "(call view x : 1)"),
    ("x[\n1,\n2]", "(ref x 1 2)"),
]

COLLECTIONS = [
    ("[]", "(vect)"),
    ("[a, b]", "(vect a b)"),
    ("[a, b,]", "(vect a b)"),
    ("[a; b]", "(vcat a b)"),
    ("[a\n b]", "(vcat a b)"),
    ("[a b; c d]", "(matrix (row a b) (row c d))"),
    ("[a b\n c d]", "(matrix (row a b) (row c d))"),
    ("[a b]", "(matrix (row a b))"),
    ("[1 -2]", "(matrix (row 1 (- 2)))"),  # two items
    ("[1 - 2]", "(vect (- 1 2))"),  # one
    ("[1 -2 + 3]", "(matrix (row 1 (+ (- 2) 3)))"),
    ("[f (x)]", "(matrix (row f x))"),
    ("[f(x) a[i]]", "(matrix (row (call f x) (ref a i)))"),
    ("[a' b']", "(matrix (row (' a) (' b)))"),
    ("[:a :b]", "(matrix (row :a :b))"),
    ("[(1 + 2) (a\n+ b)]", "(matrix (row (+ 1 2) (+ a b)))"),
    ("[i for i in 1:n]", "(comprehension i (i in (: 1 n)))"),
    ("[i * j for i = 1:2, j ∈ x if i < j]", "(comprehension (* i j) (i in (: 1 2)) (j in x) (< i j))"),
    ("[x for (i, x) in enumerate(xs)]", "(comprehension x ((i x) in (call enumerate xs)))"),
    ("(a, b)", "(tuple a b)"),
    ("(a,)", "(tuple a)"),
    ("()", "(tuple)"),
    ("(; a=1, b)", "(tuple a=1 b=b)"),
    ("(a=1, b=2)", "(tuple a=1 b=2)"),
]

STATEMENTS = [
    ("x ~ Normal(0, 1)", "(~ x (call Normal 0 1))"),
    ("x .~ Normal()", "(.~ x (call Normal))"),
    ("x[i, :] ~ d", "(~ (ref x i :) d)"),
    ("x = 1", "(= x 1)"),
    ("x =\n 1", "(= x 1)"),
    ("x .= y", "(.= x y)"),
    ("x += 1", "(+= x 1)"),
    ("x ^= 2", "(^= x 2)"),
    ("x .*= 2", "(.*= x 2)"),
    ("x := y", "(:= x y)"),
    ("a, b = f(x)", "(= (tuple a b) (call f x))"),
    ("(a, b) = f(x)", "(= (tuple a b) (call f x))"),
    ("x::Vector{Float64} = y", "(= x y)"),
    ("a = 1; b = 2;", "(= a 1)\n(= b 2)"),
    ("a\n\n# a comment\nb #= one\nmore #= inner =# =#", "a\nb"),
    ("for i in 1:n\n a\n b\nend", "(for (i in (: 1 n)) a b)"),
    ("for i = 1:n, j ∈ m; a; end", "(for (i in (: 1 n)) (j in m) a)"),
    ("for (i, x) in enumerate(xs) a end", "(for ((i x) in (call enumerate xs)) a)"),
    ("if a\n b\nelseif c\n d\nelse\n e\nend", "(if (branch a b) (branch c d) (else e))"),
    ("if a b end", "(if (branch a b))"),
    ("x = if a b else c end", "(= x (? a b c))"),
    ("x = begin\n a\nend", "(= x a)"),
    ("begin\n a\n b\nend", "a\nb"),
    ("return", "(return)"),
    ("return x", "(return x)"),
    ("return a, b", "(return (tuple a b))"),
    ("return x = 1", "(return (= x 1))"),
    ("return y ~ d", "(return (~ y d))"),
    ("Turing.@addlogprob! a + b", "(addlogprob (+ a b))"),
    ("@addlogprob!(a)", "(addlogprob a)"),
    ("x = @view y[1, :]", "(= x (ref y 1 :))"),
    ("x = a .+ @view(y[1, :]) .* b", "(= x (.+ a (.* (ref y 1 :) b)))"),
    ("@inbounds for i in x a end", "(for (i in x) a)"),
    ("Threads.@threads for i in x a end", "(for (i in x) a)"),
    ("LazyArray(@~ X * β .+ α)", "(call LazyArray (.+ (* X β) α))"),
    ("@. x = f(a) * -b", "(.= x (.* (call. f a) (.- b)))"),
    ("@. y ~ Normal(μ + 1, σ)", "(.~ y (call. Normal (.+ μ 1) σ))"),
    ("x = @. a < b && c", "(= x (.&& (.< a b) c))"),
    ("x = @.(a + b) + c", "(= x (+ (.+ a b) c))"),
    ("x[i] = y[i - 1]'", "(= (ref x i) (' (ref y (- i 1))))"),
    ("f = x -> x + 1", "(= f (-> (x) (+ x 1)))"),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [*LITERALS, *NAMES, *OPERATORS, *CALLS, *INDICES, *COLLECTIONS, *STATEMENTS],
)
def test_reading(text: str, expected: str) -> None:
    """Each form of the language gives its tree."""
    assert shown(text) == expected


@pytest.mark.parametrize("name", sorted(LISTINGS))
def test_tutorial_listing(name: str) -> None:
    """The tutorial's listings, pasted unchanged under a `@data` block, are models of their names."""
    spec = parse(Source(DATA + LISTINGS[name]))
    assert [model.name for model in spec.models] == [name]
    model = spec.models[0]
    assert [param.name for param in model.params] == ["X", "idx", "y"]
    assert [param.name for param in model.keywords] == ["n_gr", "predictors"]
    assert all(param.default is not None for param in model.keywords)
    assert isinstance(model.body[-1], tree.Return)
    assert spec.data is not None
    assert spec.data.path == "cheese.csv"
    assert [sexp(statement) for statement in spec.data.body][1] == "(= idx (call levels background))"


def test_first_listing_line_by_line() -> None:
    """The whole body of the varying-intercept model."""
    spec = parse(Source(LISTINGS["varying_intercept"]))
    assert spec.seed == 123
    assert [item.text for item in spec.items if isinstance(item, tree.Using)] == [
        "using Turing",
        "using LinearAlgebra",
        "using Statistics: mean, std",
        "using Random: seed!",
    ]
    assert [sexp(statement) for statement in spec.models[0].body] == [
        "(~ α (call Normal (call mean y) (* 2.5 (call std y))))",
        "(~ β (call filldist (call Normal 0 2) predictors))",
        "(~ σ (call Exponential (call std y)))",
        "(~ τ (call truncated (call Cauchy 0 2) lower=0))",
        "(~ αⱼ (call filldist (call Normal 0 τ) n_gr))",
        "(= ŷ (.+ (.+ α (* X β)) (ref αⱼ idx)))",
        "(return (~ y (call MvNormal ŷ (* (^ σ 2) I))))",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "@model function f(x, y=1; k=2) x ~ y end",
        "@model function f(x::Real, y::Vector{<:Real}=1; k::Int=2)::Float64 where {T<:Real}\n x ~ y\nend;",
        "@model f(x, y=1; k=2) = begin\n x ~ y\nend",
        "@model f(x, y=1; k=2) = x ~ y",
        "@model function f(\n x,\n y=1,\n ;\n k=2,\n)\n x ~ y\nend",
    ],
)
def test_forms_of_a_model(text: str) -> None:
    """Every way to write a model gives the same one."""
    (model,) = parse(Source(text)).models
    assert [(param.name, sexp(param.default)) for param in model.params] == [("x", "()"), ("y", "1")]
    assert [(param.name, sexp(param.default)) for param in model.keywords] == [("k", "2")]
    assert [sexp(statement) for statement in model.body] == ["(~ x y)"]


@pytest.mark.parametrize(
    "text",
    [
        "f(x; k=2) = x^2",
        "function f(x; k=2)\n x^2\nend",
        "f(x::T; k=2) where {T} = begin x^2 end",
        "function f(x; k=2) x^2 end;",
    ],
)
def test_forms_of_a_helper(text: str) -> None:
    """Every way to write a helper function gives the same one."""
    (function,) = parse(Source(text)).functions
    assert function.name == "f"
    assert [param.name for param in (*function.params, *function.keywords)] == ["x", "k"]
    assert [sexp(statement) for statement in function.body] == ["(^ x 2)"]


def test_nameless_type_parameter() -> None:
    """`::Type{T}=Float64` is a parameter named after its type."""
    (model,) = parse(Source("@model function f(x, ::Type{T}=Float64) where {T}\n x\nend")).models
    assert [(param.name, sexp(param.default)) for param in model.params] == [("x", "()"), ("T", "Float64")]


def test_data_without_path() -> None:
    """`@data begin … end` has no path."""
    spec = parse(Source("@data begin\n  X = dummies(a)\nend\n"))
    assert spec.data is not None
    assert spec.data.path is None


def test_spans_are_the_authors_characters() -> None:
    """A node's span is its text, brackets included."""
    text = "@model function m(x)\n  y = (a + b) * f(c, d')[1, :]\nend"
    source = Source(text)
    (statement,) = parse(source).models[0].body
    assert isinstance(statement, tree.Assign)
    assert source.excerpt(statement.span) == "y = (a + b) * f(c, d')[1, :]"
    assert isinstance(statement.value, tree.Operator)
    assert [source.excerpt(operand.span) for operand in statement.value.operands] == ["(a + b)", "f(c, d')[1, :]"]
    assert source.excerpt(parse(source).models[0].span) == text


def test_empty_text_is_an_empty_spec() -> None:
    """Comments alone hold nothing."""
    assert parse(Source("# nothing\n\n")).items == ()


def test_read_source(tmp_path: Path) -> None:
    """A byte order mark, Windows line ends and decomposed letters do not reach the parser."""
    path = tmp_path / "a.mlm"
    path.write_bytes("\ufeffy\u0302 = 1\r\nx\r\n".encode())
    source = read_source(path)
    assert source.text == "ŷ = 1\nx\n"
    assert source.name == str(path)
    assert source.position(6) == (2, 1)


@pytest.mark.parametrize(
    ("data", "message", "start"),
    [
        (b"ab\ncd\xff\n", "byte 5 (0xFF, on line 2) is not UTF-8", 5),
        (b"ab\n\x00", "byte 3 (0x00, on line 2) is NUL, which no text holds", 3),
        ("ŷ = ".encode() + b"\xc5", "byte 5 (0xC5, on line 1) is not UTF-8", 4),
    ],
)
def test_bytes_that_are_no_text(data: bytes, message: str, start: int) -> None:
    """The byte and its line are named, and the place is shown."""
    with pytest.raises(SpecError) as caught:
        read_source(data)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.message == message
    assert diagnostic.span == Span(start, start + 1)
    assert diagnostic.hint


def test_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file, a folder and an impossible path are spec errors too."""
    for path in (tmp_path / "none.mlm", tmp_path, Path("a\0b")):
        with pytest.raises(SpecError, match="cannot read"):
            read_source(path)
