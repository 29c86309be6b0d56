"""`python -m bench.load_python PLAN PORT SERVER_PID [greets] [wraps] [FORM]`."""

import resource
import sys

from bench.load_python.commands import Client


def main() -> None:
    """Obey until standard input ends."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    plan, port, server_pid, *options = sys.argv[1:]
    with open(plan, encoding="utf-8") as file:
        text = file.read()
    Client(text, int(port), int(server_pid), options).obey_all()


if __name__ == "__main__":
    main()
