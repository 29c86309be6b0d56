"""Ten thousand handshakes that are never completed, beside clients who only want to live."""

import json
import subprocess
import sys
import time
from pathlib import Path

from bystanders import IS_FULL, Bystanders
from wire_client import WireClient, resident_bytes, wait_until

ATTACK = Path(__file__).with_name("half_open_attack.py")
HELD = 10_000
FREED_WITHIN = 12.0
ARRIVING = 1.5
MEASURED = 5.0 if IS_FULL else 3.0
BYTES_EACH_AT_MOST = 30_000


def test_ten_thousand_half_open_handshakes_are_freed_and_harm_nobody(serving):
    settings = {"max_connections_per_address": 0, "max_presence_changes": 0}
    with serving(**settings) as server, Bystanders(server) as bystanders:
        before = bystanders.measure(MEASURED)
        idle_bytes = resident_bytes(server.process.pid)

        arguments = [sys.executable, ATTACK, server.port, HELD, 2 * FREED_WITHIN]
        with subprocess.Popen(list(map(str, arguments)), stdout=subprocess.PIPE) as attack:
            began_at = time.monotonic()
            arriving = bystanders.measure(ARRIVING)
            assert json.loads(attack.stdout.readline()) == {"open": HELD}
            wait_until(lambda: open_files(server.process.pid) > HELD)
            during = bystanders.measure(MEASURED)
            held_bytes = resident_bytes(server.process.pid)
            assert time.monotonic() - began_at < 10.0, "measured while they were held"
            freed = json.loads(attack.stdout.readline())
        wait_until(lambda: open_files(server.process.pid) < HELD // 10)
        after_bytes = resident_bytes(server.process.pid)

        print(f"\n{HELD} half-open handshakes: {freed}")
        print(f"baseline: {before}\narriving: {arriving}\nheld:     {during}")
        print(during.compare(before))
        print(
            f"memory: {idle_bytes >> 10} KiB idle, +{(held_bytes - idle_bytes) >> 10} KiB held"
            f" ({(held_bytes - idle_bytes) // HELD} bytes each),"
            f" +{(after_bytes - idle_bytes) >> 10} KiB after"
        )
        assert freed["left"] == 0
        assert freed["longest_held"] < FREED_WITHIN
        assert held_bytes - idle_bytes < HELD * BYTES_EACH_AT_MOST
        with WireClient(server.port, "/ws?user=latecomer") as latecomer:
            latecomer.wait_ready()
        assert "Traceback" not in server.log


def open_files(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
