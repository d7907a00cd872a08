"""What the peers' whole programs share: the arguments, and a last line by which a clock outside knows that all is printed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

PRINTED = "the summary is printed"


def arguments(doc: str | None) -> argparse.Namespace:
    """Name, seed, and where the draws go once the clock has stopped."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", type=Path, help="an .npz file")
    parser.add_argument("--chain-method", default="parallel", choices=("parallel", "vectorized"), help="of NumPyro")
    return parser.parse_args()


def finished(samples: Mapping[str, Any], save: Path | None) -> None:
    """Say that the summary is printed; only then save the draws, (chain, draw, …)."""
    print(PRINTED, flush=True)
    if save is not None:
        np.savez(save, **{name: np.asarray(value) for name, value in samples.items()})
