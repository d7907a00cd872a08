"""Tail probabilities that torch lacks, accurate in the far tails and differentiable in every argument.

torch's incomplete gamma has no derivative in its shape, and it has no incomplete beta or Owen's T at all. Their tails
are all ∫₀^∞ exp(−drop(v)) dv for a convex increasing `drop`, once the variable is measured on the logarithmic scale
from the end of the tail. Such an integrand falls smoothly from 1 to nothing, so Gauss-Legendre on the stretch where
it is not negligible gives it nearly to rounding, with a fixed number of tensor operations and no branch on values.

Limits (float64): relative error at most 1e-10 of the smaller tail for shape parameters from 1e-3 to 1e4. Beyond 1e4 the
normalising constants cancel, and the error grows like 1e-15 · shape · log(shape). The larger tail is the complement.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from .parametric import Tails, TensorFunction
from .typed import broadcast

_NODES = 64
_NEGLIGIBLE = 40.0  # exp(-40) = 4e-18, under float64's rounding
_CANDIDATES = 72
_RATIO = 1.25  # 1.25**71 = 7.6e6: from the widest stretch considered down to the narrowest


@lru_cache(maxsize=1)
def _unit_nodes() -> tuple[tuple[float, ...], tuple[float, ...]]:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return tuple((nodes + 1) / 2), tuple(weights / 2)


def _quadrature(like: Tensor) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre nodes and weights on (0, 1)."""
    nodes, weights = _unit_nodes()
    return like.new_tensor(nodes), like.new_tensor(weights)


def gamma(x: Tensor) -> Tensor:
    """Γ(x), whose sign on the negative axis alternates from pole to pole."""
    sign = torch.where(x < 0, 1 - 2 * torch.remainder(torch.floor(x), 2), 1.0)
    return sign * torch.exp(torch.lgamma(x))


def log1mexp(x: Tensor) -> Tensor:
    """log(1 − exp(x)) for x ≤ 0, with finite gradients away from 0 (Mächler 2012)."""
    near = x > -math.log(2)
    small = torch.where(near & (x < 0), x, -0.5)
    large = torch.where(near, -1.0, x)
    exact = torch.where(near, torch.log(-torch.expm1(small)), torch.log1p(-torch.exp(large)))
    return torch.where(x < 0, exact, -math.inf)


def log_ndtr(z: Tensor) -> Tensor:
    """log Φ(z) = log(erfcx(−z/√2)/2) − z²/2, from the other tail where z > 0.

    torch's own function of this name cannot be mapped over chains.
    """
    positive = z > 0
    distance = torch.where(positive, z, -z)
    scaled: Tensor = torch.special.erfcx(distance / math.sqrt(2))
    log_tail = torch.log(scaled / 2) - 0.5 * distance**2
    return torch.where(positive, torch.log1p(-torch.exp(log_tail)), log_tail)


def log_decay_integral(drop: TensorFunction, widest: Tensor, rate: Tensor | None = None) -> Tensor:
    """log ∫₀^∞ exp(−drop(v)) dv for drop convex, drop(0) = 0; `widest` bounds where drop passes 40.

    `drop` is called with v of one more, last, axis than `widest` and must broadcast over it. With `rate`, drop is
    linear of that slope beyond `widest`, which need not reach 40 then: the rest of the integral is added in closed
    form.
    """
    with torch.no_grad():
        powers = torch.arange(_CANDIDATES, dtype=widest.dtype, device=widest.device)
        candidates = widest.detach().unsqueeze(-1) * torch.exp(-math.log(_RATIO) * powers)
        enough = torch.where(drop(candidates) >= _NEGLIGIBLE, candidates, math.inf)
        stretch = torch.minimum(enough.amin(-1), widest).detach()
    nodes, weights = _quadrature(widest)
    heights = torch.exp(-drop(stretch.unsqueeze(-1) * nodes))
    area = stretch * (heights * weights).sum(-1)
    if rate is not None:
        area = area + torch.exp(-drop(stretch.unsqueeze(-1))).squeeze(-1) / rate
    return torch.log(area)


def log_gamma_tails(shape: Tensor, x: Tensor) -> Tails:
    """log P(a, x) and log Q(a, x), the regularised incomplete gamma functions (DLMF 8.2.4), for x > 0.

    With t = x·exp(∓v): P = C ∫ exp(−a·v − x(e^{−v} − 1)) dv, Q = C ∫ exp(a·v − x(e^v − 1)) dv, C = x^a e^{−x} / Γ(a).
    P is taken at a + 1, where the integrand has one scale, and P(a, x) = P(a + 1, x) + C / a (DLMF 8.8.5).
    """
    shape, x = broadcast(shape, x)
    below = x < shape
    log_c = torch.xlogy(shape, x) - x - torch.lgamma(shape + 1)
    sign = torch.where(below, -1.0, 1.0).to(x.dtype).unsqueeze(-1)
    order = torch.where(below, shape + 1, shape)

    def drop(v: Tensor) -> Tensor:
        return x.unsqueeze(-1) * torch.expm1(sign * v) - sign * order.unsqueeze(-1) * v

    above_width = torch.minimum(torch.sqrt(2 * _NEGLIGIBLE / x), 3 + torch.log1p(4 * _NEGLIGIBLE / x))
    widest = torch.where(below, (_NEGLIGIBLE + x) / order, above_width)
    log_area = log_decay_integral(drop, widest)
    log_tail = log_c + torch.where(below, torch.log1p(x * torch.exp(log_area)), torch.log(shape) + log_area)
    return _both_tails(log_tail, below)


