"""The library that emitted Pyro programs import: distributions Pyro lacks, in Distributions.jl's conventions."""

from .affine import LocationScale
from .arrays import set_index
from .categorical import Categorical, OrderedLogistic
from .cdf import log_tails
from .censoring import Censored
from .collapsed import CollapsedNormal, RowStatistics, design, row_statistics
from .columns import Columns
from .continuous import LogitNormal, SkewNormal
from .counts import BinomialLogit, DiscreteUniform, LogPoisson, Multinomial, negative_binomial
from .improper import Flat, FlatPos
from .lkj import LKJ
from .matrices import InverseWishart, Wishart, mv_normal_canonical, mv_student, symmetric
from .missing import sample_missing
from .mixtures import Dirac, Mixture
from .ordered import Ordered, PushedOrdered
from .reductions import mad, product, quantile
from .special import gamma
from .stacked import Stacked
from .truncation import Truncated

__all__ = [
    "BinomialLogit",
    "Categorical",
    "Censored",
    "CollapsedNormal",
    "Columns",
    "Dirac",
    "DiscreteUniform",
    "Flat",
    "FlatPos",
    "InverseWishart",
    "LKJ",
    "LocationScale",
    "LogPoisson",
    "LogitNormal",
    "Mixture",
    "Multinomial",
    "Ordered",
    "OrderedLogistic",
    "PushedOrdered",
    "RowStatistics",
    "SkewNormal",
    "Stacked",
    "Truncated",
    "Wishart",
    "design",
    "gamma",
    "log_tails",
    "mad",
    "mv_normal_canonical",
    "mv_student",
    "negative_binomial",
    "product",
    "quantile",
    "row_statistics",
    "sample_missing",
    "set_index",
    "symmetric",
]
