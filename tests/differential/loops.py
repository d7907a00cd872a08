"""Random loops and branches, and the idioms that need one: recurrences, totals by group, counters, ragged rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.differential.motifs import Statements
from tests.differential.scope import Integer, Matrix, Names, Vector


class Loops(Statements):
    """Loops and branches, beside all other statements."""

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        """Lines between a header and its `end`."""
        w = self.writer
        w.line(header)
        w.depth += 1
        before = len(w.lines)
        yield
        if len(w.lines) == before:
            w.line("nothing")
        w.depth -= 1
        w.line("end")

    def loop(self, names: Names, nesting: int) -> bool:
        w = self.writer
        if names.matrices and w.chance(0.12):
            return self._over_lanes(names, nesting)
        if w.chance(0.12):
            return self._over_two(names, nesting)
        inner, iterator = self.iterated(names, ("i", "j", "t", "n"))
        with self.block(f"for {iterator}"):
            self.body(inner, w.random.randint(1, 3), nesting + 1)
        return True

    def _over_lanes(self, names: Names, nesting: int) -> bool:
        w, matrix = self.writer, self.writer.pick(names.matrices)
        i, lane, inner = w.fresh("i"), w.fresh("row", "col"), names.inner()
        inner.loops += 1
        function, count, size = w.pick(
            [("eachrow", matrix.rows, matrix.columns), ("eachcol", matrix.columns, matrix.rows)]
        )
        inner.integers.append(Integer(i, 1, count))
        inner.vectors.append(Vector(lane, size))
        with self.block(f"for ({i}, {lane}) in enumerate({function}({matrix.name}))"):
            self.body(inner, w.random.randint(1, 2), nesting + 1)
        return True

    def _over_two(self, names: Names, nesting: int) -> bool:
        w, inner = self.writer, names.inner()
        inner.loops += 1
        i, j = w.fresh("i"), w.fresh("j")
        matrix: Matrix | None = w.pick(names.matrices) if names.matrices else None
        rows, columns = (
            (matrix.rows, matrix.columns)
            if matrix and w.chance(0.7)
            else (w.pick(list(w.sizes)), w.pick(list(w.sizes)))
        )
        inner.integers.append(Integer(i, 1, rows))
        ragged = rows == columns and w.chance(0.3)
        inner.integers.append(Integer(j, 1, columns))
        with self.block(f"for {i} in 1:{rows}, {j} in {f'1:{i}' if ragged else f'1:{columns}'}"):
            self.body(inner, w.random.randint(1, 2), nesting + 1)
        return True

    def branch(self, names: Names, nesting: int) -> bool:
        w = self.writer
        w.line(f"if {self.known_truth(names)}")
        w.depth += 1
        self._quiet_body(names, nesting)
        w.depth -= 1
        if w.chance(0.25):
            w.line(f"elseif {self.known_truth(names)}")
            w.depth += 1
            self._quiet_body(names, nesting)
            w.depth -= 1
        if w.chance(0.5):
            w.line("else")
            w.depth += 1
            self._quiet_body(names, nesting)
            w.depth -= 1
        w.line("end")
        return True

    def _quiet_body(self, names: Names, nesting: int) -> None:
        """Statements whose new names end with the branch."""
        inner, before = names.inner(), len(self.writer.lines)
        inner.loops = max(inner.loops, 1)
        self.body(inner, self.writer.random.randint(1, 2), nesting + 1)
        if len(self.writer.lines) == before:
            self.writer.line("nothing")

    # ── idioms ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def filled(self, names: Names) -> bool:
        """An array made first and filled by a loop."""
        w = self.writer
        size, name, i = w.pick(list(w.sizes)), w.fresh("μ", "s", "h"), w.fresh("i", "n")
        w.line(f"{name} = {w.pick([f'zeros({size})', f'Vector{{Float64}}(undef, {size})', f'fill(0.0, {size})'])}")
        inner = names.inner()
        inner.loops += 1
        inner.integers.append(Integer(i, 1, size))
        with self.block(f"for {i} in {w.pick([f'1:{size}', f'eachindex({name})'])}"):
            if w.chance(0.4):
                self.body(inner, 1, 2)
            w.line(f"{name}[{i}] = {self.real(inner)}")
        names.vectors.append(Vector(name, size, own=True))
        return True

    def recurrence(self, names: Names) -> bool:
        """Each element from those before."""
        w = self.writer
        size, name, t = w.pick(list(w.sizes)), w.fresh("h", "s", "v"), w.fresh("t")
        lag = 2 if size > 2 and w.chance(0.3) else 1
        w.line(f"{name} = {w.pick([f'zeros({size})', f'fill({self.real(names, 0)}, {size})'])}")
        w.line(f"{name}[1] = {self.real(names, 1)}")
        inner = names.inner()
        inner.loops += 1
        inner.integers.append(Integer(t, lag + 1, size))
        observed = [v for v in names.vectors if v.name.startswith("y") and v.size >= size and v.name in w.arguments]
        with self.block(f"for {t} in {lag + 1}:{size}"):
            w.line(f"{name}[{t}] = 0.5 * {name}[{t} - {lag}] + {self.real(inner, 1)}")
            if observed and w.chance(0.4):
                w.line(f"{w.pick(observed).name}[{t}] ~ Normal({name}[{t}], {self.positive(inner)})")
        names.vectors.append(Vector(name, size, own=True))
        return True

    def group_totals(self, names: Names) -> bool | None:
        """Counts and sums by group."""
        w = self.writer
        codes = [v for v in names.vectors if v.element == "int" and v.low >= 1 and v.name in w.arguments]
        if not codes:
            return None
        code: Vector = w.pick(codes)
        name, i, inner = w.fresh("tot", "cnt"), w.fresh("i"), names.inner()
        inner.loops += 1
        size = code.high + (1 if w.chance(0.2) else 0)
        w.line(f"{name} = {w.pick([f'zeros({size})', f'zeros({size})', f'fill({self.real(names, 0)}, {size})'])}")
        form = w.pick(["index", "index", "values", "pairs"])
        inner.integers.append(Integer(i, 1, code.size) if form != "values" else Integer(i, code.low, code.high))
        place = {"index": f"{code.name}[{i}]", "values": i, "pairs": "lev"}[form]
        over = {
            "index": f"{i} in 1:{code.size}",
            "values": f"{i} in {code.name}",
            "pairs": f"({i}, lev) in enumerate({code.name})",
        }
        with self.block(f"for {over[form]}"):
            w.line(f"{name}[{place}] {w.pick(['+=', '+=', '-=', '='])} {w.pick(['1', self.real(inner)])}")
        names.vectors.append(Vector(name, size, own=True))
        return True

    def running(self, names: Names) -> bool:
        """A total carried through one or two loops, kept or observed as it grows."""
        w = self.writer
        total, i, j, inner = w.fresh("t", "acc"), w.fresh("i", "n"), w.fresh("j", "s"), names.inner()
        size, width = w.pick(list(w.sizes)), w.pick(list(w.sizes))
        w.line(f"{total} = {w.pick(['0.0', '0', self.real(names, 0)])}")
        inner.loops += 1
        inner.integers.append(Integer(i, 1, size))
        kept = None
        if w.chance(0.5):
            kept = w.fresh("run")
            w.line(f"{kept} = zeros({size})")
        with self.block(f"for {i} in 1:{size}"):
            if w.chance(0.5):
                deep = inner.inner()
                deep.integers.append(Integer(j, 1, width))
                with self.block(f"for {j} in 1:{w.pick([width, width, i if size <= width else width])}"):
                    w.line(f"{total} += {w.pick(['1', '0.5', self.real(deep)])}")
            else:
                w.line(f"{total} += {w.pick(['1', self.real(inner)])}")
            if kept:
                w.line(f"{kept}[{i}] {w.pick(['=', '+='])} {total}")
            inner.reals.append(total)
            if not kept or w.chance(0.4):
                self.observe_element(inner)
        names.reals.append(total)
        names.own_reals.append(total)
        if kept:
            names.vectors.append(Vector(kept, size, own=True))
        return True

    def counter(self, names: Names) -> bool:
        """A place that moves on as a loop goes."""
        w = self.writer
        k, i, j, name = w.fresh("k", "pos"), w.fresh("i"), w.fresh("j"), w.fresh("q", "s")
        rows, columns = w.pick([1, 2, 3]), w.pick([1, 2])
        size = rows * columns + w.pick([0, 0, 1])
        w.line(f"{name} = zeros({size})")
        w.line(f"{k} = {w.pick(['0', '0', '1'])}")
        first = w.lines[-1].endswith("0")
        inner = names.inner()
        inner.loops += 1
        inner.integers += [Integer(i, 1, rows), Integer(j, 1, columns)]
        guard = f"if {self.known_truth(names)}" if w.chance(0.2) else None
        with self.block(
            f"for {i} in 1:{rows}, {j} in 1:{columns}" if w.chance(0.5) else f"for {i} in 1:{rows * columns}"
        ):
            if w.lines[-1].count(",") == 0:
                inner.integers.pop()
                inner.integers[-1] = Integer(i, 1, rows * columns)
            step, store = f"{k} += 1", f"{name}[{k}] = {self.real(inner)}"
            lines = [step, store] if first else [store, step]
            if guard:
                with self.block(guard):
                    for line in lines:
                        w.line(line)
            else:
                for line in lines:
                    w.line(line)
        names.vectors.append(Vector(name, size, own=True))
        names.counters.append(k)
        names.integers.append(Integer(k, 0, size + 1))
        return True

    def ragged(self, names: Names) -> bool | None:
        """Rows of uneven length, by their first and last places."""
        w = self.writer
        base = [v for v in names.vectors if v.element == "real"]
        if not base:
            return None
        vector: Vector = w.pick(base)
        cuts = sorted(w.random.choices(range(vector.size + 1), k=2))
        bounds = [(1, cuts[0]), (cuts[0] + 1, cuts[1]), (cuts[1] + 1, vector.size)]
        start, stop, j = w.fresh("start"), w.fresh("stop"), w.fresh("j")
        w.arguments[start], w.arguments[stop] = [low for low, _ in bounds], [high for _, high in bounds]
        inner = names.inner()
        inner.loops += 1
        inner.integers.append(Integer(j, 1, 3))
        out = w.fresh("part")
        w.line(f"{out} = zeros(3)")
        part = f"{start}[{j}]:{stop}[{j}]"
        with self.block(f"for {j} in 1:3"):
            if w.chance(0.5):
                w.line(f"{out}[{j}] = sum({vector.name}[{part}]) + {self.real(inner, 1)}")
            else:
                k = w.fresh("k")
                deep = inner.inner()
                deep.integers.append(Integer(k, 1, vector.size))
                with self.block(f"for {k} in {part}"):
                    w.line(f"{out}[{j}] += {vector.name}[{k}] * {self.factor(self.real(deep, 1))}")
        names.vectors.append(Vector(out, 3, own=True))
        return True
