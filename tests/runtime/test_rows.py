"""The sums over rows against the design they stand for; chunks; memory.  Tolerances are of rounding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mlmdsl.runtime import GroupStatistics, RowStatistics, Term, group_statistics, row_statistics, rows


def data(count: int, seed: int = 0) -> dict[str, Tensor]:
    """Columns of data: y, x, X (3 columns), g (1 to 4) and h (1 to 3)."""
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(count, 5, generator=generator, dtype=torch.float64)
    index = torch.randint(0, 12, (count,), generator=generator)
    return {"y": normal[:, 0], "x": normal[:, 1], "X": normal[:, 2:], "g": index % 4 + 1, "h": index % 3 + 1}


def columns(term: Term, count: int) -> Tensor:
    """The design of a term, (N, p)."""
    made = torch.ones(count, 1, dtype=torch.float64) if term.dense is None else term.dense
    for index, size in term.picks:
        made = (made[:, :, None] * torch.nn.functional.one_hot(index - 1, size)[:, None, :]).flatten(1)
    return made if term.scale is None else made * term.scale[:, None]


def terms(d: dict[str, Tensor]) -> list[Term]:
    """One of each kind: constant, scaled, dense, picked, dense and picked, picked twice and scaled."""
    return [
        Term(), Term(scale=d["x"]), Term(d["X"]), Term(picks=[(d["h"], 3)]), Term(d["X"], [(d["h"], 3)]),
        Term(picks=[(d["h"], 3), (d["g"], 4)], scale=d["x"]),
    ]  # fmt: skip


def statistics(d: dict[str, Tensor], **options: Tensor) -> GroupStatistics:
    return group_statistics(d["y"], terms(d), terms(d)[:5], (d["g"], 4), **options)


@pytest.mark.parametrize("count", [1, 7, 500])
def test_sums_are_those_of_the_design(count: int) -> None:
    d = data(count)
    scale, weight = torch.exp(d["x"] / 2), torch.arange(count).remainder(3).double()
    sums = statistics(d, scale=scale, weight=weight)
    design = torch.cat([columns(term, count) for term in terms(d)], 1)
    own = torch.cat([columns(term, count) for term in terms(d)[:5]], 1)
    residual = d["y"] - design @ sums.rows.reference - own @ sums.reference
    whole = torch.cat([design, residual[:, None]], 1)
    ratio = weight / scale**2
    close(sums.rows.gram, torch.einsum("ia,ib,i->ab", whole, whole, ratio))
    hot = torch.nn.functional.one_hot(d["g"] - 1, 4).double()
    close(sums.between, torch.einsum("ia,ib,ij,i->abj", whole, own, hot, ratio))
    close(sums.within, torch.einsum("ia,ib,ij,i->abj", own, own, hot, ratio))
    assert (sums.rows.length, sums.rows.weight) == (count, float(weight.sum()))
    close(sums.rows.log_scale, weight @ torch.log(scale))


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    d = data(500)
    whole = statistics(d)
    monkeypatch.setattr(rows, "CHUNK", 64)
    chunked = statistics(d)
    close(chunked.between, whole.between)
    close(chunked.within, whole.within)
    close(chunked.rows.gram, whole.rows.gram)


def test_dense_sums_are_those_of_the_same_terms() -> None:
    d = data(200)
    alone = row_statistics(d["y"], terms(d))
    assert isinstance(alone, RowStatistics)
    design = torch.cat([columns(term, 200) for term in terms(d)], 1)
    close(alone.gram[:-1, :-1], design.T @ design)


def test_one_scale_for_all_rows() -> None:
    d = data(20)
    one = row_statistics(d["y"], terms(d), scale=torch.tensor(2.0, dtype=torch.float64))
    each = row_statistics(d["y"], terms(d), scale=torch.full((20,), 2.0, dtype=torch.float64))
    close(one.gram, each.gram)
    close(one.log_scale, each.log_scale)


def test_single_precision_keeps_its_type() -> None:
    d = {name: value.float() if value.is_floating_point() else value for name, value in data(50).items()}
    sums = statistics(d)
    assert {part.dtype for part in (sums.between, sums.within, sums.rows.gram, sums.rows.reference)} == {torch.float32}


def test_the_residual_is_small_where_y_is_far_from_zero() -> None:
    """y of mean 1e6: the rough fit takes it away, whichever column carries it."""
    d = data(1000)
    far = {**d, "y": d["y"] + 1e6}
    assert float(statistics(far).rows.gram[-1, -1]) == pytest.approx(float(statistics(d).rows.gram[-1, -1]), rel=1e-6)


def test_no_design_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 000 rows in 1 000 groups, where a design has 800 MB: Python's own allocations aside, no tensor has N × J numbers."""
    d = data(100_000)
    group = torch.arange(100_000) % 1000 + 1
    made: list[int] = []
    original = torch.bincount

    def counted(code: Tensor, **options: object) -> Tensor:
        result: Tensor = original(code, **options)  # type: ignore[arg-type]
        made.append(result.numel())
        return result

    monkeypatch.setattr(torch, "bincount", counted)
    group_statistics(d["y"], [Term()], [Term(), Term(scale=d["x"])], (group, 1000))
    assert made
    assert max(made) == 1000


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-9)
