"""Lines on the standard streams, for people, and the ready file, for programs.

A line that cannot be written is dropped and ends nothing. A program waits for
the ready file, so a ready file that cannot be written ends the start.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO

import click

from presence.errors import BadConfig, StartFailed

THIS_MACHINE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where a server that is bound to all addresses is found from the machine it runs on."""


def say(line: str, *, is_error: bool = False) -> None:
    """Print *line* to standard output, or to standard error; never raises `OSError`."""
    try:
        click.echo(line, err=is_error)
    except OSError:
        _abandon(sys.stderr if is_error else sys.stdout)


def say_where(host: str, http: int, pipe: int | None, *, is_development: bool) -> None:
    """Print the address of the page, the other ports, and how to stop."""
    user = "?user=alice" if is_development else ""
    say(f"Presence is running: {page_address(host, http)}{user}")
    host = _in_address(host)
    radios = "" if pipe is None else f", radios {host}:{pipe}"
    say(f"Gateway ws://{host}:{http}/ws{user}{radios}. Press Ctrl-C to stop.")


def say_demo(host: str, http: int) -> None:
    """Print the address of the page, what a demonstration is, and how to stop."""
    say(f"Presence is running a demonstration in memory: {page_address(host, http)}")
    say("Sign in by any name: the thirty others are made up, nothing is kept. Ctrl-C stops.")


def page_address(host: str, http: int) -> str:
    """The address of the page for people on this machine."""
    return f"http://{_in_address(THIS_MACHINE.get(host, host))}:{http}/"


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def flush_streams() -> None:
    """Write the rest of the standard streams, or drop it where nobody reads them.

    Otherwise the interpreter would try again at its exit and change the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            _abandon(stream)


def _abandon(stream: TextIO) -> None:
    """Discard the rest of *stream* and everything written to it later."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)


def check_ready_file(file: Path) -> None:
    """Try to write beside *file*, and leave nothing there. Raises `BadConfig`."""
    try:
        if file.is_dir():
            raise BadConfig(f"--ready-file {file} is a directory: name a file in it")
        draft = _draft_of(file)
        draft.write_bytes(b"")
        draft.unlink()
    except OSError as error:
        raise BadConfig(
            f"--ready-file {file} cannot be written: {error.strerror}; its directory must exist"
            " and let this user write"
        ) from error


def write_ready_file(file: Path, told: Mapping[str, int | None]) -> None:
    """Write *told* so that a reader sees all of it or nothing. Raises `StartFailed`."""
    draft = _draft_of(file)
    try:
        draft.write_text(json.dumps(told), encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        raise StartFailed(
            f"--ready-file {file} cannot be written any more: {error.strerror}"
        ) from error


def _draft_of(file: Path) -> Path:
    return file.with_name(f".{file.name}.{os.getpid()}")
