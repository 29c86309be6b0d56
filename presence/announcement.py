"""What a server tells beside its log: lines on the standard streams, and the ready file.

A line that nobody reads is lost, and ends nothing. The ready file is for a
program that waits for it, so one that cannot be written ends the start.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import click

from presence.errors import BadConfig, StartFailed


def say(line: str, *, is_error: bool = False) -> None:
    """Print *line* to standard output, or to standard error; never raises `OSError`."""
    try:
        click.echo(line, err=is_error)
    except OSError:
        _abandon(sys.stderr if is_error else sys.stdout)


def say_where(host: str, http: int, pipe: int | None, *, is_development: bool) -> None:
    """Print where the server listens and, in development mode, an address to open."""
    host = f"[{host}]" if ":" in host else host
    say(f"Listening on http://{host}:{http}")
    if pipe is not None:
        say(f"Pipe protocol on {host}:{pipe}")
    if is_development:
        say(f"Development mode, no tokens needed: ws://{host}:{http}/ws?user=alice")


def flush_streams() -> None:
    """Write what the standard streams still hold, or lose it where nobody reads it.

    Else the interpreter would try once more as it exits, and spoil the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            _abandon(stream)


def _abandon(stream: TextIO) -> None:
    """Have what *stream* holds, and what it will be given, go nowhere."""
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
    """Write *told* so that nobody ever reads half of it. Raises `StartFailed`."""
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
