"""The compiled code under AddressSanitizer and UndefinedBehaviorSanitizer:

    python -m tests.sanitize [FOLDER …]

Everything is compiled by gcc with `-fsanitize=address,undefined` into a cache of its own, and takes steps with one chain and
with four: the tests of tests/inference/native, the shipped specs, every distribution of the language latent and observed, the
models of sequences, and the spec m.mlm of every folder below those named. A model whose text is refused is passed over.
The exit status is 1 if a sanitizer found something; what it found is printed with the model's name.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g"
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1",  # Python itself keeps memory until the end
    "UBSAN_OPTIONS": "halt_on_error=1",
}
STEPS = 40

Model = Callable[[], Any]


def models(folders: Sequence[Path]) -> Iterator[tuple[str, Model]]:
    """Each model's name, and what makes its Pyro program."""
    import mlmdsl
    from tests.benchmarks.sequences import SEQUENCES
    from tests.compiler.test_distributions import ROWS

    for spec in mlmdsl.shipped():
        for collapsed in (False, True):
            yield f"{spec.name} {collapsed=}", partial(_spec, spec.name, collapsed)
    for row in ROWS:
        yield f"{row.name} latent", partial(_latent, row)
        yield f"{row.name} scale", partial(_correlated, row)
        yield f"{row.name} observed", partial(_observed, row)
    for name in SEQUENCES:
        for length in (4, 60):
            yield f"{name} {length}", partial(_sequence, name, length)
    for path in sorted(path for folder in folders for path in folder.rglob("m.mlm")):
        yield str(path), partial(_spec, path)


def _spec(where: str | Path, collapsed: bool = False) -> Any:
    import mlmdsl

    return mlmdsl.load(where).bind().compiled(collapsed=collapsed)


def _sequence(name: str, length: int) -> Any:
    import mlmdsl
    from tests.benchmarks.sequences import SEQUENCES

    text, data = SEQUENCES[name]
    return mlmdsl.parse(text).bind(**data(length)).compiled()


def _latent(row: Any) -> Any:
    from tests.compiler.test_distributions import literal, model

    first = literal(row, row.settings[0])
    return model(row, f"x ~ {first}\nz ~ filldist({first}, 2, 3)").compiled()


def _correlated(row: Any) -> Any:
    """As the residual scale beside two correlated effects."""
    from tests.compiler.test_distributions import literal, model

    first = literal(row, row.settings[0])
    scale = first if min(row.scipy(*row.settings[0]).ppf([0.0, 1.0])) >= 0 else f"truncated({first}; lower=0)"
    body = f"""σ ~ {scale}
    Ω ~ LKJCholesky(2, 2.0)
    τ ~ filldist(truncated(Normal(0, 1); lower=0), 2)
    z ~ filldist(Normal(0, 1), 2, 3)
    b = (Diagonal(τ) * Ω.L) * z
    y ~ MvNormal(b[1, g] .+ b[2, g] .* x, σ^2 * I)"""
    import numpy as np

    rng = np.random.default_rng(0)
    return model(row, body, y=rng.normal(size=12), x=rng.normal(size=12), g=np.arange(12) % 3 + 1).compiled()


def _observed(row: Any) -> Any:
    """Of a parameter: the last one, made smaller by what is sampled."""
    from tests.compiler.test_distributions import broadcast, model, points

    last = f"p{len(row.settings[0]) - 1}"
    body = f"u ~ Normal(0, 1)\ny ~ arraydist({broadcast(row).replace(last, f'({last} .* logistic(u))')})"
    return model(row, body, y=points(row)[1]).compiled()


def run(program: Any, chains: int) -> bool:
    """Some steps of the native engine; False if the model is none for it."""
    import torch

    from mlmdsl.inference.engine import NativeEngine, build_engine
    from mlmdsl.inference.run import choose_settings
    from mlmdsl.inference.sampler import Sampler
    from mlmdsl.inference.sites import read_sites

    sites = read_sites(program, 0)
    settings = choose_settings("vectorized", chains, 5, 5, 0, 0.8, 4)
    engine = build_engine(sites, settings)
    if not isinstance(engine, NativeEngine):
        return False
    sampler = Sampler(sites.dim, torch.empty(0, dtype=sites.dtype), settings, engine)
    session = sampler.begin()
    for _ in range(STEPS):
        sampler.next_rows(session)
    return True


def run_from(folders: Sequence[Path], only: str, first: int, note: Path) -> None:
    """Build and run the models from a place in the list on; `note` says which was begun last."""
    for k, (name, make) in enumerate(models(folders)):
        if k < first or only not in name:
            continue
        note.write_text(str(k))
        print(name, end="", flush=True)
        print(_outcome(make), flush=True)


def _outcome(make: Model) -> str:
    from mlmdsl.language.errors import MlmError

    try:
        program = make()
        return "" if min(run(program, chains) for chains in (1, 4)) else ": not for the native engine"
    except (MlmError, ValueError, ArithmeticError, RuntimeError, TypeError) as error:
        return f": passed over, {str(error).splitlines()[0]}"


def environment(cache: str) -> dict[str, str]:
    """Of a process whose compiled code is watched."""
    # the second lets the first see the exceptions of C++ that torch throws
    preloaded = [_library(name) for name in ("libasan.so", "libstdc++.so")]
    own = {"CC": f"gcc {FLAGS}", "LD_PRELOAD": ":".join(preloaded), "XDG_CACHE_HOME": cache, "OMP_NUM_THREADS": "1"}
    return {**os.environ, **OPTIONS, **own}


def _library(name: str) -> str:
    command = ["gcc", f"-print-file-name={name}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.sanitize", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--only", default="", metavar="TEXT", help="models whose name has this text; no tests")
    parser.add_argument("--from", type=int, dest="first", help=argparse.SUPPRESS)
    parser.add_argument("--note", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.first is not None:
        return run_from(options.folders, options.only, options.first, options.note)
    with TemporaryDirectory() as cache:
        given = environment(cache)
        failed = [] if options.only else _tests(given)
        failed += _failed(options.folders, options.only, given, Path(cache) / "note")
    print(f"failed: {', '.join(failed) or 'none'}")
    sys.exit(bool(failed))


def _failed(folders: Sequence[Path], only: str, given: dict[str, str], note: Path) -> list[str]:
    """The models at which a process died; each time, another goes on with the next."""
    names = [name for name, _ in models(folders)]
    failed: list[str] = []
    first = 0
    while True:
        own = ["--only", only, "--from", str(first), "--note", str(note)]
        command = [sys.executable, "-m", "tests.sanitize", *own, *map(str, folders)]
        if subprocess.run(command, env=given, check=False).returncode == 0:
            return failed
        first = int(note.read_text()) + 1
        failed.append(names[first - 1])


def _tests(given: dict[str, str]) -> list[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/inference/native"]
    return ["tests"] if subprocess.run(command, env=given, check=False).returncode else []


if __name__ == "__main__":
    main()
