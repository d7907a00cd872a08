"""Draws from the posterior of any Pyro model: a vectorised NUTS, and Pyro's own as the reference."""

from mlmdsl.inference.nuts import NUTS
from mlmdsl.inference.run import Draws, Progress, UnsupportedModel, sample

__all__ = ["NUTS", "Draws", "Progress", "UnsupportedModel", "sample"]
