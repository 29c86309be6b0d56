"""The browser client as a package: its types, its size, and what packagers say of it."""

import gzip
import json
import shutil

import pytest

from presence.frontends.web.files import CLIENT

MOST_BYTES = 8 * 1024


@pytest.fixture
def package(node_tools):
    """A copy beside the installed packages, where the types of React are found."""
    copy = node_tools.directory / "package"
    shutil.copytree(CLIENT, copy, dirs_exist_ok=True)
    return copy


def test_the_types_and_the_code_agree(node_tools, package):
    node_tools.run(node_tools.path("typescript/bin/tsc"), "-p", package)


@pytest.fixture
def tarball(node_tools, package):
    """What `npm publish` would send."""
    name = node_tools.run(node_tools.npm, "pack", "--silent", cwd=package).strip()
    return package / name


def test_publint_finds_nothing(node_tools, tarball):
    node_tools.run(node_tools.path("publint/src/cli.js"), "--strict", tarball)


def test_the_types_resolve_for_every_way_to_import(node_tools, tarball):
    attw = node_tools.path("@arethetypeswrong/cli/dist/index.js")
    node_tools.run(attw, tarball, "--profile", "esm-only")


def test_the_core_is_small(node_tools, package):
    """Bundled and minified as an application does, without what is loaded where it is needed."""
    program = node_tools.directory / "bundle.mjs"
    program.write_text(
        """
        import { build } from "esbuild";
        const [entry] = process.argv.slice(2);
        const { outputFiles } = await build({
            entryPoints: [entry], bundle: true, minify: true, format: "esm", write: false,
            external: [
                "./client/auto_away.js", "./client/requests.js", "./events.js", "./shared.js",
            ],
        });
        process.stdout.write(outputFiles[0].text);
        """
    )
    bundle = node_tools.run(program, package / "client.js")
    assert len(gzip.compress(bundle.encode(), 9)) < MOST_BYTES


def test_the_version_is_that_of_the_package():
    version = json.loads((CLIENT / "package.json").read_text())["version"]
    assert f'VERSION = "{version}"' in (CLIENT / "client.js").read_text()
