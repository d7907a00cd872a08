"""Which hard models converge by default settings, and in what time:

    python -m tests.benchmarks.convergence [--models NAME,…] [--peers numpyro,pymc] [--seeds N] [--timeout SECONDS]

The models are those of tests/benchmarks/hard: spec, data and a log density by hand, against which the tests hold the compiled
spec and this benchmark the peers' forms (tests/benchmarks/peers) before it runs them: all sample one posterior. A run
converges if R-hat (rank-normalised, split, by ArviZ) is at most 1.01 and the smallest bulk ESS at least 400 for every
element of every parameter. mlmdsl and the peers run as a user gets them by default; the peers make 4 chains of
1000 + 1000. Each model and system is a process of its own, with an empty cache, and has so many seconds for all its seeds:
those it does not come to count as failed. Of the seeds' times the table has medians; compile time is that of the first seed,
and its processor time is within that seed's where the sampler compiles as it begins.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic
from typing import NamedTuple

from tests.benchmarks.cold import empty_caches
from tests.benchmarks.hard import HARD_MODELS
from tests.benchmarks.inference import of_fit
from tests.benchmarks.report import Result, Runner, console, flags, installed, show_table

MOST_RHAT, LEAST_ESS = 1.01, 400


class Seed(NamedTuple):
    """One run of one system: `cpu_s` is the processor time of all its threads, `peak_mib` the process's memory so far."""

    seed: int
    result: Result
    cpu_s: float
    peak_mib: float

    @property
    def converged(self) -> bool:
        return self.result.rhat <= MOST_RHAT and self.result.ess >= LEAST_ESS


def prepare_ours(name: str) -> Runner:
    """The spec, as `mlmdsl run` samples it."""
    import torch

    import mlmdsl

    torch.set_num_threads(1)
    model = HARD_MODELS[name]
    bound = mlmdsl.parse(model.text, name).bind(**model.data())
    return lambda seed: of_fit("mlmdsl", bound.sample(seed=seed))


def prepare_peer(peer: str) -> Callable[[str], Runner]:
    """The peer's form, once it is seen to be the same posterior."""

    def prepare(name: str) -> Runner:
        from tests.benchmarks.peers import hard_run

        return hard_run.PREPARE[peer](HARD_MODELS[name])

    return prepare


PREPARE = {"mlmdsl": prepare_ours, "numpyro": prepare_peer("numpyro"), "pymc": prepare_peer("pymc")}


def run_seeds(name: str, system: str, seeds: Sequence[int]) -> None:
    """In the process of one system: a line of JSON for each seed, as soon as it is done."""
    run = PREPARE[system](name)
    for seed in seeds:
        began = cpu_seconds()
        result = run(seed)
        peak = max(usage.ru_maxrss for usage in usages())
        print(json.dumps([seed, result, cpu_seconds() - began, peak / 1024]), flush=True)


def usages() -> list[resource.struct_rusage]:
    """Of this process, and of those that it started and that have ended, such as compilers."""
    return [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]


def cpu_seconds() -> float:
    """Processor time so far."""
    return sum(usage.ru_utime + usage.ru_stime for usage in usages())


def finished(name: str, system: str, seeds: Sequence[int], timeout: float) -> tuple[list[Seed], str]:
    """The seeds that were done in time, and why there are no more ("" where all are there)."""
    numbers = ",".join(map(str, seeds))
    command = [sys.executable, "-m", "tests.benchmarks.convergence", "--child", name, system, numbers]
    with TemporaryDirectory() as folder:
        environment = {**os.environ, **empty_caches(folder)}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired as stopped:
            return read(stopped.stdout.decode() if isinstance(stopped.stdout, bytes) else ""), "out of time"
    last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return read(done.stdout), last if done.returncode else ""


def read(lines: str) -> list[Seed]:
    """The runs that a system's process has told of."""
    rows = [json.loads(line) for line in lines.splitlines() if line.startswith("[") and line.endswith("]")]
    return [Seed(seed, Result(*result), *rest) for seed, result, *rest in rows]


COLUMNS = (
    "system", "converged", "failed seeds", "worst R-hat", "min ESS", "divergences",
    "compile s", "run s", "CPU s", "gradients", "MiB",
)  # fmt: skip


def row(system: str, wanted: Sequence[int], runs: Sequence[Seed], trouble: str) -> list[str]:
    """A line of a model's table."""
    good = {run.seed for run in runs if run.converged}
    failed = [str(seed) for seed in wanted if seed not in good]
    start = [system, f"{len(good)} of {len(wanted)}", ",".join(failed) or "none"]
    if not runs:
        return [*start, trouble, *["None"] * (len(COLUMNS) - 4)]
    results = [run.result for run in runs]
    return [
        *start,
        f"{max(result.rhat for result in results):#.4g}" + (f" ({trouble})" if trouble else ""),
        f"{min(result.ess for result in results):.0f}",
        str(sum(result.divergences for result in results)),
        f"{results[0].compile_s:.1f}",
        f"{median(result.seconds for result in results):.1f}",
        f"{median(run.cpu_s for run in runs):.1f}",
        f"{median(result.gradients for result in results):.0f}",
        f"{max(run.peak_mib for run in runs):.0f}",
    ]


def rows_of(name: str, systems: Sequence[str], seeds: Sequence[int], timeout: float) -> Iterator[list[str]]:
    """A model's lines, one a system."""
    for system in systems:
        began = monotonic()
        runs, trouble = finished(name, system, seeds, timeout)
        yield row(system, seeds, runs, trouble)
        console.print(f"{name}, {system}: {monotonic() - began:.0f} s", style="dim")


def options() -> argparse.Namespace:
    """The flags."""
    parser = flags(__doc__, known=tuple(HARD_MODELS))
    parser.add_argument("--timeout", type=float, default=600, metavar="SECONDS", help="for all seeds of one line")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    chosen = options()
    if chosen.child is not None:
        name, system, numbers = chosen.child
        return run_seeds(name, system, [int(number) for number in numbers.split(",")])
    systems = ("mlmdsl", *(peer for peer in installed(chosen.peers) if peer in PREPARE))
    for name in chosen.models:
        lines = list(rows_of(name, systems, range(chosen.seeds), chosen.timeout))
        show_table(f"{name}: {HARD_MODELS[name].about}", COLUMNS, lines)
    return None


if __name__ == "__main__":
    main()
