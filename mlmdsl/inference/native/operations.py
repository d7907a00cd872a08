"""The elementwise operations, a row each: what C calls them. `{0}` … are the operands, each used once.

The functions named here that C does not have stand in `prelude.h`.
"""

from __future__ import annotations

TEMPLATES: dict[str, str] = {
    # arithmetic
    "add": "({0} + {1})",
    "sub": "({0} - {1})",
    "rsub": "({1} - {0})",
    "mul": "({0} * {1})",
    "div": "((double){0} / {1})",
    "neg": "(-{0})",
    "reciprocal": "(1.0 / {0})",
    "abs": "fabs({0})",
    "sign": "sign({0})",
    "sgn": "sign({0})",
    "square": "square({0})",
    "sqrt": "sqrt({0})",
    "rsqrt": "(1.0 / sqrt({0}))",
    "pow": "pow({0}, {1})",
    "fmod": "fmod({0}, {1})",
    "remainder": "remainder_floor({0}, {1})",
    "maximum": "larger({0}, {1})",
    "minimum": "smaller({0}, {1})",
    "floor": "floor({0})",
    "ceil": "ceil({0})",
    "round": "nearbyint({0})",
    "trunc": "trunc({0})",
    "frac": "fractional({0})",
    "addcmul": "({0} + {3} * {1} * {2})",
    "addcdiv": "({0} + {3} * {1} / {2})",
    "lerp": "mix({0}, {1}, {2})",
    # exponentials
    "exp": "exp({0})",
    "exp2": "exp2({0})",
    "expm1": "expm1({0})",
    "log": "log({0})",
    "log2": "log2({0})",
    "log10": "log10({0})",
    "log1p": "log1p({0})",
    "logaddexp": "logaddexp({0}, {1})",
    "xlogy": "xlogy({0}, {1})",
    "special_xlog1py": "xlog1py({0}, {1})",
    "sigmoid": "sigmoid({0})",
    "softplus": "softplus({0}, {1}, {2})",
    "logit": "logit({0})",
    # trigonometry
    "sin": "sin({0})",
    "cos": "cos({0})",
    "tan": "tan({0})",
    "asin": "asin({0})",
    "acos": "acos({0})",
    "atan": "atan({0})",
    "atan2": "atan2({0}, {1})",
    "sinh": "sinh({0})",
    "cosh": "cosh({0})",
    "tanh": "tanh({0})",
    "asinh": "asinh({0})",
    "acosh": "acosh({0})",
    "atanh": "atanh({0})",
    "hypot": "hypot({0}, {1})",
    # special functions
    "erf": "erf({0})",
    "erfc": "erfc({0})",
    "lgamma": "lgamma({0})",
    "digamma": "digamma({0})",
    "polygamma": "polygamma({0}, {1})",
    # comparison and logic
    "eq": "({0} == {1})",
    "ne": "({0} != {1})",
    "lt": "({0} < {1})",
    "le": "({0} <= {1})",
    "gt": "({0} > {1})",
    "ge": "({0} >= {1})",
    "logical_and": "(({0} != 0) && ({1} != 0))",
    "logical_or": "(({0} != 0) || ({1} != 0))",
    "logical_xor": "(({0} != 0) != ({1} != 0))",
    "logical_not": "({0} == 0)",
    "bitwise_not": "(~{0})",
    "bitwise_and": "({0} & {1})",
    "bitwise_or": "({0} | {1})",
    "bitwise_xor": "({0} ^ {1})",
    "isnan": "(isnan({0}) != 0)",
    "isinf": "(isinf({0}) != 0)",
    "isfinite": "(isfinite({0}) != 0)",
    "where": "({0} ? {1} : {2})",
    "masked_fill": "({1} ? {2} : {0})",
    "nan_to_num": "nan_to_num({0}, {1}, {2}, {3})",
    # gradients
    "tanh_backward": "({0} * one_less_square({1}))",
    "sigmoid_backward": "({0} * logistic_slope({1}))",
    "softplus_backward": "softplus_backward({0}, {1}, {2}, {3})",
    "threshold_backward": "({1} > {2} ? {0} : 0)",
    # conversions: what is stored decides
    "clone": "{0}",
    "_to_copy": "{0}",
    "copy": "{1}",
}

POWERS = {2: "square({0})", 1: "{0}", 3: "cube({0})", 0.5: "sqrt({0})", -0.5: "(1.0 / sqrt({0}))", -1: "(1.0 / {0})", -2: "(1.0 / square({0}))"}
"""Powers with a name of their own."""

SIMD_SAFE = ("exp(", "log(")
