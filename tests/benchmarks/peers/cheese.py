"""The 160 ratings as plain arrays, read without torch: a peer's program must not pay for this project's libraries."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

CHEESE = Path(__file__).parents[3] / "specs" / "cheese" / "cheese.csv"

with CHEESE.open(newline="", encoding="utf-8") as file:
    _ROWS = list(csv.DictReader(file))

X = np.array([[float(row["cheese"] == cheese) for cheese in "ABCD"] for row in _ROWS])
GROUP = np.array([int(row["background"] == "urban") for row in _ROWS])
Y = np.array([float(row["y"]) for row in _ROWS])
MEAN, SD = float(Y.mean()), float(Y.std(ddof=1))
X1 = np.concatenate([np.ones_like(X[:, :1]), X], axis=1)
"""X with a column of ones in front."""
