"""Straight-line tensor programs as C: what makes a step on small tensors cost microseconds and not milliseconds.

A step of the sampler is some hundred operations on tensors of a few numbers; dispatching each costs a thousand times its
arithmetic. Here the traced graph of a gradient, and that of the tree bookkeeping, become C functions of plain loops, built
by the machine's C compiler in about a second and kept on disk. Where there are several chains and small tensors, each loop
runs over eight chains at once (`lanes.h`). A graph with an operation that has no translation runs as before.
"""

from mlmdsl.inference.native.build import NoCompiler
from mlmdsl.inference.native.gradient import NativeGradient
from mlmdsl.inference.native.lower import Unsupported
from mlmdsl.inference.native.steps import NativeSteps

__all__ = ["NativeGradient", "NativeSteps", "NoCompiler", "Unsupported"]
