"""Wall time from the start of a process to its printed summary, on the tutorial's four models:

    python -m tests.benchmarks.cold [--models NAME,…] [--peers numpyro,pymc,pyro] [--seeds N]

Each program is run twice, beginning with empty caches on disk: the first run is what a new user waits, the second has what
the first left in its caches. Libraries are imported once before, so that nobody pays for reading them from the disk, and this
package has its bytecode, as it does once it is installed. ESS
and R-hat are those of the very draws (for mlmdsl, of a third run with the same seed, which gives the same). The
peers' programs are those of tests/benchmarks/peers. Stock Pyro is extrapolated, and only run where named.
"""

from __future__ import annotations

import compileall
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import numpy as np

import mlmdsl
from tests.benchmarks.peers.program import PRINTED
from tests.benchmarks.report import flags, installed, show_table, worst

IMPORTS = {
    "mlmdsl": "torch, pyro, pyarrow, rich",
    "numpyro": "numpyro",
    "pymc": "pymc, nutpie, arviz",
    "pyro": "pyro",
}


class Cold(NamedTuple):
    """Seconds of the first run and of the one after it, the worst ESS and R-hat."""

    program: str
    first_s: float
    again_s: float
    ess: float
    rhat: float


def timed(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Seconds from the start until the program says that its summary is printed, or ends.

    Raises RuntimeError with the program's last words if it fails.
    """
    started = perf_counter()
    printed = None
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment}
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.strip() == PRINTED:
                printed = perf_counter()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{''.join(lines[-20:])}")
    return (perf_counter() if printed is None else printed) - started


def empty_caches(folder: str) -> dict[str, str]:
    """An environment in which every cache that a library keeps by default lies in a folder; JAX keeps none."""
    names = ("XDG_CACHE_HOME", "TMPDIR", "NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")
    return {**dict.fromkeys(names, folder), "PYTENSOR_FLAGS": f"base_compiledir={folder}"}


def run_mlmdsl(name: str, seed: int, folder: str) -> Cold:
    """`mlmdsl run`, as the README has it."""
    command = [sys.executable, "-m", "mlmdsl", "run", f"cheese/{name}", "--seed", str(seed)]
    environment = empty_caches(folder)
    first, again = timed(command, environment), timed(command, environment)
    report = subprocess.run(
        [*command, "--format", "json", "--quiet"],
        capture_output=True, text=True, check=True, env={**os.environ, **environment},
    )  # fmt: skip
    rows = [row for row in json.loads(report.stdout)["summary"] if row["rhat"] is not None]
    return Cold("mlmdsl run", first, again, min(row["ess_bulk"] for row in rows), max(row["rhat"] for row in rows))


def run_peer(program: str, label: str) -> Callable[[str, int, str], Cold]:
    """A program of tests/benchmarks/peers."""

    def run(name: str, seed: int, folder: str) -> Cold:
        saved = Path(folder) / "draws.npz"
        command = [sys.executable, "-m", f"tests.benchmarks.peers.{program}", name, "--seed", str(seed)]
        command += ["--save", str(saved)]
        environment = empty_caches(folder)
        first, again = timed(command, environment), timed(command, environment)
        with np.load(saved) as samples:
            return Cold(label, first, again, *worst(samples))

    return run


def run_pyro(name: str, seed: int, folder: str) -> Cold:
    """Stock Pyro: the time of importing it, and of the chains as `inference` extrapolates them."""
    from tests.benchmarks.peers.pyro_run import prepare

    start_s = timed([sys.executable, "-c", "import pyro"], empty_caches(folder))
    result = prepare(name)(seed)
    whole = start_s + result.compile_s + result.seconds
    return Cold(result.sampler, whole, whole, result.ess, result.rhat)


RUN: dict[str, Callable[[str, int, str], Cold]] = {
    "mlmdsl": run_mlmdsl,
    "numpyro": run_peer("numpyro_cold", "numpyro"),
    "pymc": run_peer("pymc_cold", "pymc + nutpie"),
    "pyro": run_pyro,
}


def over_seeds(program: str, name: str, seeds: int) -> Cold:
    """Medians over several seeds, each with empty caches; the smallest ESS and the greatest R-hat."""
    runs = []
    for seed in range(seeds):
        with TemporaryDirectory() as folder:
            runs.append(RUN[program](name, seed, folder))
    times = median(run.first_s for run in runs), median(run.again_s for run in runs)
    return Cold(runs[0].program, *times, min(run.ess for run in runs), max(run.rhat for run in runs))


def show(name: str, lines: Sequence[Cold]) -> None:
    """The table of one model; ratios are of this line's seconds to those of the first line."""
    columns = ("program", "first run s", "ratio", "again s", "ratio", "min ESS", "max R-hat")
    ours = lines[0]
    rows = [
        (
            line.program,
            f"{line.first_s:.1f}",
            f"{line.first_s / ours.first_s:.2f}",
            f"{line.again_s:.1f}",
            f"{line.again_s / ours.again_s:.2f}",
            f"{line.ess:.0f}",
            f"{line.rhat:.3f}",
        )
        for line in lines
    ]
    show_table(f"{name}, from start to summary", columns, rows)


def main() -> None:
    options = flags(__doc__).parse_args()
    programs = ("mlmdsl", *installed(options.peers))
    compileall.compile_dir(Path(mlmdsl.__file__).parent, quiet=1)
    for program in programs:
        subprocess.run([sys.executable, "-c", f"import {IMPORTS[program]}"], check=True, capture_output=True)
    for name in options.models:
        show(name, [over_seeds(program, name, options.seeds) for program in programs])


if __name__ == "__main__":
    main()
