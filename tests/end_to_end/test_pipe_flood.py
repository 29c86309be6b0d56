"""Lines that pour out of one radio harm neither the others nor the server."""

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from line_client import BUSY, ONLINE, LineClient, status_line
from pipe_flood import FLOODS
from wire_client import percentile, resident_bytes

PROGRAM = Path(__file__).with_name("pipe_flood.py")
SECONDS = 1.0
RADIOS = 5
CHANGE_EVERY = 0.05
GROWTH_AT_MOST = 5 << 20
LONGEST_WAIT = 5.0


@pytest.mark.parametrize("settings", [{}, {"max_frames_per_second": 0}], ids=["limits", "none"])
def test_a_flood_of_lines_delays_no_other_radio_and_is_not_kept(serving, settings, subtests):
    with serving(max_presence_changes=0, **settings) as server, ExitStack() as stack:
        radios = [stack.enter_context(LineClient(server, str(2 + i))) for i in range(RADIOS)]
        calm = waits(*radios, seconds=SECONDS / 4)
        print(f"\nbefore: {told(calm)}")
        for kind in FLOODS:
            with subtests.test(kind=kind):
                with start_flood(server, kind, SECONDS / 8) as flood:
                    flood.stdout.read()  # what the first one leaves is no leak: buffers, caches
                calm_bytes = resident_bytes(server.process.pid)
                with start_flood(server, kind, SECONDS) as flood:
                    during = waits(*radios, seconds=SECONDS)
                    report = json.loads(flood.stdout.read())
                growth = resident_bytes(server.process.pid) - calm_bytes

                print(f"{kind}: {report}, +{growth >> 10} KiB, {told(during)}")
                assert max(during) < LONGEST_WAIT
                assert growth < GROWTH_AT_MOST
        assert server.stop() == 0
        assert "Traceback" not in server.log


def told(found):
    p50, p99 = (1000 * percentile(found, share) for share in (0.5, 0.99))
    return f"p50 {p50:.1f} p99 {p99:.1f} max {1000 * max(found):.1f} ms"


def waits(speaker, *listeners, seconds):
    """The seconds from a change of *speaker* to each delivery; it changes when all were told."""
    found, code, ends_at = [], BUSY, time.monotonic() + seconds
    while time.monotonic() < ends_at:
        began_at = time.monotonic()
        speaker.say(code)
        for listener in listeners:
            listener.wait_line(status_line(speaker.user, code))
            found.append(time.monotonic() - began_at)
            listener.forget()
        code = ONLINE if code == BUSY else BUSY
        time.sleep(max(0.0, began_at + CHANGE_EVERY - time.monotonic()))
    return found


def start_flood(server, kind, seconds):
    words = [sys.executable, PROGRAM, server.pipe_port, "1", kind, seconds]
    return subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE)
