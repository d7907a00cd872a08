"""The whole pipeline, one call a line: text → tree → checked → IR → passes → program → draws → fit.

Three immutable steps: a `Spec` is what was written, `bind` gives a `Bound` with data, `sample` gives a `Fit`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from mlmdsl.compiler import ir
from mlmdsl.compiler.emit import Program, emit
from mlmdsl.compiler.lower import Lowered, lower_model
from mlmdsl.compiler.passes.centring import Recentred, recentre
from mlmdsl.compiler.passes.marginalize import NotCollapsible, collapse, collapsed_names
from mlmdsl.compiler.show import show_checked, show_ir, show_tree
from mlmdsl.compiler.values import Tensor
from mlmdsl.data.bind import Arguments, bind_arguments, used_columns
from mlmdsl.data.dialect import Writing
from mlmdsl.data.frames import to_table, verify_keywords
from mlmdsl.data.notes import notes_on
from mlmdsl.data.reading import is_url
from mlmdsl.data.tables import Table, read_table
from mlmdsl.data.unbound import lower_unbound
from mlmdsl.language import tree as syntax
from mlmdsl.language.check import check_names
from mlmdsl.language.errors import DataError, Diagnostic, SpecError, did_you_mean, nearest, without_passwords
from mlmdsl.language.parse import parse as parse_source
from mlmdsl.language.source import Source, Span, read_source
from mlmdsl.language.types import Axis
from mlmdsl.library import shipped
from mlmdsl.program import executable, fingerprints, tensors

if TYPE_CHECKING:
    import torch

    from mlmdsl.inference.centring import Centring
    from mlmdsl.inference.run import Progress
    from mlmdsl.results.fit import Fit

Stage = Literal["tree", "checked", "ir", "pyro", "marginal"]
DType = Literal["float64", "float32"]


def load(where: str | Path, network: bool = True) -> Spec:
    """A spec from a path or by its shipped name. Without `network` its table is no address.

    Raises:
        SpecError: not found, not text, or not a spec.
    """
    path = _find(where)
    return Spec(read_source(path, _printable(path)), path.parent, network, path)


def parse(text: str, name: str = "<string>", network: bool = True) -> Spec:
    """A spec from its text. Without `network` its table is no address."""
    return Spec(read_source(text.encode("utf-8", "surrogatepass"), _printable(name)), network=network)


def _printable(name: str | Path) -> str:
    """A name with bytes that are no text written out: programs, reports and files hold text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _find(where: str | Path) -> Path:
    path = Path(where)
    if path.is_file():
        return path
    known = {spec.name: spec.path for spec in shipped()}
    name = str(where).removesuffix(".mlm")
    if name in known:
        return known[name]
    what = "is a folder" if path.is_dir() else "there is no such file or shipped spec"
    hint = _nearest_spec(path, known) or "`mlmdsl list` shows the shipped specs"
    raise SpecError([Diagnostic(f"{without_passwords(str(where))}: {what}", hint=hint)])


def _nearest_spec(path: Path, shipped_names: Collection[str]) -> str | None:
    """A hint that offers a spec beside, or a shipped one: its name, or the last part of it."""
    folder = path.parent
    beside = sorted(str(folder / entry.name) for entry in folder.glob("*.mlm")) if folder.is_dir() else []
    wanted = str(path).removesuffix(".mlm")
    last = {name.rpartition("/")[2]: name for name in shipped_names}
    close = (
        nearest(str(path), beside) or nearest(wanted, shipped_names) or last.get(nearest(wanted, ["", *last]) or wanted)
    )
    return f"did you mean `{close}`?" if close else None


