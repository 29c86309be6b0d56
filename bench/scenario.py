"""A scenario: one file in `bench/scenarios`, found by its name."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs
import click

import bench.scenarios
from bench.machine import Cores
from bench.results import Result
from bench.servers import SERVERS


@attrs.frozen
class Column:
    """A figure in the table: its title, what to multiply it with, how many decimals."""

    figure: str
    title: str
    factor: float = 1.0
    decimals: int = 1
    has_ratio: bool = False
    """Whether it is shown as a multiple of the reference case too."""


@attrs.frozen
class Plot:
    """A picture in the report.

    distribution: share of all over the time, of the histogram *what*, a line per case;
    by: the figure *what* over the value *over* of the case, a line per server;
    timeline: how many are ready over the time, of the histogram *what*.
    """

    kind: Literal["distribution", "by", "timeline"]
    title: str
    what: str
    over: str = ""
    factor: float = 1.0
    unit: str = ""
    label: str = ""
    """Of the axis across; without one it is *over*, or ms."""


@attrs.define
class Stage:
    """The stage of a scenario: the cores, a scratch directory, and how to say how far it is."""

    directory: Path
    cores: Cores
    repeats: int
    seconds: float
    expect: Callable[[int], None] = lambda steps: None
    step: Callable[[str], None] = lambda what: None
    warn: Callable[[str], None] = lambda what: None
    _folders: int = 0

    def new_directory(self) -> Path:
        """An empty folder; it goes with the stage."""
        self._folders += 1
        folder = self.directory / str(self._folders)
        folder.mkdir()
        return folder

    def present(self, names: Sequence[str]) -> list[str]:
        """Those of *names* that can be measured here; warns of the others."""
        missing = {name: why for name in names if (why := SERVERS[name].why_missing())}
        for name, why in missing.items():
            self.warn(f"{name} left out: {why}")
        return [name for name in names if name not in missing]


@attrs.frozen
class Scenario:
    """One question about cost.

    `run` gets the stage and its own options by name; it yields a result for
    each window. `quick` are the options of the quick mode, which checks and
    judges no times.
    """

    name: str
    summary: str
    run: Callable[..., Iterator[Result]]
    columns: Sequence[Column]
    options: Sequence[click.Parameter] = ()
    quick: Mapping[str, Any] = attrs.field(factory=dict)
    plots: Sequence[Plot] = ()
    reference: Mapping[str, str | int] = attrs.field(factory=dict)
    """The values of a case that make it the one to which others are compared."""


def find_scenarios() -> dict[str, Scenario]:
    """Every module of `bench.scenarios` has one, called SCENARIO."""
    names = sorted(module.name for module in pkgutil.iter_modules(bench.scenarios.__path__))
    modules = [importlib.import_module(f"bench.scenarios.{name}") for name in names]
    return {module.SCENARIO.name: module.SCENARIO for module in modules}


class Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers with commas: 100,1000,5000."""

    name = "numbers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if not isinstance(value, str):
            return tuple(value)
        try:
            return tuple(int(each) for each in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list such as 100,1000", param, ctx)


class Names(click.ParamType[tuple[str, ...]]):
    """Names with commas, each one of those known."""

    name = "names"

    def __init__(self, known: Sequence[str]) -> None:
        self._known = known

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        names = value.split(",") if isinstance(value, str) else tuple(value)
        for name in names:
            if name not in self._known:
                self.fail(f"{name!r} is none of {', '.join(self._known)}", param, ctx)
        return tuple(names)


def option(name: str, kind: click.ParamType[Any], default: object, text: str) -> click.Option:
    """An option of a scenario; its help names the default."""
    return click.Option([name], type=kind, default=default, show_default=True, help=text)
