"""Which part of the code may know which: read from its imports."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    file.relative_to(ROOT)
    for part in ("presence", "actors")
    for file in ROOT.glob(f"{part}/**/*.py")
)

# Arrows of our own code. A part may always import itself and presence.errors.
MAY_IMPORT = {
    "actors": set(),
    "presence.core": set(),
    "presence.dialects": {"presence.core"},
    "presence.live": {"actors", "presence.core", "presence.metrics"},
    "presence.transport": {"presence.log"},
    "presence.frontends": {
        "presence.core",
        "presence.dialects",
        "presence.live.claims",
        "presence.live.service",
        "presence.live.subscriber",
        "presence.metrics",
        "presence.transport",
    },
    "presence.adapters": {"presence.live.ports", "presence.live.claims", "presence.core"},
    "presence.client": set(),
    "presence.app": {
        "actors",
        "presence.listeners",
        "presence.live",
        "presence.log",
        "presence.metrics",
    },
    "presence.announcement": set(),
    "presence.listeners": {"presence.transport"},
    "presence.wiring": {
        "actors",
        "presence.adapters",
        "presence.app",
        "presence.config",
        "presence.core",
        "presence.dialects",
        "presence.frontends",
        "presence.listeners",
        "presence.live",
        "presence.log",
        "presence.metrics",
        "presence.openapi",
        "presence.transport",
    },
    "presence.process": {
        "actors.RestartsExhausted",
        "presence.announcement",
        "presence.config",
        "presence.gc_pacer",
        "presence.listeners",
        "presence.log",
        "presence.wiring",
    },
    "presence.cli": {
        "presence.adapters.issuer_keys",
        "presence.adapters.secret_key",
        "presence.adapters.tokens",
        "presence.announcement",
        "presence.client",
        "presence.config",
        "presence.core.rules",
        "presence.log",
        "presence.process",
    },
    "presence.__main__": {"presence.cli"},
    "presence.config": {
        "presence.config_fields",
        "presence.core.rules",
        "presence.frontends.socket_times",
        "presence.transport.limits",
    },
    "presence.config_fields": set(),
    "presence.errors": set(),
    "presence.gc_pacer": set(),
    "presence.log": set(),
    "presence.metrics": set(),
    "presence.openapi": {"presence.core.rules"},
}
# What frontends may name of the core.
CORE_VALUES = {
    "presence.core.events",
    "presence.core.ids",
    "presence.core.public_changes",
    "presence.core.rules",
    "presence.core.sliding_window",
    "presence.core.snapshot",
    "presence.core.types",
    "presence.core.user.patch",
}
STANDS_ALONE = {"actors", "presence.errors", "presence.log", "presence.metrics"}
OUR_OWN = {"actors", "presence"}
IMPURE = {"trio", "time", "random", "secrets", "logging", "os", "socket", "structlog"}
PURE_PARTS = {"presence.core", "presence.dialects"}
CATCH_ALL = {"Exception", "BaseException"}
MAY_SWALLOW_ALL = {"presence/transport/context.py"}
# Libraries of which we use more than they promise to keep.
INSIDE_IS_TOUCHED = {"trio-websocket", "wsproto"}
MOST_MODULES = 14


def part_of(module):
    return ".".join(module.split(".")[: 2 if module.startswith("presence") else 1])


def name_of(file):
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


def files_of(part):
    return [file for file in MODULES if part_of(name_of(file)) == part]


def tree_of(file):
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


def imports_of(file):
    """Every module that *file* imports anywhere, by its full name."""
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports by a relative name"
            if node.module in OUR_OWN:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


def is_within(module, allowed):
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


@pytest.mark.parametrize("file", MODULES, ids=str)
def test_imports_follow_the_arrows(file):
    part = part_of(name_of(file))
    if part == "presence":  # presence/__init__.py gives names to the outside
        return
    assert part in MAY_IMPORT, f"{part} has no arrows yet: give it some here"
    allowed = MAY_IMPORT[part] | {part} | (set() if part in STANDS_ALONE else {"presence.errors"})
    ours = [name for name in imports_of(file) if name.split(".")[0] in OUR_OWN]
    assert [name for name in ours if not is_within(name, allowed)] == []


@pytest.mark.parametrize("file", MODULES, ids=str)
def test_rules_and_codecs_know_no_clock_no_chance_and_no_outside(file):
    if part_of(name_of(file)) in PURE_PARTS:
        assert [name for name in imports_of(file) if name.split(".")[0] in IMPURE] == []


@pytest.mark.parametrize("file", MODULES, ids=str)
def test_asks_stays_in_the_client(file):
    if part_of(name_of(file)) != "presence.client":
        assert not any(is_within(name, {"asks"}) for name in imports_of(file))


@pytest.mark.parametrize("file", MODULES, ids=str)
def test_the_websocket_library_stays_in_the_file_that_knows_its_inside(file):
    if file.as_posix() != "presence/transport/websocket/library.py":
        assert not any(is_within(name, {"trio_websocket", "wsproto"}) for name in imports_of(file))


def swallows_everything(handler):
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    is_broad = any(kind is None or ast.unparse(kind) in CATCH_ALL for kind in kinds)
    last = handler.body[-1]
    return is_broad and not (isinstance(last, ast.Raise) and last.exc is None)


@pytest.mark.parametrize("file", MODULES, ids=str)
def test_only_the_supervisor_and_the_front_swallow_every_error(file):
    is_supervisor = file.parts[0] == "actors" and "supervisor" in file.stem
    if is_supervisor or file.as_posix() in MAY_SWALLOW_ALL:
        return
    handlers = [node for node in ast.walk(tree_of(file)) if isinstance(node, ast.ExceptHandler)]
    assert [ast.unparse(handler) for handler in handlers if swallows_everything(handler)] == []


@pytest.mark.parametrize("folder", sorted({file.parent for file in MODULES}), ids=str)
def test_no_folder_is_too_full_to_see_at_a_glance(folder):
    modules = [file for file in MODULES if file.parent == folder and file.stem != "__init__"]
    assert len(modules) <= MOST_MODULES


def test_every_arrow_starts_at_code_that_exists():
    parts = {part_of(name_of(file)) for file in MODULES}
    assert set(MAY_IMPORT) - parts <= {"presence.app", "presence.__main__"}


@pytest.mark.parametrize("file", files_of("presence.frontends"), ids=str)
def test_a_frontend_knows_values_of_the_core_and_no_rules_that_change_a_user(file):
    ours = [name for name in imports_of(file) if name.startswith("presence.core.")]
    assert [name for name in ours if not is_within(name, CORE_VALUES)] == []


@pytest.mark.parametrize("file", files_of("presence.frontends"), ids=str)
def test_a_frontend_names_no_field_of_a_node(file):
    names = {node.attr for node in ast.walk(tree_of(file)) if isinstance(node, ast.Attribute)}
    assert names & {"node", "_node"} == set()
    assert not any(is_within(name, {"presence.live.node"}) for name in imports_of(file))


def declared_requirements():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = map(Requirement, project["dependencies"])
    return {canonicalize_name(each.name): each.specifier for each in requirements}


@pytest.mark.parametrize("file", MODULES, ids=str)
def test_every_library_that_is_imported_is_declared(file):
    declared, distributions = declared_requirements(), packages_distributions()
    tops = {name.split(".")[0] for name in imports_of(file)} - OUR_OWN - sys.stdlib_module_names
    providers = {top: set(map(canonicalize_name, distributions[top])) for top in tops}
    assert [top for top, names in providers.items() if not names & set(declared)] == []


@pytest.mark.parametrize("library", sorted(INSIDE_IS_TOUCHED))
def test_a_library_whose_inside_we_touch_has_an_upper_bound(library):
    assert any(
        bound.operator in {"<", "<=", "==", "~="} for bound in declared_requirements()[library]
    )
