"""Functional assignment and the reductions, alone and mapped over chains."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.func import grad, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from mlmdsl import runtime
from mlmdsl.runtime.arrays import Index

X = torch.arange(12, dtype=torch.float64).reshape(3, 4)


@pytest.mark.parametrize(
    ("index", "shape"),
    [
        ((1,), (4,)),
        ((1, 2), ()),
        ((2, 3), ()),
        ((slice(None), 2), (3,)),
        ((slice(0, 2), slice(1, 3)), (2, 2)),
        ((torch.tensor([0, 2]),), (2, 4)),
        ((torch.tensor([0, 2]), torch.tensor([1, 3])), (2,)),
    ],
)
def test_sets_what_torch_would_set(index: tuple[Index, ...], shape: tuple[int, ...]) -> None:
    value = -torch.rand(shape, dtype=torch.float64) - 1
    expected = X.clone()
    expected[index] = value
    assert torch.equal(runtime.set_index(X, value, *index), expected)
    assert torch.equal(X, torch.arange(12, dtype=torch.float64).reshape(3, 4))
    both = vmap(lambda x, v: runtime.set_index(x, v, *index))(X.expand(2, 3, 4), torch.stack([value, 2 * value]))
    assert torch.equal(both[0], expected)
    only_value = vmap(lambda v: runtime.set_index(X, v, *index))(torch.stack([value, value]))
    only_array = vmap(lambda x: runtime.set_index(x, value, *index))(X.expand(2, 3, 4))
    assert torch.equal(only_value[1], expected) and torch.equal(only_array[1], expected)


def test_promotes_and_broadcasts() -> None:
    got = runtime.set_index(torch.zeros(3, dtype=torch.int64), 1.5, 1)
    assert got.tolist() == [0.0, 1.5, 0.0]
    assert runtime.set_index(X, 7, 0).tolist()[0] == [7.0] * 4
    for outside in (3, -1, slice(2, 4), slice(-1, 2), torch.tensor([0, 3]), torch.tensor([-1, 0])):
        with pytest.raises(runtime.OutsideError):
            runtime.set_index(X, 0.0, outside)
        with pytest.raises(runtime.OutsideError):
            runtime.at(X, outside)
    assert runtime.at(X, slice(1, -1)).shape == (0, 4)  # x[2:-1] is empty
    assert torch.equal(runtime.at(X, 1, slice(1, 3)), X[1, 1:3])


def test_carries_gradients_through_a_loop() -> None:
    """h_t = ρ·h_{t−1} with h₀ = 1: the last element is ρ³, its slope 3ρ²."""

    def last(rho: Tensor) -> Tensor:
        h = runtime.set_index(torch.zeros(4, dtype=torch.float64), 1.0, 0)
        for t in range(1, 4):
            h = runtime.set_index(h, rho * h[t - 1], t)
        return h[3]

    rho = torch.tensor([0.5, 2.0], dtype=torch.float64)
    slope = make_fx(vmap(grad(last)))(rho)(rho)
    torch.testing.assert_close(slope, 3 * rho**2)


@pytest.mark.parametrize("axes", [0, -1, (0, 1), (-2, -1)])
def test_reductions(axes: int | tuple[int, ...]) -> None:
    x = torch.rand(3, 5, 4, dtype=torch.float64)
    numbers = x.numpy()
    np.testing.assert_allclose(runtime.product(x, axes).numpy(), np.prod(numbers, axis=axes), rtol=1e-13)
    np.testing.assert_allclose(runtime.quantile(x, 0.3, axes).numpy(), np.quantile(numbers, 0.3, axis=axes), rtol=1e-13)
    for normalize, scale in [(True, "normal"), (False, 1.0)]:
        expected = stats.median_abs_deviation(_merged(numbers, axes), axis=-1, scale=scale)
        np.testing.assert_allclose(runtime.mad(x, axes, normalize).numpy(), expected, rtol=1e-13)
    mapped = vmap(lambda v: runtime.mad(v, axes))(x.unsqueeze(0))
    torch.testing.assert_close(mapped[0], runtime.mad(x, axes))


def _merged(numbers: np.ndarray, axes: int | tuple[int, ...]) -> np.ndarray:
    """The axes moved to the end and made one."""
    chosen = (axes,) if isinstance(axes, int) else axes
    moved = np.moveaxis(numbers, chosen, range(-len(chosen), 0))
    return moved.reshape(*moved.shape[: numbers.ndim - len(chosen)], -1)


def test_several_quantiles_make_a_last_axis() -> None:
    x = torch.rand(3, 5, dtype=torch.float64)
    got = runtime.quantile(x, torch.tensor([0.0, 0.25, 1.0]), -1)
    np.testing.assert_allclose(got.numpy(), np.quantile(x.numpy(), [0.0, 0.25, 1.0], axis=-1).T, rtol=1e-13)


def test_public_names_are_sorted_and_there() -> None:
    assert list(runtime.__all__) == sorted(runtime.__all__)
    assert all(hasattr(runtime, name) for name in runtime.__all__)


def test_adds_terms_that_meet_in_one_element() -> None:
    """Row and column of six terms, two pairs of which meet; the slope of each term is that of its element."""
    rows, columns = torch.tensor([0, 2, 0, 1, 2, 2]), torch.tensor([1, 3, 1, 0, 3, 2])
    terms = torch.arange(1.0, 7.0, dtype=torch.float64)
    expected = X.clone()
    for row, column, term in zip(rows, columns, terms, strict=True):
        expected[row, column] += term
    assert torch.equal(runtime.add_at(X, terms, rows, columns), expected)
    mapped = vmap(lambda v: runtime.add_at(X, v, rows, columns))(torch.stack([terms, terms]))
    assert torch.equal(mapped[1], expected)
    slope = grad(lambda v: (X * runtime.add_at(X, v, rows, columns)).sum())(terms)
    assert torch.equal(slope, X[rows, columns])
