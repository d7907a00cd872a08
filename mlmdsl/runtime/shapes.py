"""Values given from outside keep the shapes of their distributions.

`pyro.infer.Predictive` conditions a model on draws with axes of size 1 in front, one for each plate that some other site has
more. A program that indexes its parameters needs them as they are drawn.
"""

from typing import Any

from pyro.distributions.torch_distribution import TorchDistributionMixin
from pyro.poutine.messenger import Messenger


class OwnShapes(Messenger):
    """Takes leading axes of size 1 off a site's value that its distribution, in its plates, does not have."""

    def _pyro_post_sample(self, msg: dict[str, Any]) -> None:
        value, fn = msg["value"], msg["fn"]
        if not isinstance(fn, TorchDistributionMixin):
            return
        extra = value.dim() - len(fn.batch_shape) - len(fn.event_shape)
        if extra > 0 and all(size == 1 for size in value.shape[:extra]):
            msg["value"] = value.reshape(value.shape[extra:])
