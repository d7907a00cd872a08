"""The library that emitted Pyro programs import: distributions Pyro lacks, in Distributions.jl's conventions."""

from .affine import LocationScale
from .arrays import OutsideError, add_at, at, set_index, stack_items, whole_numbers
from .categorical import Categorical, OrderedLogistic
from .cdf import log_tails
from .censoring import Censored
from .collapsed import Collapsed, CollapsedNormal
from .columns import Columns
from .continuous import LogitNormal, SkewNormal
from .counts import BetaBinomial, BinomialLogit, DiscreteUniform, LogPoisson, Multinomial, negative_binomial
from .grouped import GroupedNormal
from .improper import Flat, FlatPos
from .lkj import LKJ
from .matrices import InverseWishart, Wishart, mv_normal_canonical, mv_student, symmetric
from .missing import sample_missing
from .mixtures import Dirac, Mixture
from .ordered import Ordered, PushedOrdered
from .reductions import distinct, mad, product, quantile
from .rows import GroupStatistics, RowStatistics, Term, group_statistics, row_statistics
from .scalars import power, quotient
from .special import gamma
from .stacked import Stacked
from .truncation import Truncated

__all__ = [
    "BetaBinomial",
    "BinomialLogit",
    "Categorical",
    "Censored",
    "Collapsed",
    "CollapsedNormal",
    "Columns",
    "Dirac",
    "DiscreteUniform",
    "Flat",
    "FlatPos",
    "GroupStatistics",
    "GroupedNormal",
    "InverseWishart",
    "LKJ",
    "LocationScale",
    "LogPoisson",
    "LogitNormal",
    "Mixture",
    "Multinomial",
    "Ordered",
    "OrderedLogistic",
    "OutsideError",
    "PushedOrdered",
    "RowStatistics",
    "SkewNormal",
    "Stacked",
    "Term",
    "Truncated",
    "Wishart",
    "add_at",
    "at",
    "distinct",
    "gamma",
    "group_statistics",
    "log_tails",
    "mad",
    "mv_normal_canonical",
    "mv_student",
    "negative_binomial",
    "power",
    "product",
    "quantile",
    "quotient",
    "row_statistics",
    "sample_missing",
    "set_index",
    "stack_items",
    "symmetric",
    "whole_numbers",
]
