"""Parts, places and matrices in C against torch's own; what has no translation is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from mlmdsl.inference.native.gradient import LANES
from mlmdsl.inference.native.lower import Unsupported

from .compiling import Case, Found, lowered, outputs

generator = torch.Generator().manual_seed(3)


def random(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=generator)


A, B, CUBE, SQUARE, VECTOR = random(4, 3), random(3, 5), random(2, 3, 4), random(3, 3), random(3)
LONG = random(50, 60)
POSITIVE = SQUARE @ SQUARE.mT + torch.eye(3, dtype=torch.float64)
STACK = torch.stack([POSITIVE, POSITIVE + torch.eye(3, dtype=torch.float64)])
ROWS = torch.tensor([2, 0, 3, 2])
aten = torch.ops.aten

CASES: dict[str, Case] = {
    # views, alone and under arithmetic
    "transpose": (lambda a: a.mT * 2, [A]),
    "permute": (lambda x: x.permute(2, 0, 1) + 1, [CUBE]),
    "select": (lambda x: x[1] - x[0], [CUBE]),
    "slice": (lambda x: x[:, 1:3] * x[:, :2], [CUBE]),
    "slice-step": (lambda x: x[:, :, ::2] + 1, [CUBE]),
    "diagonal": (lambda x: x.diagonal() * x.diagonal(), [SQUARE]),
    "broadcast": (lambda a, v: a + v, [A, VECTOR]),
    "broadcast-outer": (lambda v: v[:, None] * v[None, :], [VECTOR]),
    "expand": (lambda v: v.expand(4, 3).sum(0), [VECTOR]),
    "view": (lambda x: x.view(6, 4).mT.reshape(3, 8), [CUBE]),
    "flip": (lambda x: x.flip(0, 1) + x, [A]),
    "flip-view": (lambda x: x.flip(1).mT[1:], [A]),
    "split": (lambda x: torch.split(x, [1, 2], 1)[1] * 2, [A]),
    "unbind": (lambda x: x.unbind(0)[1] + x.unbind(0)[2], [A]),
    "chunk": (lambda x: x.chunk(2, 2)[1] * 1.0, [CUBE]),
    "squeeze": (lambda v: v[:, None].squeeze(1) + v, [VECTOR]),
    "formula-of-a-view": (lambda x: torch.exp(x * 0.1).mT.sum(0), [A]),
    "several-readers": (lambda x: (torch.exp(x), torch.exp(x).mT.contiguous(), torch.exp(x).sum()), [A]),
    # reductions and scans
    "sum": (lambda x: x.sum(), [CUBE]),
    "sum-dims": (lambda x: (x * x).sum((0, 2)), [CUBE]),
    "sum-kept": (lambda x: x.sum(1, keepdim=True) + x, [CUBE]),
    "sum-long": (lambda x: torch.exp(x).sum(), [LONG]),
    "sum-bool": (lambda x: (x > 0).sum(0), [A]),
    "sum-of-a-number": (lambda x: x.sum().sum() * 1.0, [A]),
    "mean": (lambda x: x.mean(2), [CUBE]),
    "prod": (lambda x: x.prod(1), [A]),
    "amax": (lambda x: x.amax(1), [A]),
    "amin": (lambda x: x.amin((0, 1)), [A]),
    "any": (lambda x: (x > 1).any(1), [A]),
    "all": (lambda x: (x > -1).all(1), [A]),
    "cumsum": (lambda x: x.cumsum(1), [CUBE]),
    "cumprod": (lambda x: x.cumprod(-1), [A]),
    # joining and placing
    "cat": (lambda a: torch.cat([a, a * 2, a[:1]], 0), [A]),
    "cat-last": (lambda x: torch.cat([x, x[..., :1]], -1), [CUBE]),
    "stack": (lambda v: torch.stack([v, v * v], 1), [VECTOR]),
    "pad": (lambda a: torch.nn.functional.pad(a, (1, 2, 0, 1), value=7.0), [A]),
    "pad-cut": (lambda a: torch.nn.functional.pad(a, (-1, 2)), [A]),
    "tril": (lambda x: torch.tril(x, -1), [SQUARE]),
    "triu": (lambda x: torch.triu(x), [STACK]),
    "diag_embed": (lambda v: torch.diag_embed(v) + 0.0, [VECTOR]),
    "slice_backward": (lambda x: aten.slice_backward(x, [4, 9], 1, 2, 8, 2), [A]),
    "select_backward": (lambda v: aten.select_backward(v, [4, 3], 0, 2), [VECTOR]),
    "diagonal_backward": (lambda v: aten.diagonal_backward(v, [3, 3], 0, 0, 1), [VECTOR]),
    "sum-of-parts": (
        lambda v, w: (
            aten.slice_backward(v, [5], 0, 2, 5, 1) + aten.select_backward(w.sum(), [5], 0, 1) + aten.sub(w, 1)
        ),
        [VECTOR, random(5)],
    ),
    "part-of-a-part": (
        lambda v, a: aten.slice_backward(aten.select_backward(v, [2, 3], 0, 1), [4, 3], 0, 1, 3, 1) + a + a,
        [VECTOR, A],
    ),
    "part-read-twice": (lambda v: (lambda x: (x + 1, x * x))(aten.select_backward(v, [4, 3], 0, 2)), [VECTOR]),
    "part-and-more": (lambda v, a: (aten.select_backward(v, [4, 3], 0, 2) + a) * a + 2, [VECTOR, A]),
    "quotient-by-a-number": (lambda a, v: a / v.sum(), [A, VECTOR]),
    "same-along-a-dimension": (lambda v: torch.exp(v.expand(4, 3)).cumsum(0).mT.reshape(4, 3), [VECTOR]),
    "slice_scatter": (lambda a, v: aten.slice_scatter(a, v, 1, 0, 3, 2), [A, random(4, 2)]),
    "select_scatter": (lambda a, v: aten.select_scatter(a, v, 0, -1), [A, VECTOR]),
    "diagonal_scatter": (lambda a, v: aten.diagonal_scatter(a, v), [SQUARE, VECTOR]),
    # indexing
    "index": (lambda a, i: a[i] * 2, [A, ROWS]),
    "index-second": (lambda x, i: x[:, i - 1], [CUBE, torch.tensor([1, 3, 0])]),
    "index-both": (lambda a, i: a[i, i.clamp(max=2)], [A, ROWS]),
    "index-table": (lambda a, i: a[i.reshape(2, 2)], [A, ROWS]),
    "index-apart": (lambda x, i: x[i - 2, :, i], [CUBE, torch.tensor([2, 3, 2])]),
    "index-negative": (lambda v, i: v[i - 4], [random(4), ROWS]),
    "index_put": (lambda a, i, v: a.index_put((i,), v), [A, torch.tensor([2, 0]), random(2, 3)]),
    "index_put-add": (lambda a, i, v: a.index_put((i,), v, accumulate=True), [A, ROWS, random(4, 3)]),
    "index_add": (lambda a, i, v: a.index_add(0, i, v), [A, ROWS, random(4, 3)]),
    "index_fill": (lambda a, i: a.index_fill(0, i, 2.5), [A, ROWS]),
    "index_copy": (lambda a, i, v: a.index_copy(1, i, v), [A, torch.tensor([2, 0]), random(4, 2)]),
    "index_select": (lambda a, i: a.index_select(0, i), [A, ROWS]),
    "gather": (lambda a, i: a.gather(0, i), [A, torch.tensor([[0, 3, 1], [2, 2, 0]])]),
    "scatter_add": (lambda a, i, v: a.scatter_add(0, i, v), [A, torch.tensor([[0, 3, 1], [2, 2, 0]]), random(2, 3)]),
    # matrices
    "mm": (torch.mm, [A, B]),
    "mm-transposed": (lambda a, b: b.mT @ a.mT, [A, B]),
    "bmm": (torch.bmm, [CUBE, random(2, 4, 5)]),
    "mv": (torch.mv, [A, VECTOR]),
    "vm": (lambda v, b: v @ b, [VECTOR, B]),
    "dot": (torch.dot, [VECTOR, VECTOR * 2]),
    "addmm": (torch.addmm, [random(4, 5), A, B]),
    "baddbmm": (torch.baddbmm, [random(2, 3, 5), CUBE, random(2, 4, 5)]),
    "cholesky": (lambda x: torch.linalg.cholesky_ex(x)[0], [POSITIVE]),
    "cholesky-batch": (lambda x: torch.linalg.cholesky_ex(x), [STACK]),
    "cholesky-upper": (lambda x: torch.linalg.cholesky_ex(x, upper=True)[0], [STACK]),
    "cholesky-failed": (lambda x: torch.linalg.cholesky_ex(x)[1], [-POSITIVE]),
    "inverse": (lambda x: torch.linalg.inv_ex(x)[0], [STACK]),
    "solve": (lambda a, b: torch.linalg.solve_ex(a, b)[0], [SQUARE, B]),
    "solve-vector": (lambda a, b: torch.linalg.solve_ex(a, b)[0], [SQUARE, VECTOR]),
    **{
        f"triangular-{upper}-{left}-{unit}": (
            lambda a, b, u=upper, left=left, unit=unit: torch.linalg.solve_triangular(
                a, b if left else b.mT, upper=u, left=left, unitriangular=unit
            ),
            [STACK, random(2, 3, 4)],
        )
        for upper in (True, False)
        for left in (True, False)
        for unit in (True, False)
    },
}


@pytest.fixture(scope="module", params=[1, LANES], ids="{} lanes".format)
def found(request: pytest.FixtureRequest) -> dict[str, Found]:
    return outputs(CASES, request.param)


@pytest.mark.parametrize("key", CASES)
def test_it_computes_what_torch_does(key: str, found: dict[str, Found]) -> None:
    for inputs, results in found[key]:
        wanted: Any = CASES[key][0](*inputs)
        wanted = tuple(wanted) if isinstance(wanted, tuple) else (wanted,)
        for got, value in zip(results, wanted, strict=True):
            assert (got.dtype, got.shape) == (value.dtype, value.shape)
            # sums are taken in another order
            assert torch.allclose(got, value, rtol=1e-12, atol=1e-12)


REFUSED: dict[str, tuple[Callable[..., Any], list[Tensor], str]] = {
    "eigenvalues": (lambda x: torch.linalg.eigh(x)[0], [POSITIVE], "eigh"),
    "complex": (lambda x: torch.complex(x, x).real, [A], "complex"),
    "sort": (lambda x: x.sort().values, [VECTOR], "sort"),
    "order": (lambda x: torch.polygamma(2, x), [VECTOR], "order 2"),
}


@pytest.mark.parametrize("key", REFUSED)
def test_what_has_no_translation_is_refused_by_name(key: str) -> None:
    function, inputs, message = REFUSED[key]
    with pytest.raises(Unsupported, match=message):
        lowered(function, inputs, "f")
