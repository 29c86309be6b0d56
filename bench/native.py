"""Programs in C, compiled on demand into a cache; none where no compiler is at hand."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCES = Path(__file__).parent / "native"
FLAGS = ("-O2", "-Wall", "-Wextra")


def find_compiler() -> str | None:
    """The C compiler: CC of the environment, cc, gcc or clang."""
    candidates = (os.environ.get("CC"), "cc", "gcc", "clang")
    return next((found for name in candidates if name and (found := shutil.which(name))), None)


def build(name: str) -> Path | None:
    """Return the program made of the sources in `native/<name>`, None without a compiler.

    It is compiled again only when they or the compiler changed.
    """
    compiler = find_compiler()
    if compiler is None:
        return None
    files = sorted((SOURCES / name).iterdir())
    text = b"".join(file.read_bytes() for file in files)
    key = hashlib.sha256(compiler.encode() + text).hexdigest()[:16]
    program = _cache() / f"{name}-{key}"
    if not program.exists():
        unfinished = program.with_suffix(f".{os.getpid()}")
        sources = [file for file in files if file.suffix == ".c"]
        subprocess.run([compiler, *FLAGS, "-o", unfinished, *sources], check=True)
        unfinished.rename(program)
    return program


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(home) if home else Path(tempfile.gettempdir())) / f"presence-bench-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
