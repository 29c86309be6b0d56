"""The life of the server's process: signals, the garbage collector, and what it announces."""

import gc
import os
import signal
import webbrowser
from pathlib import Path

import trio

from actors import RestartsExhausted
from presence.announcement import (
    check_ready_file,
    page_address,
    say,
    say_demo,
    say_where,
    write_ready_file,
)
from presence.config import Config
from presence.errors import StartFailed
from presence.gc_pacer import GcPacer
from presence.listeners import Ports
from presence.log import LogEvent, get_log, is_for_people
from presence.wiring import open_demo, open_server

STARTING_LOGGED_EVERY = 5.0
FAILED_FOR_GOOD = 70
ONLY_READ_AT_START = "SIGHUP reloads nothing yet: settings and keys are read at the start only"


async def serve(
    config: Config,
    *,
    ready_file: Path | None = None,
    is_demo: bool = False,
    opens_page: bool = False,
) -> int:
    """Run the server until SIGTERM or SIGINT; return the exit code.

    Writes *ready_file* once every port accepts. Raises `StartFailed` if the server
    cannot start. A second signal ends the process at once; SIGHUP is logged and
    ends nothing. A long start is logged every `STARTING_LOGGED_EVERY` seconds.
    *is_demo* serves the demonstration, which is only in memory; *opens_page* opens
    the page in a browser once every port accepts.
    """
    stop, ready = trio.Event(), trio.Event()
    failure: StartFailed | None = None
    exit_code = 0

    def note_ready(ports: Ports) -> None:
        ready.set()
        gc.freeze()  # the collector never looks again at what was made until now
        gc.enable()
        nursery.start_soon(GcPacer().run)
        _announce(config, ready_file, ports, is_demo=is_demo)
        if opens_page:
            nursery.start_soon(_open_page, page_address(config.host, ports.http))

    if ready_file is not None:
        check_ready_file(ready_file)
    # A start reads objects that stay; to look through them takes nearly as long as to read them.
    gc.disable()
    async with trio.open_nursery() as nursery:
        await nursery.start(_watch_signals, stop)
        nursery.start_soon(_log_start, config, ready)
        try:
            async with open_demo(config) if is_demo else open_server(config) as server:
                await server.run(note_ready, stop)
        except StartFailed as error:  # raised again below, not wrapped by the nursery
            failure = error
        except RestartsExhausted as error:
            get_log().critical(LogEvent.RESTARTS_EXHAUSTED, reason=str(error))
            exit_code = FAILED_FOR_GOOD
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    get_log().info(LogEvent.STOPPED, exit_code=exit_code)
    return exit_code


async def _open_page(address: str) -> None:
    """Open *address* in a browser; where that fails, say so and go on.

    The browser's program may take its time: a thread waits for it, and is left
    behind if this is cancelled.
    """
    try:
        is_open = await trio.to_thread.run_sync(webbrowser.open, address, abandon_on_cancel=True)
    except (webbrowser.Error, OSError):
        is_open = False
    if not is_open:
        say(f"Warning: no browser could be opened; the page is at {address}", is_error=True)


async def _watch_signals(
    stop: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            if number == signal.SIGHUP:  # a request to reload, or the terminal was closed
                get_log().warning(LogEvent.NOT_RELOADED, reason=ONLY_READ_AT_START)
            elif stop.is_set():
                get_log().warning(LogEvent.STOP_FORCED)
                os._exit(128 + number)  # the store is consistent at any moment
            else:
                stop.set()


async def _log_start(config: Config, ready: trio.Event) -> None:
    """Log every few seconds, until *ready*, that the server is still starting.

    It takes a while to open a database of millions, or one of an older version.
    """
    began_at = trio.current_time()
    while not ready.is_set():
        with trio.move_on_after(STARTING_LOGGED_EVERY):
            await ready.wait()
            return
        seconds = round(trio.current_time() - began_at)
        get_log().info(LogEvent.STARTING, directory=str(config.data), seconds=seconds)


def _announce(config: Config, ready_file: Path | None, ports: Ports, *, is_demo: bool) -> None:
    """Say where the server listens: to people on standard output, to programs in the log."""
    if not is_for_people(config.log_format):
        get_log().info(LogEvent.LISTENING, host=config.host, port=ports.http, pipe_port=ports.pipe)
    if is_demo:
        say_demo(config.host, ports.http)
    else:
        say_where(config.host, ports.http, ports.pipe, is_development=config.is_development)
    if ready_file is not None:
        content = {"http": ports.http, "pipe": ports.pipe, "pid": os.getpid()}
        write_ready_file(ready_file, content)
