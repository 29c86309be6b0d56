"""What the commands of users print: sentences for people, JSON for programs."""

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from presence.core.types import Status

if TYPE_CHECKING:
    from presence.client.model import SelfView


def is_for_people(is_json: bool) -> bool:
    """Whether standard output is a terminal, and nobody asked for JSON."""
    return not is_json and sys.stdout.isatty()


def print_json(answer: object) -> None:
    """Print *answer* to standard output."""
    click.echo(json.dumps(answer, indent=2))


def describe_self(view: "SelfView", now: datetime) -> str:
    """How one is shown to others, and what one chose where that is another status.

    Times are local ones, and *now* is one too.
    """
    until = "" if view.until is None else f" until {format_clock(view.until, now)}"
    text = ""
    if view.custom_status is not None and view.status is not Status.OFFLINE:
        text = f', with the text "{view.custom_status}"'
    if view.status is view.intent:
        return f"You are shown as {view.status.value}{until}{text}."
    return (
        f"You are shown as {view.status.value}{text}. You chose {view.intent.value}{until};"
        " `presence get --explain` says why others see something else."
    )


def describe_lease(view: "SelfView", now: datetime) -> str | None:
    """Until when the status holds without a client; None where nothing ends it."""
    if view.lease_until is None:
        return None
    return (
        f"While no client of {view.id} is connected, this holds until"
        f" {format_clock(view.lease_until, now)} (--keep extends it, up to 4h)."
    )


def format_clock(at: datetime, now: datetime) -> str:
    """The local time of *at*, with its date where that is not today."""
    local = at.astimezone()
    return f"{local:%H:%M}" if local.date() == now.date() else f"{local:%Y-%m-%d %H:%M}"
