"""The settings of a demonstration."""

from collections.abc import Mapping
from pathlib import Path

from presence.config import Config, is_loopback, load_config
from presence.errors import BadConfig


def load_demo_config(
    file: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]
) -> Config:
    """Read the settings as `load_config` does, for a server in memory on this machine.

    Raises `BadConfig`, also for a *file*, and for *flags* or variables that a
    demonstration cannot follow.
    """
    if file is not None:
        raise BadConfig("--demo has settings of its own: leave --config out")
    if flags.get("data") is not None:
        raise BadConfig("--demo keeps everything in memory: leave --data out")
    # Its servers are the only ones: with `everyone` all their members would come twice.
    config = load_config(None, environ, {**flags, "everyone_server": False})
    if not is_loopback(config.host):
        raise BadConfig(
            f"--demo lets anybody be any user and host {config.host} lets other machines in:"
            " leave it out, or bind to 127.0.0.1"
        )
    if not config.is_development:
        raise BadConfig("--demo needs development mode: leave --no-dev out")
    return config
