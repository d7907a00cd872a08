"""A random program: its text, its data, and values of its parameters."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.differential.loops import Loops
from tests.differential.scope import Helper, Integer, Matrix, Names, Vector, Writer


@dataclass(frozen=True)
class Program:
    """A spec's text, the model's arguments by name, and values of its parameters."""

    text: str
    arguments: dict[str, Any]
    values: dict[str, Any]


def program(seed: int | str) -> Program:
    """The program of a seed."""
    return Maker(random.Random(f"program {seed}")).make()


class Maker(Loops):
    """Writes one program."""

    def __init__(self, source: random.Random) -> None:
        super().__init__(Writer(source))
        self.names = Names()

    def make(self) -> Program:
        """Data, then helper functions, priors, a body, and what shows all that the body computed."""
        w = self.writer
        w.sizes = tuple(w.random.sample([1, 2, 3, 4, 5], k=2)) if w.chance(0.9) else (3,)
        if max(w.sizes) == 1:
            w.sizes = (1, 3)
        self.data()
        helpers = self.helpers()
        self.priors()
        self.body(self.names, w.random.randint(2, 4))
        self.shown()
        body, arguments = list(w.lines), {name: _argument(value) for name, value in w.arguments.items()}
        header = f"@model function m({', '.join(arguments)})"
        text = "\n".join([*helpers, header, *body, "end"]) + "\n"
        return Program(text, arguments, {name: _value(value) for name, value in w.values.items()})

    def data(self) -> None:
        """Outcomes, covariates, codes (in order, with repeats, a permutation), flags, a matrix."""
        w, names = self.writer, self.names
        n = w.pick(list(w.sizes))
        for stem in ("y", "x"):
            for size in w.sizes[: 2 if w.chance(0.6) else 1]:
                name = w.fresh(stem)
                w.arguments[name] = [round(w.random.uniform(-2, 2), 2) for _ in range(size)]
                names.vectors.append(Vector(name, size))
        self._codes(n)
        if w.chance(0.25):
            name = w.fresh("c")
            w.arguments[name] = [w.random.randint(0, 6) for _ in range(n)]
            names.vectors.append(Vector(name, n, "int", 0, 6))
        if w.chance(0.3):
            name = w.fresh("on", "isnew")
            w.arguments[name] = [w.chance(0.5) for _ in range(n)]
            names.vectors.append(Vector(name, n, "bool"))
        if w.chance(0.5):
            rows, columns = w.pick(list(w.sizes)), w.pick(list(w.sizes))
            name = w.fresh("X", "Z")
            w.arguments[name] = [[round(w.random.uniform(-2, 2), 2) for _ in range(columns)] for _ in range(rows)]
            names.matrices.append(Matrix(name, rows, columns))
        if w.chance(0.25):
            w.used.add("N")
            w.arguments["N"] = n
            names.integers.append(Integer("N", n, n))

    def _codes(self, n: int) -> None:
        w = self.writer
        for _ in range(w.pick([1, 1, 2])):
            size, levels = w.pick([n, *w.sizes]), w.pick(list(w.sizes))
            name = w.fresh("g", "idx", "home")
            codes = [w.random.randint(1, levels) for _ in range(size)]
            if size == levels and w.chance(0.4):
                codes = w.random.sample(range(1, levels + 1), levels)
            if w.chance(w.wild):
                codes[w.random.randrange(size)] = w.pick([0, levels + 1])
            w.arguments[name] = codes
            self.names.vectors.append(Vector(name, size, "int", 1, levels))

    def priors(self) -> None:
        """Parameters: numbers, a scale, vectors, a matrix."""
        w, names = self.writer, self.names
        for name in w.random.sample(["a", "b", "ϕ"], k=w.pick([1, 2])):
            w.used.add(name)
            w.line(f"{name} ~ {w.pick(['Normal(0, 1)', 'Normal(0, 2)', 'Cauchy(0, 1)', 'Uniform(-3, 3)', 'TDist(3)'])}")
            w.values[name] = round(w.random.uniform(-1.5, 1.5), 3)
            names.reals.append(name)
        if w.chance(0.5):
            w.used.add("σ")
            w.line(
                f"σ ~ {w.pick(['Exponential(2)', 'Gamma(2, 1)', 'truncated(Normal(0, 1); lower=0)', 'LogNormal(0, 1)'])}"
            )
            w.values["σ"] = round(w.random.uniform(0.3, 2), 3)
            names.reals.append("σ")
        for size in w.sizes if w.chance(0.8) else ():
            name = w.fresh("α", "β", "γ")
            w.line(f"{name} ~ filldist({w.pick(['Normal(0, 1)', 'Laplace(0, 1)', 'Normal(0, 2)'])}, {size})")
            w.values[name] = [round(w.random.uniform(-1.5, 1.5), 3) for _ in range(size)]
            names.vectors.append(Vector(name, size))
        if w.chance(0.25):
            rows, columns, name = w.pick(list(w.sizes)), w.pick(list(w.sizes)), w.fresh("B")
            w.line(f"{name} ~ filldist(Normal(0, 1), {rows}, {columns})")
            w.values[name] = [[round(w.random.uniform(-1, 1), 3) for _ in range(columns)] for _ in range(rows)]
            names.matrices.append(Matrix(name, rows, columns))

    def helpers(self) -> list[str]:
        """Functions of the author's, of numbers or with a loop over a vector."""
        w = self.writer
        if not w.chance(0.35):
            return []
        if w.chance(0.5):
            name, inner = w.fresh("f", "link"), Names(reals=["u"])
            w.used.add("u")
            text = [f"{name}(u) = {self.real(inner, 1)}"]
            self.names.helpers.append(Helper(name, ("real",)))
            return text
        self.names.helpers.append(Helper(name := w.fresh("total", "weigh"), ("vector", "real")))
        w.used |= {"v", "u", "k", "out"}
        step = w.pick(
            ["out += v[k] * u", "out = 0.5 * out + v[k]", "out += k > 1 ? v[k - 1] : u", "out += v[end + 1 - k] * k"]
        )
        return [f"function {name}(v, u)", "    out = 0.0", "    for k in eachindex(v)", f"        {step}", "    end",
                "    return out", "end"]  # fmt: skip

    def shown(self) -> None:
        """Observe or track what the body computed, so that a wrong value shows."""
        w, names = self.writer, self.names
        for vector in [v for v in names.vectors if v.own]:
            w.line(self._shown_vector(vector))
        for name in names.own_reals:
            w.line(w.pick([f"seen_{name} := {name}", f"@addlogprob! {name}"]))
        for matrix in [m for m in names.matrices if m.own]:
            w.line(w.pick([f"seen_{matrix.name} := {matrix.name}", f"@addlogprob! sum({matrix.name})"]))
        if not w.lines or w.chance(0.3):
            self.observe_vector(names)

    def _shown_vector(self, vector: Vector) -> str:
        w, n = self.writer, vector.name
        y, i = w.fresh("y"), w.fresh("i")
        observed = [
            f"{y} ~ MvNormal({n}, I)",
            f"for {i} in 1:{vector.size}\n        {y}[{i}] ~ Normal({n}[{i}], 1.0)\n    end",
        ]
        form = w.pick([f"seen_{n} := {n}", f"seen_{n} := {n}", f"@addlogprob! sum({n})", *observed])
        if form in observed:
            w.arguments[y] = [round(w.random.uniform(-2, 2), 2) for _ in range(vector.size)]
        return str(form)


def _argument(value: Any) -> Any:
    return np.array(value) if isinstance(value, list) else value


def _value(value: Any) -> Any:
    return np.array(value, dtype=float) if isinstance(value, list) else value
