"""Models on which chains are known to fail: the text of each lies in specs/, its data and its density beside it."""

from __future__ import annotations

from tests.benchmarks.hard.model import HardModel
from tests.benchmarks.hard.processes import PROCESSES
from tests.benchmarks.hard.regressions import REGRESSIONS
from tests.benchmarks.hard.series import SERIES
from tests.benchmarks.hard.shapes import SHAPES

HARD_MODELS: dict[str, HardModel] = {model.name: model for model in (*REGRESSIONS, *SERIES, *SHAPES, *PROCESSES)}
