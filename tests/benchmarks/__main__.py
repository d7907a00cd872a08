"""All benchmarks, or those named, each in a process of its own:

    python -m tests.benchmarks [PART …] [--models NAME,…] [--peers numpyro,pymc,pyro] [--seeds N] [--quick]

`python -m tests.benchmarks.PART --help` has the further flags of one part. Peers come with the `bench` extra; one that is
not installed is left out, and stock Pyro, which takes minutes even where it is extrapolated, is only run if named. For
figures that count, leave the machine to it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple


class Part(NamedTuple):
    """A module of this folder, what it measures, which common flags it takes, the flags and the models of a quick look."""

    name: str
    about: str
    takes: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    quick_models: str = "varying_intercept"


PARTS = (
    Part("checking", "parsing and checking a long spec"),
    Part("cold", "wall time from the start of a process to its summary", ("models", "peers", "seeds")),
    Part("inference", "min ESS a second, compiling excluded", ("models", "peers", "seeds")),
    Part("steps", "cost of a step, by number of chains", ("models", "peers"), ("--chains", "4,64", "--blocks", "50")),
    Part(
        "logistic", "a model with nothing to integrate out", ("peers", "seeds"), ("--rows", "2000", "--groups", "100")
    ),
    Part("compiling", "machine code of sequences", (), ("--models", "garch", "--lengths", "50")),
    Part("rows", "cost of a gradient, by number of rows"),
    Part("groups", "cost of a gradient, by number of groups"),
    Part("centring", "centred and non-centred effects"),
    Part(
        "convergence",
        "hard models: which converge by default, and in what time",
        ("models", "peers", "seeds"),
        ("--timeout", "60"),
        "poisson_glm,funnel",
    ),
)


def command(part: Part, options: argparse.Namespace) -> list[str]:
    """The command that runs a part."""
    found = [sys.executable, "-m", f"tests.benchmarks.{part.name}"]
    for flag in part.takes:
        value = getattr(options, flag)
        if flag == "models" and value is None and options.quick:
            value = part.quick_models
        if value is not None:
            found += [f"--{flag}", str(value)]
    return [*found, *(part.quick if options.quick else ())]


def failed(parts: Sequence[Part], options: argparse.Namespace) -> list[str]:
    """Run the parts in turn; the names of those that failed."""
    names = []
    for part in parts:
        print(f"\n── {part.name}: {part.about}", flush=True)
        if find_spec(f"tests.benchmarks.{part.name}") is None:
            print("not in this checkout: left out", flush=True)
        elif subprocess.run(command(part, options), check=False).returncode != 0:
            names.append(part.name)
    return names


def main() -> None:
    known = {part.name: part for part in PARTS}
    listed = "\n".join(f"  {part.name:<11} {part.about}" for part in PARTS)
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        epilog=f"parts:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="default: all")
    parser.add_argument("--models", metavar="NAME,…", help="of those that the parts have (default: all)")
    parser.add_argument("--peers", metavar="NAME,…", help="of numpyro, pymc, pyro; or none (default: numpyro,pymc)")
    parser.add_argument("--seeds", type=int, metavar="N", help="runs, with the seeds 0 … N−1 (default: 1)")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, and one or two of the models")
    options = parser.parse_args()
    unknown = [name for name in options.parts if name not in known]
    if unknown:
        parser.error(f"no part {', '.join(unknown)}: choose of {', '.join(known)}")
    wrong = failed([known[name] for name in options.parts] or PARTS, options)
    if wrong:
        sys.exit(f"failed: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
