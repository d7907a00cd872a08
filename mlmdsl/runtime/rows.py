"""All that a Gaussian likelihood needs of its rows, summed in one pass whose memory does not depend on their number.

A linear predictor is D c, where D (N × p) is made of terms: `Term`. A term's columns are scale[i] · X[i, k], or for
indices j(i) along the rows scale[i] · X[i, k] · 1[j(i) = j]. Such columns are never built: the products DᵀD of two terms are
sums by index (counts, sums of columns, or Gram matrices), taken a chunk of rows after another, in double precision.

y enters as its residual y − D c₀ from a rough fit c₀, which is the same for all levels of an index: numbers far from zero
would lose the digits that matter in yᵀy. Weights ω multiply the contributions of rows, known scales s divide rows:

    G = Σ_i ω_i/s_i² · [d_i, e_i]ᵀ[d_i, e_i],   e = y − D c₀
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

CHUNK = 2**18
"""Rows that are looked at together: some megabytes a column."""
PILOT = 2**14
"""Rows of the rough fit, spread evenly."""


class Term(NamedTuple):
    """A term: `dense` (N, k), or a column of ones; `picks`, 1-based indices (N,) with their numbers of levels; `scale` (N,)."""

    dense: Tensor | None = None
    picks: Sequence[tuple[Tensor, int]] = ()
    scale: Tensor | None = None

    @property
    def width(self) -> int:
        """k, the number of columns before the indices."""
        return 1 if self.dense is None else self.dense.shape[1]

    @property
    def levels(self) -> int:
        """The number of combinations of the indices' levels."""
        return prod(size for _, size in self.picks)


class RowStatistics(NamedTuple):
    """The sums for dense algebra.

    Attributes:
        gram: G (p + 1, p + 1), of the columns and, last, of e.
        reference: c₀ (p,).
        length: N.
        weight: Σ ω, which is N without weights.
        log_scale: Σ ω log s.
    """

    gram: Tensor
    reference: Tensor
    length: int
    weight: float
    log_scale: Tensor


class GroupStatistics(NamedTuple):
    """The sums for block elimination, for rows in J groups: terms whose coefficients are a group's own are kept apart.

    Attributes:
        rows: of the other columns.
        between: (p + 1, g, J), the products of those and of e with the g columns of each group.
        within: (g, g, J), the products of a group's columns.
        reference: c₀ of the groups' columns (g,), the same for all groups.
    """

    rows: RowStatistics
    between: Tensor
    within: Tensor
    reference: Tensor


def row_statistics(
    y: Tensor, terms: Sequence[Term], scale: Tensor | None = None, weight: Tensor | None = None
) -> RowStatistics:
    """The sums over the rows. `scale`: known scales (N,), or one for all; `weight`: (N,), how often a row counts."""
    return _Sums(y, terms, (), None, scale, weight).rows()


def group_statistics(
    y: Tensor,
    terms: Sequence[Term],
    grouped: Sequence[Term],
    groups: tuple[Tensor, int],
    scale: Tensor | None = None,
    weight: Tensor | None = None,
) -> GroupStatistics:
    """The sums over the rows, by group for the `grouped` terms. `groups`: the 1-based group of each row (N,), and J."""
    return _Sums(y, terms, grouped, groups, scale, weight).groups()


class _Part(NamedTuple):
    """A term in a chunk of n rows: columns (k, n), the combination of levels of each row (n,) if any, their number."""

    columns: Tensor
    code: Tensor | None
    levels: int


