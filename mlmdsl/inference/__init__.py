"""Draws from the posterior of any Pyro model: a vectorised NUTS, and Pyro's own as the reference."""

from mlmdsl.inference.run import Draws, Progress, UnsupportedModel, sample

__all__ = ["Draws", "Progress", "UnsupportedModel", "sample"]
