"""`python -m tests.differential --count 1000000 --seed 1 --jobs 2`: random programs, each computed twice.

Prints how many agree, how many the compiler refuses, and every difference as the smallest program that shows it.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections import Counter

from tests.differential.tally import Tally, chunks, report, show, tally


def main() -> int:
    """Compare, print, and return 1 where there is a difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="how many programs")
    parser.add_argument("--seed", type=int, default=1, help="the first program's seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--show", type=int, default=3, help="faults of a kind that are made small and printed")
    options = parser.parse_args()
    total, shown = Tally(), Counter[str]()
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        for part in pool.imap_unordered(tally, chunks(options.seed, options.count)):
            total.add(part)
            for seed, kind in part.faults:
                shown[kind] += 1
                if shown[kind] <= options.show:
                    print(show(seed, kind), flush=True)
    print(report(total))
    for kind, number in shown.most_common():
        print(f"    {number:6}  {kind}")
    return 1 if total.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
