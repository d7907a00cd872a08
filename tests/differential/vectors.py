"""Random expressions for vectors of a wanted size."""

from __future__ import annotations

from functools import partial

from tests.differential.expressions import Expressions
from tests.differential.scope import Integer, Matrix, Names, Vector


class Vectors(Expressions):
    """Expressions for vectors, beside those for numbers."""

    def vector(self, names: Names, size: int, depth: int = 1) -> str:
        """A vector of reals of a size."""
        leaf = {
            partial(self._named, names, size): 6.0,
            partial(self._gathered, names, size): 2.0,
            partial(self._sliced, names, size): 1.5,
            partial(self._lane, names, size): 1.5,
            partial(self._made, names, size): 0.7,
        }
        if depth <= 0:
            return str(self.writer.first_of(leaf))
        grown = {
            partial(self._dotted, names, size, depth): 3.0,
            partial(self._comprehended, names, size, depth): 3.0,
            partial(self._changed, names, size, depth): 1.5,
            partial(self._mapped, names, size, depth): 1.0,
            partial(self._multiplied, names, size): 0.8,
            partial(self._literal, names, size, depth): 0.7,
            partial(self._stacked, names, size): 0.6,
            partial(self._chosen, names, size, depth): 0.5,
        }
        return str(self.writer.first_of({**leaf, **grown}))

    def _of_size(self, names: Names, size: int) -> list[Vector]:
        return [v for v in names.vectors if v.size == size and v.element != "bool"]

    def _named(self, names: Names, size: int) -> str | None:
        fitting = [v for v in self._of_size(names, size) if v.element == "real"]
        return self.writer.pick(fitting).name if fitting else None

    def _gathered(self, names: Names, size: int) -> str | None:
        codes = [v for v in names.vectors if v.element == "int" and v.size == size and v.low >= 1]
        pairs = [(b, c) for b in names.vectors for c in codes if b.element == "real" and c.high <= b.size]
        if not pairs:
            return None
        base, code = self.writer.pick(pairs)
        return f"{base.name}[{code.name}]"

    def _sliced(self, names: Names, size: int) -> str | None:
        larger = [v for v in names.vectors if v.element == "real" and v.size >= size]
        if not larger:
            return None
        vector: Vector = self.writer.pick(larger)
        spare = vector.size - size
        forms = [f"1:{size}", f"{spare + 1}:end", f"end-{size - 1}:end" if size > 1 else "end:end"]
        forms += [":", "end:-1:1", f"1:{vector.size}"] if spare == 0 else [f"1:end-{spare}", f"{spare}:end-1"]
        return f"{vector.name}[{self.writer.pick(forms)}]"

    def _lane(self, names: Names, size: int) -> str | None:
        rows = [f"{m.name}[{self.index(names, m.rows, 1)}, :]" for m in names.matrices if m.columns == size]
        columns = [f"{m.name}[:, {self.index(names, m.columns, 1)}]" for m in names.matrices if m.rows == size]
        return self.writer.pick(rows + columns) if rows + columns else None

    def _made(self, names: Names, size: int) -> str:
        return str(self.writer.pick([f"fill({self.real(names, 0)}, {size})", f"ones({size})", f"zeros({size})"]))

    def _dotted(self, names: Names, size: int, depth: int) -> str:
        w = self.writer
        left, right = self._operand(names, size, depth), self.vector(names, size, depth - 1)
        number = self.factor(self.real(names, 0))
        return str(
            w.pick([
                f"{left} .+ {right}", f"{left} .* {self.factor(right)}", f"{left} + {right}", f"{left} - {self.factor(right)}",
                f"{number} .+ {right}", f"{number} .* {self.factor(right)}", f"{number} * {self.factor(right)}",
                f"{self.factor(right)} ./ 2", f"{self.factor(right)} .- {number}", f"({number} .+ {right}) .* 0.5",
            ])
        )  # fmt: skip

    def _operand(self, names: Names, size: int, depth: int) -> str:
        return self.factor(self.vector(names, size, depth - 1))

    def _comprehended(self, names: Names, size: int, depth: int) -> str:
        w = self.writer
        inner = names.inner()
        inner.loops += 1
        name = w.fresh("k", "l", "n")
        fitting = self._of_size(names, size)
        if fitting and w.chance(0.35):
            vector: Vector = w.pick(fitting)
            if w.chance(0.5):
                self._item(inner, name, vector)
                return f"[{self.real(inner, depth)} for {name} in {vector.name}]"
            inner.integers.append(Integer(name, 1, size))
            value = w.fresh("v")
            self._item(inner, value, vector)
            return f"[{self.real(inner, depth)} for ({name}, {value}) in enumerate({vector.name})]"
        inner.integers.append(Integer(name, 1, size))
        over = w.pick([f"1:{size}"] * 3 + [f"{size}:-1:1", *[f"eachindex({v.name})" for v in fitting[:1]]])
        return f"[{self.real(inner, depth)} for {name} in {over}]"

    def _changed(self, names: Names, size: int, depth: int) -> str:
        inner = self.vector(names, size, depth - 1)
        return str(
            self.writer.pick([
                f"cumsum({inner})", f"reverse({inner})", f"tanh.({inner})", f"abs.({inner})", f"exp.(-abs.({inner}))",
                f"max.({inner}, 0)", f"copy({inner})", f"sort({inner})", f"collect({inner})", f"-{self.factor(inner)}",
                f"{self.factor(inner)}.^2 ./ 4", f"vec({inner})",
            ])
        )  # fmt: skip

    def _mapped(self, names: Names, size: int, depth: int) -> str:
        w = self.writer
        inner = names.inner()
        inner.loops += 1
        name = w.fresh("u", "v")
        first = self.vector(names, size, depth - 1)
        inner.reals.append(name)
        if w.chance(0.4):
            second = w.fresh("u", "v")
            inner.reals.append(second)
            return f"map(({name}, {second}) -> {self.real(inner, 1)}, {first}, {self.vector(names, size, 0)})"
        if w.chance(0.3):
            inner.reals.remove(name)
            inner.integers.append(Integer(name, 1, size))
            return f"map({name} -> {self.real(inner, 1)}, 1:{size})"
        return f"map({name} -> {self.real(inner, 1)}, {first})"

    def _multiplied(self, names: Names, size: int) -> str | None:
        fitting = [m for m in names.matrices if m.rows == size and self._of_size(names, m.columns)]
        if not fitting:
            return None
        matrix: Matrix = self.writer.pick(fitting)
        return f"{matrix.name} * {self.writer.pick(self._of_size(names, matrix.columns)).name}"

    def _literal(self, names: Names, size: int, depth: int) -> str:
        return f"[{', '.join(self.real(names, min(depth - 1, 1)) for _ in range(size))}]"

    def _stacked(self, names: Names, size: int) -> str | None:
        if size < 2:
            return None
        cut = self.writer.random.randint(1, size - 1)
        first = self._named(names, cut) if cut > 1 else self.real(names, 0)
        rest = self._named(names, size - cut) or self._sliced(names, size - cut)
        return (
            None
            if first is None or rest is None
            else self.writer.pick([f"vcat({first}, {rest})", f"[{first}; {rest}]"])
        )

    def _chosen(self, names: Names, size: int, depth: int) -> str:
        flags = [v for v in names.vectors if v.element == "bool" and v.size == size]
        left, right = self.vector(names, size, 0), self.vector(names, size, 0)
        if flags:
            return f"ifelse.({self.writer.pick(flags).name}, {left}, {right})"
        return f"ifelse.({self.factor(self.vector(names, size, 0))} .> 0, {left}, {right})"