@dataclass(frozen=True)
class Spec:
    """What the author wrote. `base` is the folder that the table's path is relative to, `path` where the spec itself lies.

    `network`: whether tables may come from `http(s)://` addresses.
    """

    source: Source
    base: Path | None = None
    network: bool = True
    path: Path | None = None

    @cached_property
    def tree(self) -> syntax.Spec:
        """The syntax tree; raises SpecError with all syntax errors."""
        return check_names(parse_source(self.source), self.source)

    @property
    def model_names(self) -> tuple[str, ...]:
        """The names of the `@model` functions."""
        return tuple(model.name for model in self.tree.models)

    @property
    def seed(self) -> int | None:
        """What `seed!` says."""
        return self.tree.seed

    def model(self, name: str | None = None) -> syntax.ModelDef:
        """A model by name; the only one, or the last, where none is named."""
        models = self.tree.models
        if name is None and models:
            return models[-1]
        for model in models:
            if model.name == name:
                return model
        if not models:
            raise SpecError(
                [Diagnostic("the spec has no model", hint="write `@model function name(…) … end`")], self.source
            )
        known = ", ".join(self.model_names)
        hint = did_you_mean(name or "", self.model_names) or f"its models: {known}"
        raise SpecError([Diagnostic(f"the spec has no model `{name}`", hint=hint)], self.source)

    def check(self, model: str | None = None) -> None:
        """Check names, types, shapes and supports of every model (or one), without data."""
        diagnostics: list[Diagnostic] = []
        chosen = [self.model(model)] if model is not None else list(self.tree.models)
        if not chosen:
            self.model()
        for each in chosen:
            try:
                lower_unbound(self.source, self.tree, each)
            except SpecError as error:
                diagnostics += [new for new in error.diagnostics if new not in diagnostics]
        if diagnostics:
            raise SpecError(diagnostics, self.source)

    def stage(
        self,
        name: Stage,
        model: str | None = None,
        data: Any = None,
        settings: Mapping[str, Any] | None = None,
        dtype: DType = "float64",
        device: str = "cpu",
    ) -> str:
        """What a stage of the pipeline makes of the spec, as text."""
        if name == "tree":
            return show_tree(self.tree)
        chosen = self.model(model)
        table = self.table(data, used_columns(self.tree, chosen))
        arguments, lowered = self._staged(chosen, table, settings or {})
        if name == "checked":
            return show_checked(arguments.values, lowered.model)
        if name == "ir":
            return show_ir(lowered.model)
        ir_model = self._collapsed(lowered) if name == "marginal" else lowered.model
        return emit(self.source, ir_model, lowered.axis_sizes, dtype, device).text

    def _collapsed(self, lowered: Lowered) -> ir.Model:
        try:
            return collapse(lowered.model)
        except NotCollapsible as reason:
            hint = "`--stage pyro` prints the program that is sampled"
            raise SpecError([Diagnostic(f"nothing is integrated out: {reason}", hint=hint)], self.source) from None

    def pyro_source(self, model: str | None = None) -> str:
        """The Pyro program, as Python text."""
        return self.stage("pyro", model)

    def table(self, data: Any = None, used: Collection[str] | None = None) -> Table | None:
        """The table given, or the one that the `@data` block names; None where neither is there.

        Of a file only the columns that are `used` are read, all where that is None.
        """
        if isinstance(data, str | os.PathLike):
            return read_table(os.fspath(data), used=used, network=self.network, writing=self._writing())
        if data is not None:
            return to_table(data, used)
        block = self.tree.data
        if block is None or block.path is None:
            return None
        try:
            return read_table(block.path, self.base, used, self.network, self._writing())
        except DataError as error:
            raise DataError(
                [replace(found, span=self._path_span(block)) for found in error.diagnostics], self.source
            ) from None

    def _writing(self) -> Writing:
        """How the `@data` block says that a text table is written."""
        block = self.tree.data
        if block is None:
            return Writing()
        delimiter, decimal = (next(iter(block.option(name)), None) for name in ("delim", "decimal"))
        return Writing(delimiter, decimal, block.option("missing"))

    def files(self, data: str | Path | None = None) -> tuple[Path, ...]:
        """The files that a run reads: the spec's own, and the table's, given or named in the `@data` block."""
        own = () if self.path is None else (self.path,)
        block = self.tree.data
        named = data if data is not None or block is None else block.path
        if named is None or is_url(str(named)):
            return own
        return (*own, Path(named) if data is not None else (self.base or Path()) / named)

    def _path_span(self, block: syntax.DataBlock) -> Span:
        """Where the path of the `@data` block stands."""
        start = self.source.text.find('"', block.span.start, block.span.end)
        return Span(start, self.source.text.index('"', start + 1) + 1)

    def bind(
        self,
        data: Any = None,
        /,
        *,
        model: str | None = None,
        settings: Mapping[str, Any] | None = None,
        arguments: Mapping[str, Any] | None = None,
        **given: Any,
    ) -> Bound:
        """The model with its data: a table for the `@data` block, or the arguments by name (None for `missing`).

        A table is a path, an address, a DataFrame of any library, an Arrow table, or a mapping of columns. `arguments` takes
        those whose names are keywords here: `bind(arguments={"model": …})`. `settings` are keyword arguments of the model.

        Raises:
            SpecError, DataError: with every fault found, before anything is sampled.
        """
        verify_keywords(model, settings=settings, arguments=arguments)
        chosen = self.model(model)
        names = {param.name for param in (*chosen.params, *chosen.keywords)}
        if data is None and "data" not in names:
            data = given.pop("data", None)
        values = {**{str(name): value for name, value in (arguments or {}).items()}, **given}
        positional = {param.name for param in chosen.params if param.default is None}
        is_given = data is None and positional and positional <= values.keys()
        table = None if is_given else self.table(data, used_columns(self.tree, chosen))
        if table is None and not values and self.tree.data is not None:
            hint = "give one with `--data`, or as the first argument of `bind`"
            raise DataError([Diagnostic("the `@data` block names no table", self.tree.data.span, hint)], self.source)
        started = perf_counter()
        bound = bind_arguments(self.source, self.tree, chosen, table, values, settings or {})
        lowered = self._lowered(chosen, bound)
        return Bound(self, chosen, table, bound, lowered, perf_counter() - started)

    def _staged(
        self, chosen: syntax.ModelDef, table: Table | None, settings: Mapping[str, Any]
    ) -> tuple[Arguments, Lowered]:
        if table is None:
            return lower_unbound(self.source, self.tree, chosen, settings)
        arguments = bind_arguments(self.source, self.tree, chosen, table, {}, settings)
        return arguments, self._lowered(chosen, arguments)

    def _lowered(self, model: syntax.ModelDef, arguments: Arguments) -> Lowered:
        return lower_model(self.source, self.tree, model, arguments.values, arguments.defaults)


