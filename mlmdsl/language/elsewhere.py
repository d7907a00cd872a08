"""Names that Stan, Pyro, PyMC and R use for what this language writes otherwise: an error offers the right form."""

from __future__ import annotations

_DISTRIBUTIONS = {
    "halfcauchy": "truncated(Cauchy(0, s); lower=0)",
    "halfnormal": "truncated(Normal(0, s); lower=0)",
    "halfstudentt": "truncated(TDist(ν); lower=0)",
    "halft": "truncated(TDist(ν); lower=0)",
    "studentt": "TDist(ν)` or `LocationScale(μ, σ, TDist(ν))",
    "student_t": "TDist(ν)` or `LocationScale(μ, σ, TDist(ν))",
    "multivariatenormal": "MvNormal(μ, Σ)",
    "multi_normal": "MvNormal(μ, Σ)",
    "multinormal": "MvNormal(μ, Σ)",
    "mvstudentt": "MvTDist(ν, μ, Σ)",
    "multivariatestudentt": "MvTDist(ν, μ, Σ)",
    "lkjcorr": "LKJ(d, η)",
    "lkjcorrcholesky": "LKJCholesky(d, η)",
    "lkj_corr_cholesky": "LKJCholesky(d, η)",
    "chi2": "Chisq(ν)",
    "doubleexponential": "Laplace(μ, θ)",
    "negbinomial": "NegativeBinomial(r, p)",
    "neg_binomial": "NegativeBinomial(r, p)",
    "binomiallogits": "BinomialLogit(n, η)",
    "ordered_logistic": "OrderedLogistic(η, cutpoints)",
    "zeroinflatedpoisson": "MixtureModel([Dirac(0), Poisson(λ)], [p, 1 - p])",
    "mixture": "MixtureModel(components, weights)",
    "delta": "Dirac(x)",
    "improper": "Flat()",
}

_FUNCTIONS = {
    "sd": "std",
    "len": "length",
    "nrow": "size(X, 1)",
    "ncol": "size(X, 2)",
    "rep": "repeat",
    "ln": "log",
    "sigmoid": "logistic",
    "inv_logit": "logistic",
    "pow": "x ^ n",
    "matmul": "A * B",
    "concatenate": "vcat",
    "cbind": "hcat",
    "rbind": "vcat",
    "where": "ifelse.(condition, a, b)",
    "arange": "1:n",
    "linspace": "range(a, b; length=n)",
    "average": "mean",
    "None": "missing",
    "null": "missing",
    "TRUE": "true",
    "FALSE": "false",
    "True": "true",
    "False": "false",
    "NULL": "missing",
    "NA": "missing",
}


_SUBMODEL = (
    "a model inside a model is not supported",
    "write its statements in this model, or make it a helper function that returns a distribution: "
    "`priors(J) = filldist(Normal(0, 1), J)`, then `u ~ priors(J)`",
)
_UNSUPPORTED = {
    "to_submodel": _SUBMODEL,
    "returned": _SUBMODEL,
    "to_distribution": _SUBMODEL,
}


def not_supported(name: str) -> tuple[str, str] | None:
    """What to say of a function of Turing's that this language does not have: message and remedy."""
    found = _UNSUPPORTED.get(name)
    return (f"`{name}`: {found[0]}", found[1]) if found else None


def written_here(name: str) -> str | None:
    """A hint that offers this language's form of a name from elsewhere."""
    form = _FUNCTIONS.get(name) or _DISTRIBUTIONS.get(name.lower())
    return f"here this is written `{form}`" if form else None
