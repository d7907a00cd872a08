"""Random expressions of a wanted type: numbers, truth values, indices within a size, vectors of a size."""

from __future__ import annotations

from functools import partial

from tests.differential.scope import Integer, Matrix, Names, Vector, Writer

LITERALS = ["0.5", "1.0", "2.0", "0.25", "1", "2", "-1.0", "0.1"]


class Expressions:
    """Expressions over the names in scope; `depth` is how many levels they may still have."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    # ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def real(self, names: Names, depth: int = 2) -> str:
        """A real number."""
        w = self.writer
        leaf = {
            partial(w.pick, LITERALS): 1.0,
            partial(self._name, names): 4.0,
            partial(self._element, names, depth): 5.0,
            partial(self._entry, names, depth): 2.0,
            partial(self._whole, names): 0.7,
        }
        if depth <= 0:
            return str(w.first_of(leaf))
        grown = {
            partial(self._sum, names, depth): 3.0,
            partial(self._scaled, names, depth): 2.0,
            partial(self._function, names, depth): 1.0,
            partial(self._choice, names, depth): 0.8,
            partial(self._reduction, names, depth): 1.2,
            partial(self._series, names, depth): 0.8,
            partial(self._helped, names, depth): 1.0,
        }
        return str(w.first_of({**leaf, **grown}))

    def positive(self, names: Names, depth: int = 1) -> str:
        """A number above 0, for a scale."""
        w = self.writer
        return str(
            w.first_of({
                lambda: w.pick(["1.0", "0.5", "2.0", "1.5", "1"]): 3.0,
                lambda: "σ" if "σ" in names.reals else None: 3.0,
                lambda: f"exp(0.1 * {self.factor(self.real(names, depth - 1))})": 0.7,
                lambda: f"abs({self.real(names, depth - 1)}) + 0.5": 0.7,
            })
        )  # fmt: skip

    def factor(self, text: str) -> str:
        """An expression as an operand of `*`."""
        return f"({text})" if " " in text or text.startswith("-") else text

    def _name(self, names: Names) -> str | None:
        return self.writer.pick(names.reals) if names.reals else None

    def _whole(self, names: Names) -> str | None:
        return self.writer.pick(names.integers).text if names.integers else None

    def _element(self, names: Names, depth: int) -> str | None:
        if not names.vectors:
            return None
        vector: Vector = self.writer.pick([v for v in names.vectors if v.element != "bool"])
        return f"{vector.name}[{self.index(names, vector.size, depth - 1, vector.name)}]"

    def _entry(self, names: Names, depth: int) -> str | None:
        if not names.matrices:
            return None
        matrix: Matrix = self.writer.pick(names.matrices)
        row, column = self.index(names, matrix.rows, depth - 1), self.index(names, matrix.columns, depth - 1)
        return f"{matrix.name}[{row}, {column}]"

    def _sum(self, names: Names, depth: int) -> str:
        left, right = self.real(names, depth - 1), self.real(names, depth - 1)
        op = self.writer.pick(["+", "+", "-"])
        return f"{left} {op} {self.factor(right) if op == '-' else right}"

    def _scaled(self, names: Names, depth: int) -> str:
        factor = self.writer.pick(["0.5", "2", "0.1", self.real(names, 0)])
        inner = self.factor(self.real(names, depth - 1))
        return self.writer.pick([f"{self.factor(factor)} * {inner}", f"{inner} / 2", f"-{inner}"])

    def _function(self, names: Names, depth: int) -> str:
        inner = self.real(names, depth - 1)
        return self.writer.pick([
            f"tanh({inner})", f"abs({inner})", f"exp(-abs({inner}))", f"log1p(abs({inner}))", f"sqrt(abs({inner}) + 1)",
            f"max({inner}, 0.0)", f"min({inner}, {self.real(names, 0)})", f"logistic({inner})", f"tanh({inner})^2",
        ])  # fmt: skip

    def _choice(self, names: Names, depth: int) -> str:
        return f"({self.truth(names)} ? {self.real(names, depth - 1)} : {self.real(names, depth - 1)})"

    def _reduction(self, names: Names, depth: int) -> str | None:
        w = self.writer
        size = w.pick(list(w.sizes))
        one = self.vector(names, size, depth - 1)
        return str(
            w.first_of({
                lambda: f"{w.pick(['sum', 'mean', 'maximum', 'minimum', 'sum', 'prod'])}({one})": 2.0,
                lambda: f"dot({one}, {self.vector(names, size, depth - 1)})": 1.0,
                lambda: f"{w.pick(['sum'] * 5 + ['length'])}({self.part(names)})" if names.vectors else None: 2.4,
                lambda: f"sum(abs2, {one})": 0.3,
                lambda: f"({one})[end]" if one[0] != "[" else f"{one}[{w.pick(['end', 'end - 1'])}]": 0.5,
                lambda: f"reduce(+, {one})": 0.2,
                lambda: f"size({w.pick(names.matrices).name}, {w.pick([1, 2])})" if names.matrices else None: 0.3,
            })
        )  # fmt: skip

    def part(self, names: Names) -> str:
        """A part of a vector, of whatever size: a slice, or by a mask."""
        w = self.writer
        vector: Vector = w.pick([v for v in names.vectors if v.element != "bool"])
        masks = [v for v in names.vectors if v.element == "bool" and v.size == vector.size]
        codes = [v for v in names.vectors if v.element == "int" and v.size == vector.size and v.high > v.low]
        low, high = self.index(names, vector.size, 0, vector.name), self.index(names, vector.size, 0, vector.name)
        return str(
            w.first_of({
                lambda: f"{vector.name}[{low}:{high}]": 2.0,
                lambda: f"{vector.name}[{w.pick(['2:end', '1:end-1', 'end:-1:1', ':', '1:2:end', 'end-1:end'])}]": 2.0,
                lambda: f"{vector.name}[{w.pick(masks).name}]" if masks else None: 1.0,
                lambda: self._of_group(names, vector, codes): 1.5,
                lambda: f"{vector.name}[{vector.name} .> 0]" if vector.element == "real" else None: 0.3,
            })
        )  # fmt: skip

    def _of_group(self, names: Names, vector: Vector, codes: list[Vector]) -> str | None:
        if not codes:
            return None
        code: Vector = self.writer.pick(codes)
        level = self.index(names, code.high, 0)
        if "end" in level:
            return None
        return f"{vector.name}[{code.name} .== {level}]"

    def _series(self, names: Names, depth: int) -> str:
        inner, iterator = self.iterated(names)
        function = self.writer.pick(["sum", "sum", "maximum"])
        body = self.real(inner, depth - 1)
        filtered = f" if {self.truth(inner)}" if function == "sum" and self.writer.chance(0.15) else ""
        return f"{function}({'[' if filtered else ''}{body} for {iterator}{filtered}{']' if filtered else ''})"

    def _helped(self, names: Names, depth: int) -> str | None:
        if not names.helpers:
            return None
        helper = self.writer.pick(names.helpers)
        size = self.writer.pick(list(self.writer.sizes))
        args = [self.real(names, depth - 1) if kind == "real" else self.vector(names, size, 0) for kind in helper.takes]
        return f"{helper.name}({', '.join(args)})"

    # ── iterating ────────────────────────────────────────────────────────────────────────────────────────────────────

    def iterated(self, names: Names, stems: tuple[str, ...] = ("k", "l", "m")) -> tuple[Names, str]:
        """An iterator with its names in scope."""
        w = self.writer
        inner = names.inner()
        inner.loops += 1
        name = w.fresh(*stems)
        vector: Vector | None = w.pick(names.vectors) if names.vectors else None
        choices = {partial(self._over_range, names, inner, name): 6.0}
        if vector is not None:
            choices[partial(self._over_values, inner, name, vector)] = 1.2
            choices[partial(self._over_pairs, names, inner, name, vector)] = 1.0
            choices[partial(self._over_index, inner, name, vector)] = 2.0
        return inner, str(w.first_of(choices))

    def _over_range(self, names: Names, inner: Names, name: str) -> str:
        w = self.writer
        size = w.pick([*w.sizes, *w.sizes, 2])
        sized = [v for v in names.vectors if v.size == size]
        stop = f"length({w.pick(sized).name})" if sized and w.chance(0.25) else str(size)
        low, text = w.pick([(1, f"1:{stop}")] * 5 + [(2, f"2:{stop}"), (1, f"{stop}:-1:1"), (1, f"1:2:{stop}")])
        bounds = [each for each in names.integers if each.high <= size and each.low >= 1 and "end" not in each.text]
        if bounds and w.chance(0.2):
            bound: Integer = w.pick(bounds)
            low, text, size = w.pick([(1, f"1:{bound.text}", bound.high), (bound.low, f"{bound.text}:{stop}", size)])
        inner.integers.append(Integer(name, low, size))
        return f"{name} in {text}"

    def _over_values(self, inner: Names, name: str, vector: Vector) -> str:
        self._item(inner, name, vector)
        return f"{name} in {vector.name}"

    def _item(self, inner: Names, name: str, vector: Vector) -> None:
        if vector.element == "int":
            inner.integers.append(Integer(name, vector.low, vector.high))
        elif vector.element == "real":
            inner.reals.append(name)

    def _over_index(self, inner: Names, name: str, vector: Vector) -> str:
        inner.integers.append(Integer(name, 1, vector.size))
        return f"{name} in eachindex({vector.name})"

    def _over_pairs(self, names: Names, inner: Names, name: str, vector: Vector) -> str:
        w = self.writer
        second = w.fresh("v", "u")
        if w.chance(0.5):
            inner.integers.append(Integer(name, 1, vector.size))
            self._item(inner, second, vector)
            return f"({name}, {second}) in enumerate({vector.name})"
        other: Vector = w.pick(names.vectors)
        self._item(inner, name, vector)
        self._item(inner, second, other)
        return f"({name}, {second}) in zip({vector.name}, {other.name})"

    # ── truth values and integers ────────────────────────────────────────────────────────────────────────────────────

    def known_truth(self, names: Names) -> str:
        """A condition on data, for statements to depend on."""
        return self.truth(names, parameters=0.0)

    def truth(self, names: Names, parameters: float = 0.4) -> str:
        """A condition; on data or loop variables, seldom on parameters."""
        w = self.writer
        data = [v for v in names.vectors if not v.own and v.name in w.arguments]
        return str(
            w.first_of({
                partial(self._compared_integer, names): 3.0,
                partial(self._compared_data, names, data): 3.0,
                partial(self._flag, names, [v for v in data if v.element == "bool"]): 1.0,
                partial(self._joined, names): 0.6,
                lambda: f"{self.real(names, 0)} > {self.real(names, 0)}" if parameters else "1 < 2": parameters + 0.001,
            })
        )  # fmt: skip

    def _compared_integer(self, names: Names) -> str | None:
        if not names.integers:
            return None
        whole: Integer = self.writer.pick(names.integers)
        bound = self.writer.random.randint(whole.low, max(whole.low, whole.high))
        return self.writer.pick([
            f"{whole.text} {self.writer.pick(['>', '<', '==', '>=', '<=', '!='])} {bound}", f"{whole.text} % 2 == 0",
        ])  # fmt: skip

    def _compared_data(self, names: Names, data: list[Vector]) -> str | None:
        numbers = [v for v in data if v.element != "bool"]
        if not numbers:
            return None
        vector: Vector = self.writer.pick(numbers)
        place = self.index(names, vector.size, 1, vector.name)
        level = "0" if vector.element == "real" else str(self.writer.random.randint(vector.low, vector.high))
        return f"{vector.name}[{place}] {self.writer.pick(['>', '<', '>=', '=='])} {level}"

    def _flag(self, names: Names, data: list[Vector]) -> str | None:
        if not data:
            return None
        vector: Vector = self.writer.pick(data)
        return f"{self.writer.pick(['', '', '!'])}{vector.name}[{self.index(names, vector.size, 0, vector.name)}]"

    def _joined(self, names: Names) -> str | None:
        parts = [self._compared_integer(names), self._compared_integer(names)]
        return None if None in parts else f"({parts[0]} {self.writer.pick(['&&', '||'])} {parts[1]})"

    def index(self, names: Names, size: int, depth: int = 1, base: str = "") -> str:
        """An integer from 1 to `size` (seldom one that may be outside); `base` allows `end`."""
        w = self.writer
        if w.chance(w.wild) and names.integers:
            whole = w.pick(names.integers).text
            return str(w.pick([whole, f"{whole} - 1", f"{whole} + 1"]))
        return str(
            w.first_of({
                partial(self._within, names, size): 8.0,
                partial(self._shifted, names, size): 2.0,
                partial(self._coded, names, size, depth): 4.0 if depth >= 0 else 0.0001,
                partial(self._computed, names, size): 1.0,
                lambda: str(w.random.randint(1, size)): 0.8 if names.loops else 2.0,
                partial(self._from_end, size, base): 0.8,
            })
        )  # fmt: skip

    def _within(self, names: Names, size: int) -> str | None:
        fitting = [whole.text for whole in names.integers if whole.low >= 1 and whole.high <= size]
        return self.writer.pick(fitting) if fitting else None

    def _shifted(self, names: Names, size: int) -> str | None:
        lags = [f"{i.text} - {k}" for i in names.integers for k in (1, 2) if i.low - k >= 1 and i.high - k <= size]
        leads = [f"{i.text} + {k}" for i in names.integers for k in (1, 2) if i.low + k >= 1 and i.high + k <= size]
        return self.writer.pick(lags + leads) if lags + leads else None

    def _coded(self, names: Names, size: int, depth: int) -> str | None:
        codes = [v for v in names.vectors if v.element == "int" and v.low >= 1 and v.high <= size]
        if not codes or depth < 0:
            return None
        code: Vector = self.writer.pick(codes)
        return f"{code.name}[{self.index(names, code.size, depth - 1, code.name)}]"

    def _computed(self, names: Names, size: int) -> str | None:
        if not names.integers:
            return None
        whole: Integer = self.writer.pick(names.integers)
        if whole.low < 0:
            return None
        forms = [f"{whole.text} % {size} + 1", f"mod({whole.text}, {size}) + 1", f"min({whole.text} + 1, {size})"]
        if whole.low >= 1:
            forms.append(f"min({whole.text}, {size})")
        if whole.low >= 1 and whole.high <= size:
            forms += [f"{size} + 1 - {whole.text}", f"max({whole.text} - 1, 1)", f"div({whole.text} + 1, 2)"]
            forms += [f"({whole.text} > 1 ? {whole.text} - 1 : 1)"]
        return str(self.writer.pick(forms))

    def _from_end(self, size: int, base: str) -> str | None:
        if not base:
            return None
        back = self.writer.random.randint(0, size - 1)
        return "end" if back == 0 else f"end - {back}"
