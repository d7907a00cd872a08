"""Arrays are references, as in Julia: `w = z` is one array; and what `end`, `zip`, `.=` and large whole numbers mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import mlmdsl
from tests.compiler.density import bound, log_density

Y = np.array([0.4, -1.2, 2.5, 0.9])
H = np.array([3.0, 1.0, 2.0])
A = 0.3
LARGE = np.array([9007199254740993, 9007199254740992])


def n(x: Any, m: Any = 0.0) -> float:
    """The summed normal log density."""
    return float(np.sum(stats.norm.logpdf(x, m, 1.0)))


def text(*lines: str, end: str = "y[1] ~ Normal(s, 1)", functions: str = "") -> str:
    """A model of y, h and ids with the parameter a, whose first row has the mean s."""
    return "\n".join(["@model function m(y, h, ids)", "a ~ Normal()", *lines, end, "end", functions])


def check(model: str, mean: float) -> None:
    """The density is that of a mean."""
    found = log_density(bound(model, y=Y, h=H, ids=LARGE), {"a": A})
    assert found == pytest.approx(n(A) + n(Y[0], mean), rel=1e-10)


def message(model: str) -> str:
    """What a refusal says."""
    with pytest.raises(mlmdsl.MlmError) as raised:
        bound(model, y=Y, h=H, ids=LARGE)
    (diagnostic,) = raised.value.diagnostics
    return diagnostic.message


Z = "z = [1.0, 2.0, 3.0]"
LOOP = "function f!(x, b)\nfor i in 2:3 x[i] = x[i - 1] * b end\nend"
SAME = {
    "a store": ([Z, "w = z", "w[1] = 5.0", "s = a + z[1]"], A + 5, ""),
    "a store by the first name": ([Z, "w = z", "z[1] = 5.0", "s = a + w[1]"], A + 5, ""),
    "three names": ([Z, "w = z", "v = w", "v[1] = 5.0", "s = z[1] + w[1] + a"], A + 10, ""),
    "every element": ([Z, "w = z", "w .= a", "s = sum(z)"], 3 * A, ""),
    "every element, added to": ([Z, "w = z", "w .+= a", "s = sum(z)"], 6 + 3 * A, ""),
    "a loop": ([Z, "w = z", "for i in 2:3 w[i] = w[i - 1] * a end", "s = z[3]"], A**2, ""),
    "a loop that reads by another name": ([Z, "w = z", "for i in 2:3 w[i] = z[i - 1] * a end", "s = z[3]"], A**2, ""),
    "a loop of sums": ([Z, "w = z", "for i in 1:3 w[i] += a end", "s = sum(z)"], 6 + 3 * A, ""),
    "data": (["w = h", "w[1] = 5.0", "s = a + h[1]"], A + 5, ""),
    "a tuple": ([Z, "t = (z, 1)", "z[1] = 5.0", "s = a + t[1][1]"], A + 5, ""),
    "a row vector": ([Z, "r = z'", "z[1] = 5.0", "s = a + r[1, 1]"], A + 5, ""),
    "a lambda": ([Z, "f = k -> z[k]", "z[1] = 5.0", "s = a + f(1)"], A + 5, ""),
    "a lambda's number": (["t = 1.0", "f = k -> t + k", "t = 5.0", "s = a + f(1)"], A + 6, ""),
    "a lambda in a loop": ([Z, "f = k -> z[k]", "for i in 2:3 z[i] = f(i - 1) * a end", "s = z[3]"], A**2, ""),
    "a helper": ([Z, "w = f(z)", "s = a + z[1]"], A + 5, "function f(x)\nx[1] = 5.0\nreturn x\nend"),
    "a helper that returns nothing": ([Z, "f!(z, a)", "s = z[3]"], A**2, LOOP),
    "a helper that fills": ([Z, "f!(z)", "s = a + sum(z)"], A + 3, "function f!(x)\nx .= 1.0\nreturn nothing\nend"),
    "a helper of a helper": ([Z, "g!(z, a)", "s = z[3]"], A**2, LOOP + "\nfunction g!(x, b)\nf!(x, b)\nreturn nothing\nend"),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "mean", "functions"), SAME.values(), ids=SAME)
def test_names_of_one_array_change_together(lines: list[str], mean: float, functions: str) -> None:
    check(text(*lines, functions=functions), mean)


APART = {
    "copy": ([Z, "w = copy(z)", "w[1] = 5.0", "s = a + z[1]"], A + 1, ""),
    "a whole slice": ([Z, "w = z[:]", "w[1] = 5.0", "s = a + z[1]"], A + 1, ""),
    "a part": ([Z, "w = z[1:2]", "w[1] = 5.0", "s = a + z[1]"], A + 1, ""),
    "arithmetic": ([Z, "w = z .+ 0", "w[1] = 5.0", "s = a + z[1]"], A + 1, ""),
    "another value": ([Z, "w = z", "w = [5.0, 6.0]", "s = a + z[1]"], A + 1, ""),
    "added to": ([Z, "w = z", "w += [5.0, 6.0, 7.0]", "s = a + z[1]"], A + 1, ""),
    "another value in a loop": ([Z, "w = z", "for i in 1:2 w = w .+ a end", "s = z[1] + w[1]"], 2 + 2 * A, ""),
    "a helper's copy": ([Z, "w = f(z)", "s = a + z[1] + w[1]"], A + 6, "function f(x)\nx = copy(x)\nx[1] = 5.0\nreturn x\nend"),
    "a helper's own": ([Z, "w = f(z)", "s = a + z[1] + w[1]"], A + 6, "function f(x)\nx = x .+ 1\nx[1] = 5.0\nreturn x\nend"),
    "a helper's loop": (["t = 1.0", "w = f(t, a)", "s = t + w"], 1 + A**2, "function f(x, b)\nfor i in 1:2 x = x * b end\nreturn x\nend"),
    "arrays that change places": (["u, v = [1.0, a], [2.0, 3.0]", "for i in 1:3", "u, v = v, u", "u[1] = u[1] + a", "end", "s = 10 * u[1] + v[1]"], 20 + 20 * A + 1 + A, ""),
    "a filter": (["p = [1.0, 0.0]", "for i in 1:3", "q = zeros(2)", "for j in 1:2 q[j] = p[1] * a + j end", "p = q", "end", "s = p[2]"], A * (A * (A + 1) + 1) + 2, ""),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "mean", "functions"), APART.values(), ids=APART)
def test_copies_keep_their_values(lines: list[str], mean: float, functions: str) -> None:
    check(text(*lines, functions=functions), mean)


REFUSED = {
    "a name given in a loop that stores": ([Z, "for i in 2:3", "w = z", "w[i] = w[i - 1] * a", "end", "s = z[3]"], "are one array from here on"),
    "a name given in a branch": ([Z, "v = [7.0, 8.0]", "for i in 1:2", "if h[i] > 2", "w = z", "else", "w = v", "end", "w[1] = a", "end", "s = z[1]"], "are one array"),
    "a view that is stored into": ([Z, "w = view(z, 2:3)", "w[1] = 5.0", "s = a + z[2]"], "is a view"),
    "an array that has a view": ([Z, "w = @view z[2:3]", "z[2] = 5.0", "s = a + w[1]"], "is a view of `z`"),
    "a vector of a matrix": (["M = zeros(2, 2)", "w = vec(M)", "w[1] = 5.0", "s = a + M[1, 1]"], "is a view"),
    "a parameter": (["b ~ filldist(Normal(), 3)", "w = b", "w[1] = 0.0", "s = b[1]"], "is another name for a parameter"),
    "a helper in a loop": ([Z, "for i in 1:3 f!(z, i) end", "s = a + z[1]"], "is the caller's array"),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "words"), REFUSED.values(), ids=REFUSED)
def test_what_a_program_cannot_follow_is_refused(lines: list[str], words: str) -> None:
    functions = "function f!(x, i)\nx[i] = 5.0\nreturn nothing\nend" if any("f!" in line for line in lines) else ""
    assert words in message(text(*lines, functions=functions))


VALUES = [
    ("(2 .* h[[2, 1, 3, 3]])[end - 3]", 2), ("(2 .* h[[2, 1, 3, 3]])[end]", 4), ("length(h[[2, 1, 3, 3]])", 4),
    ("size(h[[2, 1, 3, 3]], 1)", 4), ("(h .+ 1)[2:end][end]", 3), ("length(h[2:end])", 2), ("[h; h][end - 3]", 2),
    ("length(vcat(h, h, 1.0))", 7), ("[2x for x in h][end - 1]", 2), ("length(h[[true, false, true]])", 2),
    ("length(h[[true, false, true]] .* 2)", 2), ("sum(h[[true, false, true]])", 5), ("(h * h')[end]", 4),
    ("reduce(vcat, [h[1:2], h[2:3]])[end - 1]", 1), ("length(reduce(vcat, [h[1:2], h[2:3]]))", 4),
    ("reduce(vcat, [[x, 2x] for x in h])[end]", 4), ("reduce(vcat, [h[i:3] for i in 1:3])[end - 2]", 1),
    ("repeat(h, 2)[end - 3]", 2), ("hcat(h, h)[end, end]", 2), ("vec(h * h')[end - 1]", 2),
    ("reshape([h; h], 2, 3)[end, 1]", 1), ("h[[1, 2]][length(h[1:2])]", 1), ("sum(h[i] for i in eachindex(h[1:2]))", 4),
    ("sum(x * z for (x, z) in zip(h, [1.0, 2.0]))", 5), ("sum(x * z for (x, z) in zip([1.0, 2.0], h))", 5),
    ("length([x * z for (x, z) in zip(h, 1:2)])", 2), ("sum([x * z for (x, z) in zip(1:7, h)])", 11),
    ("sum(map((x, z) -> x * z, h, [1.0, 2.0]))", 5),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "wanted"), VALUES)
def test_ends_and_lengths(expression: str, wanted: float) -> None:
    """Of data, and of parameters at the same values."""
    check(text(f"s = a + {expression}"), A + wanted)
    model = f"@model function m(y)\nh ~ filldist(Flat(), 3)\ny[1] ~ Normal({expression}, 1)\nend"
    assert log_density(bound(model, y=Y), {"h": H}) == pytest.approx(n(Y[0], wanted), rel=1e-10)


IN_ORDER = {
    "a zip that ends with the shorter": (["s = a", "for (x, z) in zip(h, [1.0, 2.0]) s = s * x + z end"], (A * 3 + 1) * 1 + 2),
    "a zip of a range and data": (["s = a", "for (i, x) in zip(2:4, h) s = s * i + x end"], ((A * 2 + 3) * 3 + 1) * 4 + 2),
    "the places of a range": (["s = a", "for (i, k) in enumerate(3:5) s = s * i + k end"], ((A + 3) * 2 + 4) * 3 + 5),
    "a row in each row": (["z = zeros(2, 3)", "z .= h'", "s = a + z[2, 3] + 10 * z[1, 1]"], A + 32),
    "a row times a parameter": (["z = zeros(2, 3)", "z .= a .* h'", "s = z[2, 3] + z[1, 1]"], 5 * A),
    "a column in each column": (["z = zeros(3, 2)", "z .= h", "s = a + z[2, 2] + 10 * z[1, 1]"], A + 31),
    "a row added to each row": (["z = ones(2, 3)", "z .+= h'", "s = a + sum(z)"], A + 18),
    "a large literal": (["k = 9007199254740993", "s = a + (k - 9007199254740992)"], A + 1),
    "a large item": (["k = [9007199254740993, 1]", "s = a + (k[1] - 9007199254740992)"], A + 1),
    "large ids": (["s = a + (ids[1] == 9007199254740993 ? 1 : 0) + length(unique(ids))"], A + 3),
    "large ids in a loop": (["s = a", "for i in 1:2 s = 10 * s + (ids[i] - 9007199254740992) end"], 100 * A + 10),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "mean"), IN_ORDER.values(), ids=IN_ORDER)
def test_values(lines: list[str], mean: float) -> None:
    check(text(*lines), mean)


@pytest.mark.parametrize("value", ["h", "ones(3, 3)", "ones(2, 2)"])
def test_what_does_not_fit_is_not_stored_in_every_element(value: str) -> None:
    assert "the shapes do not fit" in message(text("z = zeros(2, 3)", f"z .= {value}", "s = a"))


def test_a_number_has_no_elements_to_store_into() -> None:
    assert "`.=` stores into an array" in message(text("z = 1.0", "z .+= a", "s = z"))


def shifted(values: list[float], items: list[float] | None = None) -> float:
    """The last of four numbers, each of which is set to the item before times a, as the loop goes."""
    for k in range(4):
        values[min(k + 1, 3)] = (values if items is None else items)[k] * A
    return values[3]


ONES = [1.0, 2.0, 3.0, 4.0]
RUNNING = {
    "values": (["j = 0", "for t in x", "j = j + 1", "x[min(j + 1, 4)] = t * a", "end"], shifted(list(ONES))),
    "places and values": (["for (i, t) in enumerate(x) x[min(i + 1, 4)] = t * a end"], shifted(list(ONES))),
    "pairs": (["for (i, t) in zip(1:4, x) x[min(i + 1, 4)] = t * a end"], shifted(list(ONES))),
    "what is computed before": (["j = 0", "for t in 2 .* x", "j = j + 1", "x[min(j + 1, 4)] = t * a", "end"], shifted(list(ONES), [2 * v for v in ONES])),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "mean"), RUNNING.values(), ids=RUNNING)
def test_a_loop_over_an_array_that_it_changes_sees_the_changes(lines: list[str], mean: float) -> None:
    check(text("x = [1.0, 2.0, 3.0, 4.0]", *lines, "s = x[4]"), mean)
