"""Random statements, as people write them in models: loops that carry, store, accumulate and observe."""

from __future__ import annotations

from functools import partial

from tests.differential.scope import Helper, Integer, Matrix, Names, Vector
from tests.differential.vectors import Vectors


class Statements(Vectors):
    """Statements over the names in scope; each method writes lines and says whether it did."""

    def body(self, names: Names, count: int, nesting: int = 0) -> None:
        """Some statements in a row."""
        for _ in range(count):
            self.statement(names, nesting)

    def statement(self, names: Names, nesting: int) -> None:
        """One statement, or a few that belong together."""
        looped = names.loops > 0
        everywhere = {
            partial(self.local_real, names): 2.0,
            partial(self.update_real, names): 3.0 if looped else 1.0,
            partial(self.store_element, names): 6.0 if looped else 1.5,
            partial(self.store_entry, names): 2.0 if looped else 0.5,
            partial(self.observe_element, names): 5.0 if looped else 0.4,
            partial(self.count_up, names): 1.5 if looped else 0.2,
            partial(self.store_slice, names): 1.0,
            partial(self.swap, names): 0.7,
            partial(self.rebind, names): 0.8,
            partial(self.add_density, names): 0.6,
        }
        deeper = {
            partial(self.loop, names, nesting): (3.0, 1.2, 0.3)[nesting],
            partial(self.branch, names, nesting): (0.8, 1.2, 0.5)[nesting],
        } if nesting < 3 else {}  # fmt: skip
        top = {
            partial(self.local_vector, names): 2.5,
            partial(self.local_matrix, names): 0.7,
            partial(self.recurrence, names): 1.0,
            partial(self.group_totals, names): 0.8,
            partial(self.running, names): 0.8,
            partial(self.counter, names): 0.8,
            partial(self.closure, names): 0.4,
            partial(self.alias, names): 0.9,
            partial(self.latent, names): 1.0,
            partial(self.ragged, names): 0.7,
            partial(self.observe_vector, names): 1.5,
            partial(self.filled, names): 1.0,
        }
        self.writer.first_of({**everywhere, **deeper, **({} if looped else top)})

    # ── names that are made ──────────────────────────────────────────────────────────────────────────────────────────

    def local_real(self, names: Names) -> bool:
        name = self.writer.fresh("t", "m", "c", "acc", "μ")
        value = self.real(names) if self.writer.chance(0.7) else self.writer.pick(["0.0", "1.0"])
        self.writer.line(f"{name} = {value}")
        names.reals.append(name)
        names.own_reals.append(name)
        return True

    def local_vector(self, names: Names) -> bool:
        w = self.writer
        size, name = w.pick(list(w.sizes)), w.fresh("s", "z", "w", "h", "η")
        made = [f"zeros({size})", f"zeros({size})", f"ones({size})", f"fill({self.real(names, 0)}, {size})"]
        w.line(f"{name} = {w.pick(made) if w.chance(0.4) else self.vector(names, size, 2)}")
        names.vectors.append(Vector(name, size, own=True))
        return True

    def local_matrix(self, names: Names) -> bool:
        w = self.writer
        rows, columns = w.pick(list(w.sizes)), w.pick(list(w.sizes))
        name, inner = w.fresh("A", "M", "Q"), names.inner()
        i, j = w.fresh("i"), w.fresh("j")
        inner.integers += [Integer(i, 1, rows), Integer(j, 1, columns)]
        inner.loops += 1
        made = [f"zeros({rows}, {columns})", f"[{self.real(inner, 1)} for {i} in 1:{rows}, {j} in 1:{columns}]"]
        w.line(f"{name} = {w.pick(made)}")
        names.matrices.append(Matrix(name, rows, columns, own=True))
        return True

    def closure(self, names: Names) -> bool:
        w = self.writer
        name, argument, inner = w.fresh("f"), w.fresh("u"), names.inner()
        inner.reals.append(argument)
        w.line(f"{name} = {argument} -> {self.real(inner, 1)}")
        names.helpers.append(Helper(name, ("real",)))
        return True

    def alias(self, names: Names) -> bool | None:
        """A second name for an array, then a change through one of them."""
        own = [v for v in names.vectors if v.own and v.element == "real"]
        if not own:
            return None
        vector, name = self.writer.pick(own), self.writer.fresh("w", "q")
        self.writer.line(f"{name} = {vector.name}")
        names.vectors.append(Vector(name, vector.size, own=True))
        self.store_element(names)
        return True

    # ── names that change ────────────────────────────────────────────────────────────────────────────────────────────

    def update_real(self, names: Names) -> bool | None:
        if not names.own_reals:
            return None
        name = self.writer.pick(names.own_reals)
        value = self.factor(self.real(names, 1))
        self.writer.line(
            self.writer.pick([
                f"{name} += {value}", f"{name} += {value}", f"{name} = 0.5 * {name} + {value}", f"{name} -= {value}",
                f"{name} = {self.real(names)}", f"{name} = tanh({name} + {value})", f"{name} *= 0.5",
            ])
        )  # fmt: skip
        return True

    def store_element(self, names: Names) -> bool | None:
        own = [v for v in names.vectors if v.own and v.element == "real"]
        if not own:
            return None
        vector: Vector = self.writer.pick(own)
        place = self.index(names, vector.size, 1, vector.name)
        value = self.real(names)
        form = self.writer.pick(["= {v}", "= {v}", "+= {v}", "+= {v}", "-= {v}", "*= 0.5", "= 0.5 * {n} + {v}"])
        target = f"{vector.name}[{place}]"
        self.writer.line(f"{target} {form.format(v=self.factor(value) if '*' in form else value, n=target)}")
        return True

    def store_entry(self, names: Names) -> bool | None:
        own = [m for m in names.matrices if m.own]
        if not own:
            return None
        w, matrix = self.writer, self.writer.pick(own)
        row, column = self.index(names, matrix.rows), self.index(names, matrix.columns)
        w.line(
            w.pick([
                f"{matrix.name}[{row}, {column}] {w.pick(['=', '+='])} {self.real(names)}",
                f"{matrix.name}[{row}, {column}] = {self.real(names)}",
                f"{matrix.name}[{row}, :] {w.pick(['=', '.=', '.+='])} {self.vector(names, matrix.columns, 1)}",
                f"{matrix.name}[:, {column}] {w.pick(['=', '.='])} {self.vector(names, matrix.rows, 1)}",
            ])
        )  # fmt: skip
        return True

    def store_slice(self, names: Names) -> bool | None:
        own = [v for v in names.vectors if v.own and v.element == "real"]
        if not own:
            return None
        w, vector = self.writer, self.writer.pick(own)
        low = self.index(names, vector.size, 0, vector.name)
        w.line(
            w.pick([
                f"{vector.name} .= {self.vector(names, vector.size, 1)}", f"{vector.name} .+= {self.real(names, 1)}",
                f"{vector.name}[{low}:end] .= {self.real(names, 1)}", f"{vector.name}[1:{low}] .+= {self.real(names, 0)}",
                f"{vector.name}[:] = {self.vector(names, vector.size, 1)}", f"{vector.name} .*= 0.5",
            ])
        )  # fmt: skip
        return True

    def swap(self, names: Names) -> bool | None:
        w = self.writer
        own = [v for v in names.vectors if v.own and v.element == "real"]
        if len(names.own_reals) >= 2 and w.chance(0.5):
            a, b = w.random.sample(names.own_reals, 2)
            w.line(w.pick([f"{a}, {b} = {b}, {a}", f"{a}, {b} = {b}, {self.real(names, 1)}"]))
            return True
        if not own:
            return None
        vector: Vector = w.pick(own)
        i, j = (self.index(names, vector.size, 0, vector.name) for _ in range(2))
        n = vector.name
        w.line(f"{n}[{i}], {n}[{j}] = {n}[{j}], {n}[{i}]")
        return True

    def rebind(self, names: Names) -> bool | None:
        own = [v for v in names.vectors if v.own and v.element == "real"]
        if not own:
            return None
        vector: Vector = self.writer.pick(own)
        self.writer.line(f"{vector.name} = {self.vector(names, vector.size, 2)}")
        return True

    def count_up(self, names: Names) -> bool | None:
        if not names.counters:
            return None
        self.writer.line(f"{self.writer.pick(names.counters)} += 1")
        return True

    # ── observations ─────────────────────────────────────────────────────────────────────────────────────────────────

    def observe_element(self, names: Names) -> bool | None:
        w = self.writer
        vector = self.outcome(names)
        if vector is None:
            return None
        place = self.index(names, vector.size, 1, vector.name)
        w.line(f"{vector.name}[{place}] ~ {self.law(names, vector)}")
        return True

    def outcome(self, names: Names, real: bool = False) -> Vector | None:
        """A vector of data to observe: mostly one that nothing has observed yet."""
        w = self.writer
        data = [v for v in names.vectors if v.name.startswith("y" if real else ("y", "c")) and v.name in w.arguments]
        fresh = [v for v in data if v.name not in w.observed]
        if not fresh and not w.chance(w.wild):
            size, name = w.pick(list(w.sizes)), w.fresh("y")
            w.arguments[name] = [round(w.random.uniform(-2, 2), 2) for _ in range(size)]
            fresh = [Vector(name, size)]
        chosen: Vector | None = w.pick(fresh or data) if fresh or data else None
        if chosen is not None:
            w.observed.add(chosen.name)
        return chosen

    def law(self, names: Names, vector: Vector) -> str:
        """A distribution of one element of a data vector."""
        w, mean = self.writer, self.real(names)
        if vector.element == "int":
            return str(
                w.pick([f"Poisson(exp(0.1 * {self.factor(mean)}))", f"LogPoisson(tanh({mean}))",
                        f"BinomialLogit(9, tanh({mean}))", f"NegativeBinomial({self.positive(names)}, 0.4)"])
            )  # fmt: skip
        return str(
            w.pick([
                f"Normal({mean}, {self.positive(names)})", f"Normal({mean}, {self.positive(names)})",
                f"Cauchy({mean}, {self.positive(names)})", f"Laplace({mean}, 1)", f"Logistic({mean}, 1.0)",
                f"truncated(Normal({mean}, 2.0); lower=-9)",
            ])
        )  # fmt: skip

    def observe_vector(self, names: Names) -> bool | None:
        w = self.writer
        vector = self.outcome(names, real=True)
        if vector is None:
            return None
        mean, n = self.vector(names, vector.size, 2), vector.name
        i = w.fresh("i")
        inner = names.inner()
        inner.integers.append(Integer(i, 1, vector.size))
        inner.loops += 1
        w.line(
            w.pick([
                f"{n} ~ MvNormal({mean}, {self.positive(names)} * I)", f"{n} .~ Normal({self.real(names)}, 1.0)",
                f"{n} .~ Normal.({mean}, {self.positive(names)})", f"{n} ~ filldist(Normal({self.real(names)}, 1), {vector.size})",
                f"{n} ~ arraydist([Normal({self.real(inner)}, 1.0) for {i} in 1:{vector.size}])",
                f"{n} ~ arraydist(Normal.({mean}, 2.0))", f"{n} ~ product_distribution(Normal.({mean}, 1.0))",
            ])
        )  # fmt: skip
        return True

    def add_density(self, names: Names) -> bool:
        w = self.writer
        law = f"Normal({self.real(names, 1)}, {self.positive(names)})"
        w.line(w.pick([f"@addlogprob! {self.real(names)}", f"@addlogprob! logpdf({law}, {self.real(names, 1)})"]))
        return True

    def latent(self, names: Names) -> bool:
        """A vector of parameters, drawn at once, element by element, or each from the one before."""
        w = self.writer
        size, name = w.pick(list(w.sizes)), w.fresh("θ", "ζ", "r")
        w.values[name] = [round(w.random.uniform(-1, 1), 3) for _ in range(size)]
        forms = [self._latent_loop, self._latent_walk, self._latent_whole]
        w.pick(forms)(names, name, size)
        names.vectors.append(Vector(name, size, own=w.chance(0.2)))
        return True

    def _latent_whole(self, names: Names, name: str, size: int) -> None:
        w = self.writer
        w.line(
            w.pick([
                f"{name} ~ filldist(Normal({self.real(names, 1)}, 1), {size})",
                f"{name} ~ MvNormal({self.vector(names, size, 1)}, {self.positive(names)} * I)",
                f"{name} ~ arraydist([Normal(0.1 * l, {self.positive(names)}) for l in 1:{size}])",
            ])
        )  # fmt: skip

    def _latent_loop(self, names: Names, name: str, size: int) -> None:
        w, i = self.writer, self.writer.fresh("i", "j")
        inner = names.inner()
        inner.integers.append(Integer(i, 1, size))
        inner.loops += 1
        w.line(f"{name} = {w.pick([f'Vector{{Float64}}(undef, {size})', f'zeros({size})'])}")
        w.line(f"for {i} in 1:{size}")
        w.depth += 1
        w.line(f"{name}[{i}] ~ Normal({self.real(inner)}, {self.positive(inner)})")
        w.depth -= 1
        w.line("end")

    def _latent_walk(self, names: Names, name: str, size: int) -> None:
        w, i = self.writer, self.writer.fresh("t", "i")
        inner = names.inner()
        inner.integers.append(Integer(i, 2, size))
        inner.loops += 1
        w.line(f"{name} = zeros({size})")
        w.line(f"{name}[1] ~ Normal(0, 1)")
        w.line(f"for {i} in 2:{size}")
        w.depth += 1
        w.line(f"{name}[{i}] ~ Normal(0.5 * {name}[{i} - 1] + {self.real(inner, 1)}, {self.positive(inner)})")
        w.depth -= 1
        w.line("end")