@dataclass(frozen=True)
class BoundArgument:
    """How an argument came to be: its value in words, the labels of its axes, and the expression behind it.

    `reference`: the level that its columns leave out. `ordered`: its levels have an order, by value or since one was given.
    """

    name: str
    kind: str
    labels: tuple[tuple[str, ...] | None, ...]
    source: str
    reference: str | None = None
    ordered: bool = False


@dataclass(frozen=True)
class Bound:
    """A model with its data."""

    spec: Spec
    definition: syntax.ModelDef
    table: Table | None
    bound: Arguments
    lowered: Lowered
    lower_s: float = 0.0
    _programs: dict[tuple[str, ...], Callable[[], Any]] = field(default_factory=dict, compare=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle holds: programs are made anew where they are run."""
        return {**self.__dict__, "_programs": {}}

    @property
    def model_name(self) -> str:
        """The model's name."""
        return self.definition.name

    @property
    def marginalized(self) -> tuple[str, ...]:
        """Names of the parameters that sampling integrates out, unless told not to."""
        model = self.collapsed
        return () if model is None else collapsed_names(model)

    @cached_property
    def collapsed(self) -> ir.Model | None:
        """The model with its Gaussian effects integrated out; None where nothing can be, or nothing would be left."""
        try:
            model = collapse(self.lowered.model)
        except NotCollapsible:
            return None
        return model if any(isinstance(node, ir.Sample) and node.observed is None for node in model.body) else None

    def recentred(self, collapsed: bool = False) -> tuple[ir.Model, tuple[Recentred, ...]]:
        """The model (the collapsed one if wanted and there is one) with its effects written centred, and these."""
        return recentre(self._model(collapsed))

    def _model(self, collapsed: bool) -> ir.Model:
        return self.collapsed if collapsed and self.collapsed is not None else self.lowered.model

    @property
    def arguments(self) -> tuple[BoundArgument, ...]:
        """The model's arguments, and where each came from."""
        from mlmdsl.compiler.values import describe

        block = self.spec.tree.data
        defined = block.sources if block else {}
        sources = {name: self.spec.source.excerpt(value.span) for name, value in defined.items()}
        defaults = {p.name: self.spec.source.excerpt(p.default.span) for p in self._params() if p.default is not None}
        return tuple(
            BoundArgument(
                name, describe(value) + _shown(value), _labels(value), source, _reference(value), _is_ordered(value)
            )
            for name, value in self.bound.values.items()
            for source in [sources.get(name, defaults.get(name, ""))]
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about the data and no error: levels that differ by case or spaces only."""
        return notes_on(self.bound.values)

    def _params(self) -> tuple[syntax.Param, ...]:
        return (*self.definition.params, *self.definition.keywords)

    def pyro_source(self, dtype: DType = "float64", device: str = "cpu") -> str:
        """The Pyro program, as Python text."""
        return self._emitted(dtype, device).text

    def _emitted(self, dtype: str, device: str, collapsed: bool = False, recentred: bool = False) -> Program:
        model = self.recentred(collapsed)[0] if recentred else self._model(collapsed)
        return emit(self.spec.source, model, self.lowered.axis_sizes, dtype, device)

    @property
    def program(self) -> Callable[[], Any]:
        """A plain Pyro model without arguments, in float64 on the CPU: any Pyro inference runs on it."""
        return self.compiled()

    def compiled(
        self, dtype: DType = "float64", device: str = "cpu", collapsed: bool = False, recentred: bool = False
    ) -> Callable[[], Any]:
        """The Pyro model in a dtype, on a device; the collapsed one if wanted and there is one.

        `recentred`: with its effects written centred, under sites of their own where these are not the author's.
        """
        key = (dtype, device, "collapsed" * collapsed, "recentred" * recentred)
        if key not in self._programs:
            program = self._emitted(dtype, device, collapsed, recentred)
            self._programs[key] = executable(program, self.bound, self.spec.source, dtype, device)
        return self._programs[key]

    def fingerprints(
        self, dtype: DType = "float64", device: str = "cpu", collapsed: bool = False, recentred: bool = False
    ) -> Mapping[str, str]:
        """What tells this model and its data from others: a fingerprint of the program, and one of each argument."""
        return fingerprints(self._emitted(dtype, device, collapsed, recentred), self.bound, dtype, device)

    def draws_of(self, fit: Fit) -> dict[str, torch.Tensor]:
        """The draws of a fit of this model to other data, for Pyro's `Predictive` on this `program`.

        Groups are met by their labels, whatever their order here; one that the fit has not is refused by name. What the
        `@data` block computes of a table (`standardize`) it computes of this one.
        """
        from mlmdsl.transfer import draws_for

        return draws_for(self, fit)

    def observed_tensors(self, dtype: DType = "float64", device: str = "cpu") -> dict[str, tuple[str, Any]]:
        """The arrays that are observed, by the author's names: the program's own names, and its tensors."""
        program = self._emitted(dtype, device)
        nodes = ir.statements(self.lowered.model.body)
        observed = {node.target for node in nodes if isinstance(node, ir.Sample) and node.observed is not None}
        given = tensors(program, self.bound, dtype, device, observed)
        own = {name: program.arguments[name] for name in observed if name in program.arguments}
        return {name: (python, given[python]) for name, python in own.items() if hasattr(given.get(python), "dim")}

    def sample(
        self,
        *,
        seed: int | None = None,
        chains: int | None = None,
        draws: int | None = None,
        tune: int | None = None,
        target_accept: float | None = None,
        max_depth: int = 10,
        kernel: Literal["vectorized", "pyro"] = "vectorized",
        marginalize: Literal["auto", "off"] = "auto",
        centring: Centring | Mapping[str, Centring] = "auto",
        device: str = "cpu",
        dtype: DType = "float64",
        progress: Callable[[Progress], None] | None = None,
        checkpoint: str | Path | None = None,
        resume: str | Path | None = None,
        log_likelihood: bool = False,
        predictive: bool = False,
    ) -> Fit:
        """Draw from the posterior with NUTS. `seed` is the spec's `seed!`, else drawn (see `fit.run.seed`).

        `log_likelihood` and `predictive` add, for each draw, the log likelihood of each observed row and a new draw of
        it: `fit.idata` has them as `log_likelihood` and `posterior_predictive`. Each is draws × rows numbers.
        `centring` is `auto`, `centred` or `noncentred`, for all effects or by the effect's name. Where the draws cannot be
        relied on, a DiagnosticWarning says so, and `fit.findings` what was found.
        """
        from mlmdsl.results.findings import warn_of
        from mlmdsl.sampling import sample_bound

        fit = sample_bound(
            self,
            seed=seed,
            chains=chains,
            draws=draws,
            tune=tune,
            target_accept=target_accept,
            max_depth=max_depth,
            kernel=kernel,
            marginalize=marginalize,
            centring=centring,
            device=device,
            dtype=dtype,
            progress=progress,
            checkpoint=checkpoint,
            resume=resume,
            log_likelihood=log_likelihood,
            predictive=predictive,
        )
        warn_of(fit, stacklevel=2)
        return fit


def _shown(value: object) -> str:
    known = getattr(value, "known", None)
    return f" {known}" if isinstance(known, int | float | str) else ""


def _labels(value: object) -> tuple[tuple[str, ...] | None, ...]:
    if not isinstance(value, Tensor):
        return ()
    axes: tuple[Axis, ...] = (value.levels,) if value.levels is not None else value.type.axes
    return tuple(axis.labels for axis in axes)


def _is_ordered(value: object) -> bool:
    levels = value.levels if isinstance(value, Tensor) else None
    return levels is not None and levels.is_levels and not levels.nominal


def _reference(value: object) -> str | None:
    axes = value.type.axes if isinstance(value, Tensor) else ()
    return next((axis.dropped for axis in axes if axis.dropped is not None), None)
