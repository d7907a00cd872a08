"""Wrong uses of distributions and combinators: an error that points at the call and says what it needs."""

from __future__ import annotations

import numpy as np
import pytest

import mlmdsl
from mlmdsl.language.errors import SpecError

WRONG = {
    # numbers of arguments
    "Normal(0, 1, 2)": "takes (μ, σ), found 3 arguments",
    "TDist()": "takes (ν), found 0 arguments",
    "Uniform(3)": "takes (a, b), found 1 argument",
    "SkewNormal(0, 1)": "takes (μ, σ, α), found 2 arguments",
    "MvNormal()": "takes (μ, Σ) or (Σ)",
    "MvNormal(v, I, 3)": "takes (μ, Σ) or (Σ)",
    "InverseWishart(4)": "takes (ν, Ψ)",
    "LKJCholesky()": "takes (d, η)",
    "truncated(Normal(0, 1), 0)": "truncated takes",
    "filldist(Normal(0, 1))": "at least one size",
    "LocationScale(1, 2)": "takes (μ, σ, d), found 2",
    "MixtureModel()": "takes (components, weights)",
    "transformed(filldist(Normal(0, 1), 3))": "a distribution and a bijector",
    # ranks and shapes
    "Normal(v, 1)": "μ is a number, found a vector of length 2",
    "Normal(0, v)": "σ is a number, found a vector of length 2",
    "MvNormal(1.0, 2.0)": "μ is a vector, found a number",
    "MvNormal(v, [1.0 0 0; 0 1 0; 0 0 1])": "a vector of length 2 and a 3 × 3 matrix",
    "MvNormal(v, [1.0, 2.0, 3.0])": "2 and 3",
    "MvNormal(s * I)": "has no length",
    "MvTDist(v, v, Diagonal(v))": "ν is a number",
    "MvNormal(v, cholesky(Diagonal(v) + 2 * I))": "Cholesky factorisation",
    "Dirichlet(3)": "α is a vector, found an integer",
    "Wishart(3, v)": "Σ is a matrix, found a vector",
    "OrderedLogistic(0.0, 1.0)": "a vector, found a number",
    "Normal.(v, [1.0, 2.0, 3.0])": "2 and 3",
    "LocationScale(v, 1, TDist(3))": "needs a dot",
    "v + Normal(0, 1)": "needs a dot",
    # supports
    "Normal(0, -1)": "σ must be positive",
    "Normal(0, z)": "`z` ranges over all real numbers",
    "Exponential(0)": "θ must be positive",
    "Beta(0, 1)": "α must be positive",
    "Bernoulli(1.5)": "between 0 and 1",
    "Bernoulli(z)": "between 0 and 1",
    "Poisson(z)": "λ must be nonnegative",
    "MvNormal(v, -1)": "must be positive",
    "MvNormal(v, z * I)": "must be positive",
    "MvNormal(v, -4 * I)": "must be positive",
    "LKJ(3, -1)": "η must be positive",
    "LKJ(2.5, 1)": "must be a count",
    "Binomial(-3, 0.5)": "must be a count",
    "Binomial(2.5, 0.5)": "must be a count",
    "Categorical(2.5)": "a whole number known from the data",
    "Categorical([0.2, 0.2])": "adds to 0.4",
    "Dirichlet([1.0, -1.0])": "α must be positive",
    "Multinomial(5, v)": "vector of probabilities",
    "OrderedLogistic(0.0, [1.0, 0.0])": "must increase",
    "LocationScale(0, 0, Normal(0, 1))": "times 0",
    "Uniform(2, 1)": "a",
    # keywords and names
    "Gamma(2; rate=1)": "no keyword `rate`",
    "Normal(μ=0, σ=1)": "no keyword `μ`",
    "truncated(Normal(0, 1); low=0)": "no keyword `low`",
    "filldist(Normal(0, 1), 2; x=1)": "no keyword `x`",
    "Norml(0, 1)": "`Norml`",
    "Normal(\"a\", 1)": "found a text",
    # combinators
    "truncated(Normal(0, 1); lower=2, upper=1)": "lower bound 2 is not below",
    "truncated(MvNormal(v, I); lower=0)": "a distribution of one number",
    "truncated(filldist(Normal(0, 1), 2); lower=0)": "a distribution of one number",
    "censored(Dirichlet(3, 1.0); lower=0)": "a distribution of one number",
    "truncated(3; lower=0)": "needs a distribution, found an integer",
    "filldist(Normal.(v, 1), 2)": "found an array of them",
    "filldist(Normal(0, 1), -1)": "not negative",
    "filldist(Normal(0, 1), 2.5)": "a whole number known from the data",
    "filldist(Normal(0, 1), z)": "a whole number known from the data",
    "filldist(3, 2)": "needs a distribution",
    "arraydist(Normal(0, 1))": "needs an array of distributions, found one",
    "arraydist([1.0, 2.0])": "needs a distribution",
    "arraydist([Normal(0, 1), MvNormal(v, I)])": "differ in shape",
    "arraydist([MvNormal(v, I), MvNormal([1.0, 2.0, 3.0], I)])": "differ in shape",
    "product_distribution(Normal(0, 1))": "needs an array of distributions",
    "Normal.(v, 1)": "an array of distributions",
    "fill(Normal(0, 1))": "found 1",
    "MixtureModel([Normal(0, 1), Normal(1, 1)], [0.2, 0.3, 0.5])": "2 components, 3 weights",
    "MixtureModel([Normal(0, 1), Normal(1, 1)], 0.5)": "weights of a mixture are a vector",
    "MixtureModel([Normal(0, 1), Normal(1, 1)], [0.2, 0.3])": "adds to 0.5",
    "MixtureModel([Normal(0, 1), Normal(1, 1)], [1.2, -0.2])": "vector of probabilities",
    "MixtureModel([Normal(0, 1), MvNormal(v, I)], [0.5, 0.5])": "differ in shape",
    "MixtureModel(Normal(0, 1), [1.0])": "needs a vector of distributions",
    "ordered(Normal(0, 1))": "a distribution of vectors",
    "ordered(filldist(Exponential(1), 3))": "over all real vectors",
    "transformed(filldist(Normal(0, 1), 3), 3)": "a distribution and a bijector",
    "LocationScale(0, 1, MvNormal(v, I))": "a distribution of one number",
    "Normal(0, 1) + Normal(0, 1)": "two distributions",
    "Normal(0, 1)^2": "does not apply to a distribution",
    "2 / Normal(0, 1)": "does not apply to a distribution",
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_wrong_use(text: str) -> None:
    line = f"x ~ {text}"
    spec = mlmdsl.parse(f"@model function f(v)\nz ~ Normal(0, 1)\ns ~ Exponential(1)\n{line}\nend")
    with pytest.raises(SpecError) as caught:
        spec.bind(v=np.array([1.0, 2.0]))
    (diagnostic,) = caught.value.diagnostics
    assert WRONG[text] in diagnostic.message
    assert diagnostic.span is not None
    assert spec.source.excerpt(diagnostic.span) in line
    assert spec.source.position(diagnostic.span.start)[0] == 4


@pytest.mark.parametrize(
    ("data", "text", "message"),
    [
        ([1.0, -2.0], "y .~ Exponential(1)", "-2 in row 2"),
        ([0, 3, 2], "y .~ Bernoulli(0.5)", "3 in row 2"),
        ([1.0, 2.5], "y .~ Poisson(2)", "2.5 in row 2"),
        ([1, 4], "y .~ Categorical([0.2, 0.3, 0.5])", "4 in row 2"),
        ([0.5, 1.5], "y .~ Beta(1, 1)", "1.5 in row 2"),
        ([1.0, 7.0], "y .~ Uniform(0, 5)", "7 in row 2"),
    ],
)
def test_data_outside_the_support(data: list[float], text: str, message: str) -> None:
    with pytest.raises(mlmdsl.DataError, match=message):
        mlmdsl.parse(f"@model function f(y)\n{text}\nend").bind(y=np.array(data))