def log_beta_tails(a: Tensor, b: Tensor, logit: Tensor) -> Tails:
    """log I_x(a, b) and log I_{1−x}(b, a), regularised incomplete beta functions (DLMF 8.17.2), x = logistic(logit).

    On the logit scale the density is exp(a·s − (a + b)·log(1 + e^s)) / B(a, b), log-concave with mode log(a / b).
    The integral is taken at a + 1, and I_x(a, b) = I_x(a + 1, b) + x^a (1 − x)^b / (a·B(a, b)) (DLMF 8.17.20).
    The upper tail is the lower tail of 1 − x with a and b swapped.
    """
    a, b, logit = broadcast(a, b, logit)
    below = logit < torch.log(a / b)
    p, q = torch.where(below, a, b), torch.where(below, b, a)
    s = torch.where(below, logit, -logit)
    x = torch.sigmoid(s)
    log_c = p * s - (a + b) * softplus(s) + torch.lgamma(a + b) - torch.lgamma(p + 1) - torch.lgamma(q)

    def drop(v: Tensor) -> Tensor:
        falling = torch.log1p(x.unsqueeze(-1) * torch.expm1(-v))
        return (p + 1).unsqueeze(-1) * v + (a + b + 1).unsqueeze(-1) * falling

    log_area = log_decay_integral(drop, (_NEGLIGIBLE + (a + b + 1) * softplus(s)) / (p + 1))
    return _both_tails(log_c + torch.log1p((a + b) * x * torch.exp(log_area)), below)


def log_student_tails(df: Tensor, z: Tensor) -> Tails:
    """log F(z) and log(1 − F(z)) of Student's t with ν degrees of freedom.

    With z = √ν·sinh(u) the density is proportional to cosh(u)^{−ν}, log-concave with its mode at 0. Past v = 18 the
    integrand is exp(−ν·v) times a constant to rounding, so small ν need no long stretch.
    """
    df, z = broadcast(df, z)
    below = z < 0
    u = torch.asinh(torch.where(below, -z, z) / torch.sqrt(df))
    log_cosh = u + softplus(-2 * u) - math.log(2)
    beyond = torch.sigmoid(-2 * u).unsqueeze(-1)  # (1 − tanh u) / 2
    log_c = torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2) - 0.5 * math.log(math.pi) - df * log_cosh

    def drop(v: Tensor) -> Tensor:
        return df.unsqueeze(-1) * (v + torch.log1p(beyond * torch.expm1(-2 * v)))

    widest = torch.clamp(_NEGLIGIBLE / df + math.log(2), max=18.0)
    return _both_tails(log_c + log_decay_integral(drop, widest, rate=df), below)


def log_skew_normal_tails(alpha: Tensor, z: Tensor) -> Tails:
    """log F(z) and log(1 − F(z)) of the standard skew normal 2φ(z)Φ(αz) (Azzalini 1985).

    For α, h ≥ 0: F(−h) = Φ(−h) − 2T(h, α) and 1 − F(h) = Φ(−h) + 2T(h, α), with Owen's function
    T(h, α) = ∫₀^α exp(−h²(1 + u²)/2) / (1 + u²) du / 2π. Where αh > 1 these are taken from the rest of that integral,
    up to T(h, ∞) = Φ(−h)/2, so that neither cancels.
    For α < 0: the law of −Z, of shape −α. Relative error under 1e-10 for |α| up to 1e3.
    """
    alpha, z = broadcast(alpha, z)
    flipped = alpha < 0
    a, t = torch.where(flipped, -alpha, alpha), torch.where(flipped, -z, z)
    negative = t < 0
    h = torch.where(negative, -t, t)
    far = a * h > 1
    log_normal = log_ndtr(-h)
    log_part = math.log(2) + _log_owen(h, a, far)
    log_rest = math.log(2) + log_normal - log_part
    near_lower = log_normal + log1mexp(-torch.where(far, 1.0, log_normal - log_part))
    far_upper = math.log(2) + log_normal + log1mexp(-torch.where(far, log_rest, 1.0))
    below_zero = torch.where(far, log_part, near_lower)
    above_zero = torch.where(far, far_upper, torch.logaddexp(log_normal, log_part))
    tail = torch.where(negative, below_zero, above_zero)
    return _both_tails(tail, negative ^ flipped)


def _log_owen(h: Tensor, a: Tensor, far: Tensor) -> Tensor:
    """log of Owen's T(h, a), or of T(h, ∞) − T(h, a) where `far`, by u = sinh(w)."""
    tiny = torch.finfo(h.dtype).tiny
    nodes, weights = _quadrature(h)
    end_far = torch.asinh(torch.sqrt(a**2 + 2 * _NEGLIGIBLE / torch.where(far, h, 1.0) ** 2)).detach()
    start = torch.where(far, torch.asinh(a), 0.0)
    width = torch.where(far, end_far, torch.asinh(a)) - start
    w = start.unsqueeze(-1) + width.unsqueeze(-1) * nodes
    lowest = torch.where(far, a, 0.0)
    exponent = -0.5 * (h**2).unsqueeze(-1) * (torch.sinh(w) ** 2 - (lowest**2).unsqueeze(-1))
    log_area = torch.log(width + tiny) + torch.log((weights * torch.exp(exponent) / torch.cosh(w)).sum(-1))
    return log_area - 0.5 * h**2 * (1 + lowest**2) - math.log(2 * math.pi)


def _both_tails(log_tail: Tensor, is_lower: Tensor) -> Tails:
    """The lower and upper log tail from the one that was integrated; the other is its complement."""
    log_tail = torch.clamp(log_tail, max=0.0)
    other = log1mexp(log_tail)
    return torch.where(is_lower, log_tail, other), torch.where(is_lower, other, log_tail)
