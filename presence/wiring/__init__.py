"""Puts the parts of one server together, as the settings say: every part is whole when made."""

from presence.wiring.server import open_demo, open_server

__all__ = ["open_demo", "open_server"]