class _Sums:
    """The pass over the rows."""

    def __init__(
        self,
        y: Tensor,
        terms: Sequence[Term],
        grouped: Sequence[Term],
        groups: tuple[Tensor, int] | None,
        scale: Tensor | None,
        weight: Tensor | None,
    ) -> None:
        self.y, self.terms, self.grouped = y, list(terms), list(grouped)
        self.index: Tensor | None = None if groups is None else groups[0]
        self.number = 1 if groups is None else groups[1]
        self.scale = None if scale is None else scale.expand(len(y))
        self.weight = weight
        self.rough = self._rough_fit()
        own, by_group = _places(self.terms), _places(self.grouped)
        self.outer = _zeros(y, own[-1], own[-1], 1)
        self.between = _zeros(y, own[-1], by_group[-2], self.number)
        self.within = _zeros(y, by_group[-2], by_group[-2], self.number)
        self.total, self.log_scale = 0.0, _zeros(y)
        for start in range(0, len(y), CHUNK):
            self._add(slice(start, start + CHUNK))

    def rows(self) -> RowStatistics:
        """The sums of the terms that are not by group."""
        reference = _reference(self.terms, self.rough[: sum(term.width for term in self.terms)])
        return RowStatistics(
            self._like(self.outer[:, :, 0]),
            self._like(reference),
            len(self.y),
            self.total,
            self._like(self.log_scale),
        )

    def groups(self) -> GroupStatistics:
        """All sums."""
        reference = _reference(self.grouped, self.rough[sum(term.width for term in self.terms) :])
        return GroupStatistics(self.rows(), *(self._like(part) for part in (self.between, self.within, reference)))

    def _like(self, value: Tensor) -> Tensor:
        return value.to(self.y.dtype)

    def _columns(self, term: Term, rows: slice) -> Tensor:
        """The term's columns before its indices, (k, n)."""
        count = len(self.y[rows])
        made = torch.ones(1, count, dtype=torch.float64, device=self.y.device)
        if term.dense is not None:
            made = term.dense[rows].T.to(torch.float64, memory_format=torch.contiguous_format)
        return made if term.scale is None else made * term.scale.expand(len(self.y))[rows].double()

    def _rough_fit(self) -> Tensor:
        """c₀ by least squares, one coefficient a column whatever the level.

        What several terms can say is said by the first of: those of all rows, those of a group, those picked otherwise.
        """
        terms = [*self.terms, *self.grouped]
        rows = slice(None, None, max(1, len(self.y) // PILOT))
        residual = self.y[rows].double().cpu()
        fits = [torch.zeros(term.width, dtype=torch.float64) for term in terms]
        of_groups = [position >= len(self.terms) for position in range(len(terms))]
        for stage in ((False, False), (True, False), (False, True), (True, True)):
            own = [k for k, term in enumerate(terms) if (of_groups[k], bool(term.picks)) == stage]
            if own:
                columns = torch.cat([self._columns(terms[k], rows) for k in own]).cpu()
                fit = torch.linalg.lstsq(columns.T, residual[:, None], driver="gelsd").solution[:, 0]
                residual = residual - fit @ columns
                for k, part in zip(own, torch.split(fit, [terms[k].width for k in own]), strict=True):
                    fits[k] = part
        return torch.cat([*fits, residual[:0]]).to(self.y.device)

    def _add(self, rows: slice) -> None:
        """The sums with those of a chunk."""
        parts, grouped = [[self._part(term, rows) for term in terms] for terms in (self.terms, self.grouped)]
        residual = self.y[rows].double()
        for part, rough in zip([*parts, *grouped], self._rough_parts(), strict=True):
            residual = residual - rough @ part.columns
        parts.append(_Part(residual[None], None, 1))
        weight = torch.ones_like(residual) if self.weight is None else self.weight[rows].double()
        if self.scale is not None:
            scale = self.scale[rows].double()
            self.log_scale += weight @ torch.log(scale)
        self.total += float(weight.sum())
        ratio = weight if self.scale is None else weight / scale**2
        group = _Part(residual[None], None if self.index is None else self.index[rows].long() - 1, self.number)
        _add_products(self.outer, _places(self.terms), parts, ratio)
        if self.grouped:
            _add_products(self.within, _places(self.grouped), grouped, ratio, group)
            _add_between(self.between, _places(self.terms), _places(self.grouped), parts, grouped, ratio, group)

    def _rough_parts(self) -> Iterator[Tensor]:
        yield from torch.split(self.rough, [term.width for term in (*self.terms, *self.grouped)])

    def _part(self, term: Term, rows: slice) -> _Part:
        codes = [(index[rows].long() - 1, size) for index, size in term.picks]
        return _Part(self._columns(term, rows), _combined(codes) if codes else None, term.levels)


def _places(terms: Sequence[Term]) -> list[int]:
    """Where each term's columns start; then where those of e do; then their end."""
    places = [0]
    for term in terms:
        places.append(places[-1] + term.width * term.levels)
    return [*places, places[-1] + 1]


def _reference(terms: Sequence[Term], rough: Tensor) -> Tensor:
    """The rough fit, repeated for every level."""
    parts = torch.split(rough, [term.width for term in terms])
    each = [part.repeat_interleave(term.levels) for part, term in zip(parts, terms, strict=True)]
    return torch.cat(each) if each else rough[:0]


def _zeros(like: Tensor, *sizes: int) -> Tensor:
    return torch.zeros(sizes, dtype=torch.float64, device=like.device)


def _add_products(
    sums: Tensor, places: Sequence[int], parts: Sequence[_Part], weight: Tensor, group: _Part | None = None
) -> None:
    """Add the products of each two terms (p, p, J)."""
    for (a, left), (b, right) in combinations_with_replacement(enumerate(parts), 2):
        block = _product(left, right, weight, group)
        sums[places[a] : places[a + 1], places[b] : places[b + 1]] += block
        if a != b:
            sums[places[b] : places[b + 1], places[a] : places[a + 1]] += block.transpose(0, 1)


def _add_between(
    sums: Tensor,
    rows: Sequence[int],
    columns: Sequence[int],
    parts: Sequence[_Part],
    grouped: Sequence[_Part],
    weight: Tensor,
    group: _Part,
) -> None:
    """Add the products of terms with terms by group (p + 1, g, J)."""
    for a, left in enumerate(parts):
        for b, right in enumerate(grouped):
            block = _product(left, right, weight, group)
            sums[rows[a] : rows[a + 1], columns[b] : columns[b + 1]] += block


def _combined(codes: Sequence[tuple[Tensor, int]]) -> Tensor:
    """One code for several, the last running fastest."""
    whole = codes[0][0]
    for code, levels in codes[1:]:
        whole = whole * levels + code
    return whole


def _product(left: _Part, right: _Part, weight: Tensor, group: _Part | None) -> Tensor:
    """Σ_i ω_i left[i, ·] right[i, ·], by group: (p, p′, J)."""
    number = 1 if group is None else group.levels
    coded = [part for part in (left, right, group) if part is not None and part.code is not None]
    if not coded:
        return ((left.columns * weight) @ right.columns.T)[:, :, None]
    code = _combined([(part.code, part.levels) for part in coded if part.code is not None])
    shape = (left.levels, right.levels, number)
    whole = _zeros(left.columns, len(left.columns), left.levels, len(right.columns), right.levels, number)
    for k, each in enumerate(left.columns * weight):
        for m, other in enumerate(right.columns):
            whole[k, :, m] = torch.bincount(code, weights=each * other, minlength=prod(shape)).reshape(shape)
    return whole.flatten(2, 3).flatten(0, 1)
