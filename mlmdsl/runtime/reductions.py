"""Reductions over one or several axes that torch has over one axis only, or not at all."""

from typing import Any

import torch
from torch import Tensor

_NORMAL_MAD = 1.4826022185056018  # 1 / Φ⁻¹(3/4), as in StatsBase.jl

Axes = int | tuple[int, ...]


def product(x: Tensor, axes: Axes, keepdim: bool = False) -> Tensor:
    """∏ x over the axes, which stay with size 1 where `keepdim`."""
    result = _flattened(x, axes).prod(-1)
    if not keepdim:
        return result
    chosen = (axes,) if isinstance(axes, int) else axes
    return result.reshape([1 if k in chosen or k - x.dim() in chosen else size for k, size in enumerate(x.shape)])


def quantile(x: Tensor, q: Tensor | float, axes: Axes) -> Tensor:
    """The q-quantile over the axes, linear between order statistics (Julia's default, Hyndman & Fan 1996 type 7).

    q: a number, or a vector of m of them, which makes a last axis of m. torch.quantile cannot be mapped over chains.
    """
    ordered = _flattened(x, axes).sort(-1).values
    position = torch.as_tensor(q, dtype=x.dtype, device=x.device) * (ordered.shape[-1] - 1)
    below = torch.floor(position)
    lower, upper = ordered[..., below.long()], ordered[..., torch.ceil(position).long()]
    return lower + (position - below) * (upper - lower)


def distinct(x: Tensor) -> Tensor:
    """The distinct values of data in the order of their first appearance."""
    untyped: Any = x
    values, places = untyped.unique(return_inverse=True)
    first = torch.full_like(values, x.numel(), dtype=torch.long)
    order = first.scatter_reduce(0, places.reshape(-1), torch.arange(x.numel(), device=x.device), "amin").argsort()
    found: Tensor = values[order]
    return found


def mad(x: Tensor, axes: Axes, normalize: bool = True) -> Tensor:
    """Median absolute deviation from the median over the axes, times 1/Φ⁻¹(3/4) if normalised (StatsBase.jl `mad`)."""
    flat = _flattened(x, axes)
    deviation = torch.abs(flat - quantile(flat, 0.5, -1).unsqueeze(-1))
    return quantile(deviation, 0.5, -1) * (_NORMAL_MAD if normalize else 1.0)


def _flattened(x: Tensor, axes: Axes) -> Tensor:
    """x with the axes moved to the end and made one."""
    chosen = (axes,) if isinstance(axes, int) else tuple(axes)
    moved = torch.movedim(x, chosen, tuple(range(-len(chosen), 0)))
    return moved.reshape((*moved.shape[: x.dim() - len(chosen)], -1))
