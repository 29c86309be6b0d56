"""`python -m presence` is the same as `presence`."""

from presence.cli import main

main()
