"""The shape of the project: which folder imports which, what is public, what an import costs, what a wheel holds."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlmdsl

PACKAGE = Path(mlmdsl.__file__).parent
ROOT = PACKAGE.parent

LAYERS = ("language", "compiler", "data", "runtime", "inference", "results")
"""In this order: a folder imports those named before it."""

ALONE = ("runtime", "inference", "results")
"""Folders that import none of the others: they serve any Pyro program."""

FOUNDATION = {"cache", "files"}
"""Modules beside the folders that import nothing of the project, so every folder may import them."""


def imported(path: Path) -> Iterator[str]:
    """The project's modules that a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level < 2, f"{path}: a relative import of another folder"
            names = [f"{node.module}.{alias.name}" for alias in node.names if not node.level]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "mlmdsl")


def modules(folder: str) -> list[Path]:
    """The modules of a folder."""
    return sorted((PACKAGE / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", LAYERS)
def test_a_folder_imports_only_those_before_it(folder: str) -> None:
    allowed = {folder} if folder in ALONE else {*LAYERS[: LAYERS.index(folder)], folder} - set(ALONE)
    assert modules(folder)
    for path in modules(folder):
        wrong = [name for name in imported(path) if name.split(".")[1] not in allowed | FOUNDATION]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize("name", sorted(FOUNDATION))
def test_the_foundation_imports_nothing_of_the_project(name: str) -> None:
    assert not list(imported(PACKAGE / f"{name}.py"))


def test_every_folder_has_its_layer() -> None:
    folders = {path.parent.relative_to(PACKAGE).parts[0] for path in PACKAGE.glob("*/**/*.py")}
    assert folders == set(LAYERS)


HEAVY = {"language": {"torch", "pyro", "pandas", "pyarrow", "scipy"}, "compiler": {"torch", "pyro", "pandas", "scipy"}}
"""What the modules of a folder never import as they are loaded: checking a spec starts at once."""


@pytest.mark.parametrize("folder", HEAVY)
def test_light_folders_load_nothing_heavy(folder: str) -> None:
    for path in modules(folder):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & HEAVY[folder], path


def test_public_names() -> None:
    assert mlmdsl.__all__ == sorted(mlmdsl.__all__)
    for name in mlmdsl.__all__:
        assert getattr(mlmdsl, name).__doc__, f"{name} has no docstring"
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        mlmdsl.fit  # noqa: B018


def test_what_is_public_is_nothing_else() -> None:
    """Names that a user can see beside `__all__` are modules, or Python's own."""
    code = "import mlmdsl, types; print(*(n for n, v in vars(mlmdsl).items() if not isinstance(v, types.ModuleType)))"
    names = {name for name in python(code).split() if not name.startswith("_")}
    assert names - set(mlmdsl.__all__) <= {"Any", "TYPE_CHECKING"}


def test_every_module_can_be_imported_and_says_why_it_exists() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name == "__main__.py" or not path.read_text(encoding="utf-8").strip():
            continue
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        assert importlib.import_module(name).__doc__, f"{name} has no docstring"


def python(code: str, **environment: str) -> str:
    """What a Python process of its own prints."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_checking_a_spec_imports_neither_torch_nor_pandas() -> None:
    code = "import mlmdsl, sys; mlmdsl.load('cheese/varying_intercept').check(); print(*sys.modules)"
    loaded = {name.split(".")[0] for name in python(code).split()}
    assert not loaded & {"torch", "pyro", "pandas", "pyarrow", "scipy", "arviz", "xarray", "rich"}
    assert "mlmdsl" in loaded


@pytest.mark.slow
def test_the_wheel_works_outside_the_checkout(tmp_path: Path) -> None:
    """Built, installed in a folder of its own, run from elsewhere: grammar, specs and data are inside."""
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    copied = ("mlmdsl", "grammar", "specs", "pyproject.toml", "README.md", "LICENSE")
    command = ["cp", "-R", *(str(ROOT / name) for name in copied), str(source)]
    subprocess.run(command, check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(tmp_path), str(source)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"mlmdsl/grammar/mlm.lark", "mlmdsl/specs/cheese/cheese.csv", "mlmdsl/py.typed"} <= names
    specs = {f"mlmdsl/specs/{path.relative_to(ROOT / 'specs')}" for path in (ROOT / "specs").glob("*/*.mlm")}
    assert specs <= names
    assert {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py")} <= names
    assert not [name for name in names if name.startswith("tests")]
    install = [*pip, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    check = run_installed(site, tmp_path, "check", "cheese/varying_intercept")
    assert check.returncode == 0, check.stderr
    program = run_installed(site, tmp_path, "compile", "cheese/varying_intercept")
    assert program.returncode == 0, program.stderr
    assert "def model(" in program.stdout


def run_installed(site: Path, where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line of a package installed in a folder, from outside the checkout."""
    environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}
    code = f"import mlmdsl.cli; assert mlmdsl.cli.__file__.startswith({str(site)!r}), mlmdsl.cli.__file__"
    subprocess.run([sys.executable, "-c", code], cwd=where, env=environment, check=True)
    command = [sys.executable, "-m", "mlmdsl", *arguments]
    return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)
