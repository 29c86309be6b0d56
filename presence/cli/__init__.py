"""The command line. A failure is one sentence on standard error, and an exit code.

Modules that only one command needs are imported within it: `presence --help` is to be quick.
"""

from presence.cli.group import commands, main

__all__ = ["commands", "main"]
