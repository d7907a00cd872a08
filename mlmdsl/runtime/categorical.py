"""Distributions on 1…K, numbered from 1 as in Julia."""

import math
from typing import ClassVar

import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions.constraints import Constraint
from torch.nn.functional import logsigmoid

from .cdf import log_tails
from .parametric import Parametric, Tails
from .special import log1mexp
from .typed import NO_SHAPE, Shape, broadcast, broadcast_shapes, draw, integers_between


class _Numbered(Parametric):
    """A distribution on 1…K given by its log probabilities (…, K)."""

    has_enumerate_support = True

    def log_probs(self) -> Tensor:
        """log P(k), shape (…, K)."""
        raise NotImplementedError

    @property
    def classes(self) -> int:
        """K."""
        raise NotImplementedError

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Constraint:
        return integers_between(1, self.classes)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        within = (value >= 1) & (value <= self.classes)
        index = torch.where(within, value, 1).to(torch.int64) - 1
        table, index = broadcast(self.log_probs(), index.unsqueeze(-1))
        return torch.where(within, table.gather(-1, index[..., :1]).squeeze(-1), -math.inf)

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        with torch.no_grad():
            drawn = torch.distributions.Categorical(logits=self.log_probs(), validate_args=False)
            return draw(drawn, sample_shape) + 1

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = torch.arange(1, self.classes + 1, device=self.log_probs().device)
        values = values.reshape(-1, *(1,) * len(self.batch_shape))
        return values.expand(-1, *self.batch_shape) if expand else values


class Categorical(_Numbered):
    """P(k) = pₖ, k = 1…K.

    Parameter: probs (…, K), in the simplex, not normalised here. Draws are int64, without gradient; log_prob is −inf
    outside 1…K. Source: Distributions.jl `Categorical`, whose numbers start at 1 where torch's start at 0.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {"probs": constraints.simplex}
    parameter_ranks: ClassVar[dict[str, int]] = {"probs": 1}

    def __init__(self, probs: Tensor, validate_args: bool | None = None) -> None:
        self.probs = probs
        super().__init__(probs.shape[:-1], torch.Size(), validate_args=validate_args)

    @property
    def classes(self) -> int:
        return int(self.probs.shape[-1])

    def log_probs(self) -> Tensor:
        return torch.log(self.probs)


class OrderedLogistic(_Numbered):
    """P(y ≤ k) = logistic(cₖ − η), k = 1…K, c_K = ∞.

    Parameters: eta η real (…), cutpoints c increasing (…, K − 1). log P(k) is taken as log σ(b) + log σ(−a) + log(1 −
    e^{a−b}) with a = cₖ₋₁ − η, b = cₖ − η, which does not cancel. Draws are int64, without gradient. Source: Turing.jl
    `OrderedLogistic`.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "eta": constraints.real,
        "cutpoints": constraints.ordered_vector,
    }
    parameter_ranks: ClassVar[dict[str, int]] = {"eta": 0, "cutpoints": 1}

    def __init__(self, eta: Tensor | float, cutpoints: Tensor, validate_args: bool | None = None) -> None:
        location = torch.as_tensor(eta, dtype=cutpoints.dtype, device=cutpoints.device)
        shape = broadcast_shapes(location.shape, cutpoints.shape[:-1])
        self.eta, self.cutpoints = location.expand(shape), cutpoints.expand((*shape, cutpoints.shape[-1]))
        super().__init__(shape, torch.Size(), validate_args=validate_args)

    @property
    def classes(self) -> int:
        return int(self.cutpoints.shape[-1]) + 1

    def log_probs(self) -> Tensor:
        gaps = self.cutpoints - self.eta.unsqueeze(-1)
        lower, upper = gaps[..., :-1], gaps[..., 1:]
        between = logsigmoid(upper) + logsigmoid(-lower) + log1mexp(lower - upper)
        return torch.cat([logsigmoid(gaps[..., :1]), between, logsigmoid(-gaps[..., -1:])], -1)


@log_tails.register
def _(d: _Numbered, x: Tensor) -> Tails:
    probs = torch.exp(d.log_probs())
    number = torch.arange(1, d.classes + 1, device=probs.device)
    below = number <= x.unsqueeze(-1)
    return torch.log((probs * below).sum(-1)), torch.log((probs * ~below).sum(-1))
