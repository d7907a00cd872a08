"""Each row of the table of elementwise operations against torch's own, in both precisions, and at odd places."""

from __future__ import annotations

from functools import partial
from math import inf, nan
from typing import Any

import pytest
import torch
from scipy.special import polygamma

from mlmdsl.inference.native.gradient import LANES
from mlmdsl.inference.native.operations import TEMPLATES

from .compiling import Case, Found, outputs

aten = torch.ops.aten
WIDE = torch.tensor([-3.7, -1.0, -0.2, 0.3, 0.9, 1.0, 2.5, 40.0], dtype=torch.float64)
OTHER = torch.tensor([0.5, -2.0, 3.1, 0.3, -0.7, 1.0, -1.5, 2.0], dtype=torch.float64)
UNIT = torch.linspace(0.05, 0.95, 8, dtype=torch.float64)
POSITIVE = torch.tensor([1e-3, 0.2, 0.9, 1.0, 1.7, 5.0, 33.0, 400.0], dtype=torch.float64)
ODD = torch.tensor([0.0, -0.0, inf, -inf, nan, 1.0, -1.0, 710.0], dtype=torch.float64)
TRUTH = WIDE > 0.5
WHOLE = torch.arange(-4, 4)

UNARY = {
    WIDE: "neg abs sign sgn square exp exp2 expm1 sigmoid sin cos tan atan sinh cosh tanh asinh erf erfc floor ceil round trunc "
    "frac clone isnan isinf isfinite logical_not digamma lgamma",
    UNIT: "asin acos atanh logit",
    POSITIVE: "sqrt rsqrt reciprocal log log2 log10 log1p lgamma digamma",
    POSITIVE + 1: "acosh",
}
BINARY = "add sub mul div maximum minimum atan2 hypot logaddexp remainder fmod eq ne lt le gt ge logical_and logical_or logical_xor"
CASES: dict[str, Case] = {
    **{
        f"{name}-{values.min():.3g}": (getattr(aten, name), [values])
        for values, names in UNARY.items()
        for name in names.split()
    },
    **{name: (getattr(aten, name), [WIDE, OTHER]) for name in BINARY.split()},
    **{
        f"{name}-odd": (getattr(aten, name), [ODD])
        for name in ["exp", "log1p", "sigmoid", "tanh", "isnan", "isinf", "isfinite", "abs", "sign"]
    },
    **{
        f"{name}-odd": (getattr(aten, name), [ODD, ODD.flip(0)])
        for name in ["maximum", "minimum", "logaddexp", "lt", "ge", "eq"]
    },
    "rsub": (lambda x: aten.rsub.Scalar(x, 2.0), [WIDE]),
    "add-alpha": (lambda x, y: torch.add(x, y, alpha=-0.5), [WIDE, OTHER]),
    "sub-alpha": (lambda x, y: torch.sub(x, y, alpha=3), [WIDE, OTHER]),
    "add-number": (lambda x: aten.add.Tensor(x, 2, alpha=3), [WIDE]),
    **{f"pow-{p}": (partial(lambda p, x: x**p, p), [POSITIVE]) for p in (2, 3, 1, 0.5, -0.5, -1, -2, 1.7)},
    "pow-base": (lambda x: 2.0**x, [WIDE]),
    "pow-both": (torch.pow, [POSITIVE, OTHER]),
    "addcmul": (lambda x, y: torch.addcmul(x, y, y, value=-0.5), [WIDE, OTHER]),
    "addcdiv": (lambda x, y: torch.addcdiv(x, y, y * y, value=2), [WIDE, OTHER]),
    "lerp": (lambda x, y: torch.lerp(x, y, 0.3), [WIDE, OTHER]),
    "xlogy": (torch.xlogy, [torch.tensor([0.0, 0.0, 2.0]), torch.tensor([0.0, 3.0, 0.5])]),
    "special_xlog1py": (torch.special.xlog1py, [WIDE, UNIT]),
    "softplus": (torch.nn.functional.softplus, [WIDE]),
    "softplus-options": (lambda x: torch.nn.functional.softplus(x, 2.0, 3.0), [WIDE]),
    "softplus_backward": (lambda x, y: aten.softplus_backward(x, y, 1.0, 20.0), [OTHER, WIDE]),
    "sigmoid_backward": (aten.sigmoid_backward, [OTHER, UNIT]),
    "tanh_backward": (aten.tanh_backward, [OTHER, UNIT]),
    "threshold_backward": (lambda x, y: aten.threshold_backward(x, y, 0), [OTHER, WIDE]),
    "polygamma": (lambda x: torch.polygamma(1, x), [POSITIVE]),
    "where": (torch.where, [TRUTH, WIDE, OTHER]),
    "masked_fill": (lambda m, x: x.masked_fill(m, -1.5), [TRUTH, WIDE]),
    "nan_to_num": (torch.nan_to_num, [ODD]),
    "nan_to_num-own": (lambda x: torch.nan_to_num(x, nan=inf, posinf=inf, neginf=5.0), [ODD]),
    "clamp": (lambda x: x.clamp(-1, 1.5), [WIDE]),
    "clamp-low": (lambda x, y: torch.clamp(x, min=y), [WIDE, OTHER]),
    "clamp_min": (lambda x: torch.clamp_min(x, 0.1), [ODD]),
    "clamp_max": (lambda x: torch.clamp_max(x, 0.1), [ODD]),
    "bitwise_not": (torch.bitwise_not, [TRUTH]),
    "bitwise_not-whole": (torch.bitwise_not, [WHOLE]),
    **{f"bitwise_{name}": (getattr(torch, f"bitwise_{name}"), [WHOLE, WHOLE.flip(0)]) for name in ("and", "or", "xor")},
    "lift_fresh_copy": (aten.lift_fresh_copy, [WIDE]),
    "special_erfcx": (torch.special.erfcx, [torch.tensor([-3.0, -0.5, 0.0, 0.7, 5.0, 19.9, 20.1, 300.0]).double()]),
    "_to_copy": (lambda x: x.to(torch.float64), [WHOLE]),
    "_to_copy-bool": (lambda x: x.to(torch.bool), [WHOLE]),
    "_to_copy-whole": (lambda x: x.to(torch.int64), [WIDE]),
    "copy": (lambda x, y: aten.copy(x, y), [WIDE, WHOLE]),
    "whole-arithmetic": (lambda x: (x * 3 - 1) // 1 + x, [WHOLE]),
    "whole-division": (lambda x: x / 3, [WHOLE]),
}
UNTRANSLATED = {"whole-arithmetic"}


@pytest.fixture(scope="module", params=[1, LANES], ids="{} lanes".format)
def found(request: pytest.FixtureRequest) -> dict[str, Found]:
    return outputs({key: case for key, case in CASES.items() if key not in UNTRANSLATED}, request.param)


@pytest.mark.parametrize("key", [key for key in CASES if key not in UNTRANSLATED])
def test_double_precision(key: str, found: dict[str, Found]) -> None:
    # vector forms of libm are right to 4 units in the last place, 1e-15; lgamma and digamma lose digits near their zeros
    tolerance = 1e-9 if key == "polygamma" else 1e-12
    for inputs, (got,) in found[key]:
        wanted: Any = CASES[key][0](*inputs)
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        assert torch.allclose(got, wanted, rtol=tolerance, atol=tolerance, equal_nan=True)


def test_trigamma_is_exact() -> None:
    """torch's own is right to 1e-10 only."""
    x = torch.cat([POSITIVE, WIDE - 0.33])
    ((_, (got,)),) = outputs({"f": (lambda x: torch.polygamma(1, x), [x])})["f"]
    assert got.numpy() == pytest.approx(polygamma(1, x.numpy()), rel=1e-13)


def test_every_row_has_a_case() -> None:
    assert {key.split("-")[0] for key in CASES} >= set(TEMPLATES)


@pytest.mark.parametrize("lanes", [1, LANES])
def test_single_precision(lanes: int) -> None:
    floats = {
        key: (function, [x.float() if x.dtype == torch.float64 else x for x in inputs])
        for key, (function, inputs) in CASES.items()
        if key not in UNTRANSLATED and "_to_copy" not in key
    }
    for key, found in outputs(floats, lanes).items():
        for inputs, (got,) in found:
            wanted = floats[key][0](*inputs)
            assert got.dtype == wanted.dtype, key
            # torch itself rounds each operation to 6e-8
            assert torch.allclose(got, wanted, rtol=3e-5, atol=3e-6, equal_nan=True), key
