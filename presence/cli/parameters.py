"""How the commands read what stands on their lines."""

from datetime import datetime, timedelta

import click

from presence.core.rule_settings import LONGEST_LEASE, SHORTEST_LEASE
from presence.durations import parse_moment, parse_span


def read_until(text: str) -> timedelta | datetime:
    """Read a span such as 1h30m, or a moment."""
    if (seconds := parse_span(text)) is not None:
        return timedelta(seconds=seconds)
    moment = parse_moment(text, datetime.now().astimezone())
    if moment is None:
        raise click.BadParameter(
            "say how long, such as 30m or 1h30m, or when, such as 17:00, tomorrow,"
            " or a time with its zone"
        )
    return moment


def read_keep(text: str) -> timedelta:
    """Read the length of a lease, such as 4h."""
    seconds = parse_span(text) or 0.0
    if not SHORTEST_LEASE <= seconds <= LONGEST_LEASE:
        bounds = f"from {SHORTEST_LEASE:.0f}s to {LONGEST_LEASE / 3600:.0f}h"
        raise click.BadParameter(f"say how long, such as 30m: {bounds}")
    return timedelta(seconds=seconds)


def read_pipe_port(
    context: click.Context, option: click.Parameter, text: str | None
) -> int | str | None:
    """Read a port or "off"; the settings check its range."""
    if text is None or text == "off":
        return text
    if not (text.isascii() and text.isdigit()):
        raise click.BadParameter('say a port, or "off"')
    return int(text)
