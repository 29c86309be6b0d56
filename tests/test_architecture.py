"""Which part of the code may know which: read from its imports."""

import ast
import functools
import sys
import tomllib
from collections import Counter
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
        "presence.live.welcome",
        "presence.metrics",
        "presence.transport",
    },
    "presence.adapters": {"presence.live.ports", "presence.live.claims", "presence.core"},
    "presence.client": {"presence.core.types", "presence.core.user"},
    "presence.app": {
        "actors",
        "presence.listeners",
        "presence.live",
        "presence.log",
        "presence.metrics",
    },
    "presence.announcement": set(),
    "presence.demo": {
        "presence.config",
        "presence.core",
        "presence.live.claims",
        "presence.live.service",
    },
    "presence.durations": set(),
    "presence.listeners": {"presence.transport"},
    "presence.wiring": {
        "actors",
        "presence.adapters",
        "presence.app",
        "presence.config",
        "presence.core",
        "presence.demo",
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
        "presence.core.rule_settings",
        "presence.core.types",
        "presence.demo.settings",
        "presence.core.user.patch",
        "presence.durations",
        "presence.log",
        "presence.process",
    },
    "presence.__main__": {"presence.cli"},
    "presence.config": {
        "presence.config_fields",
        "presence.core.rule_settings",
        "presence.frontends.socket_times",
        "presence.transport.limits",
    },
    "presence.config_fields": set(),
    "presence.errors": set(),
    "presence.gc_pacer": set(),
    "presence.log": set(),
    "presence.metrics": set(),
    "presence.openapi": {"presence.core.rule_settings"},
}
# What frontends may name of the core.
CORE_VALUES = {
    "presence.core.events",
    "presence.core.ids",
    "presence.core.public_changes",
    "presence.core.rule_settings",
    "presence.core.sliding_window",
    "presence.core.snapshot",
    "presence.core.types",
    "presence.core.user.patch",
}
STANDS_ALONE = {"actors", "presence.errors", "presence.log", "presence.metrics"}
OUR_OWN = {"actors", "presence"}
IMPURE = {"trio", "time", "random", "secrets", "logging", "os", "socket", "structlog"}
PURE_PARTS = {"presence.core", "presence.dialects"}
PURE_MODULES = {"presence.demo.cast", "presence.demo.script"}
CATCH_ALL = {"Exception", "BaseException"}
MAY_SWALLOW_ALL = {
    "presence/transport/context.py",
    "presence/client/presence.py",  # raises it again outside its nursery, which would wrap it
}
# Libraries of which we use more than they promise to keep.
INSIDE_IS_TOUCHED = {"trio-websocket", "wsproto"}
MOST_MODULES = 14


def part_of(module):
    return ".".join(module.split(".")[: 2 if module.startswith("presence") else 1])


def name_of(file):
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


def files_of(part):
    return [file for file in MODULES if part_of(name_of(file)) == part]


@functools.cache
def tree_of(file):
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


@functools.cache
def imports_of(file):
    """Every module that *file* imports anywhere, by its full name."""
    return list(walk_imports(file))


def walk_imports(file):
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


def offenders(is_wrong, files=MODULES):
    """Each file and import of which *is_wrong* is true."""
    return [
        (str(file), name) for file in files for name in imports_of(file) if is_wrong(file, name)
    ]


def crosses_an_arrow(file, name):
    part = part_of(name_of(file))
    if part == "presence":  # presence/__init__.py gives names to the outside
        return False
    assert part in MAY_IMPORT, f"{part} has no arrows yet: give it some here"
    allowed = MAY_IMPORT[part] | {part} | (set() if part in STANDS_ALONE else {"presence.errors"})
    return name.split(".")[0] in OUR_OWN and not is_within(name, allowed)


def test_imports_follow_the_arrows():
    assert offenders(crosses_an_arrow) == []


def test_rules_and_codecs_know_no_clock_no_chance_and_no_outside():
    pure = [
        file
        for file in MODULES
        if part_of(name_of(file)) in PURE_PARTS or name_of(file) in PURE_MODULES
    ]
    assert {name_of(file) for file in pure} > PURE_MODULES
    assert offenders(lambda file, name: name.split(".")[0] in IMPURE, pure) == []


@pytest.mark.parametrize(
    ("libraries", "home"),
    [
        ({"asks"}, "presence/client/"),
        ({"wsproto"}, "presence/transport/websocket/library.py"),
        ({"rich"}, "presence/client/"),
    ],
)
def test_a_library_stays_where_its_inside_is_known(libraries, home):
    def is_elsewhere(file, name):
        return is_within(name, libraries) and not file.as_posix().startswith(home)

    assert offenders(is_elsewhere) == []
    assert offenders(lambda file, name: is_within(name, libraries)) != []


def test_the_websocket_library_serves_one_module_and_the_client():
    homes = {
        "presence/transport/websocket/library.py",
        "presence/client/gateway.py",
        "presence/client/presence.py",
    }

    def is_elsewhere(file, name):
        return is_within(name, {"trio_websocket"}) and file.as_posix() not in homes

    assert offenders(is_elsewhere) == []


def swallows_everything(handler):
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    is_broad = any(kind is None or ast.unparse(kind) in CATCH_ALL for kind in kinds)
    last = handler.body[-1]
    return is_broad and not (isinstance(last, ast.Raise) and last.exc is None)


def test_only_the_supervisor_and_the_front_swallow_every_error():
    swallowing = {
        file
        for file in MODULES
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.ExceptHandler) and swallows_everything(node)
    }
    supervisors = {file for file in swallowing if file.match("actors/*supervisor*.py")}
    assert {file.as_posix() for file in swallowing - supervisors} <= MAY_SWALLOW_ALL


def test_no_folder_is_too_full_to_see_at_a_glance():
    counts = Counter(file.parent for file in MODULES if file.stem != "__init__")
    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}


def test_every_arrow_starts_at_code_that_exists():
    parts = {part_of(name_of(file)) for file in MODULES}
    assert set(MAY_IMPORT) - parts <= {"presence.app", "presence.__main__"}


def test_a_frontend_knows_values_of_the_core_and_no_rules_that_change_a_user():
    def is_a_rule(file, name):
        return name.startswith("presence.core.") and not is_within(name, CORE_VALUES)

    assert offenders(is_a_rule, files_of("presence.frontends")) == []


def test_a_frontend_names_no_field_of_a_node():
    frontends = files_of("presence.frontends")
    named = {
        node.attr
        for file in frontends
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.Attribute)
    }
    assert named & {"node", "_node"} == set()
    assert offenders(lambda file, name: is_within(name, {"presence.live.node"}), frontends) == []


def declared_requirements():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = map(Requirement, project["dependencies"])
    return {canonicalize_name(each.name): each.specifier for each in requirements}


def test_every_library_that_is_imported_is_declared():
    declared, distributions = declared_requirements(), packages_distributions()
    tops = {name.split(".")[0] for file in MODULES for name in imports_of(file)}
    tops -= OUR_OWN | sys.stdlib_module_names
    providers = {top: set(map(canonicalize_name, distributions[top])) for top in tops}
    assert [top for top, names in providers.items() if not names & set(declared)] == []


@pytest.mark.parametrize("library", sorted(INSIDE_IS_TOUCHED))
def test_a_library_whose_inside_we_touch_has_an_upper_bound(library):
    assert any(
        bound.operator in {"<", "<=", "==", "~="} for bound in declared_requirements()[library]
    )
