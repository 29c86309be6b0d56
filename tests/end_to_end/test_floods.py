"""Clients that flood are closed with the right code, and others hardly notice."""

import json
import os
import subprocess
import sys
from pathlib import Path

from bystanders import IS_FULL, Bystanders
from wire_client import WireClient, resident_bytes

ATTACK = Path(__file__).with_name("flood_attack.py")
CLIENTS = Path(__file__).parents[1] / "clients"
ATTACKERS = 10
SECONDS = 10.0 if IS_FULL else 1.5
GROWTH_AT_MOST = 30 << 20
OUTCOMES = {
    "empty_fragments": "1009",
    "one_byte_fragments": "1009",
    "pings": "4008",
    "texts": "4008",
    "declared_huge": "1009",
    "declared_too_huge": "1009",
    "long_header": "431",
}


def test_a_flood_ends_its_connection_and_delays_no_other(serving, subtests):
    pauses = (1.0, 0.0) if IS_FULL else (0.5,)
    settings = {"max_connections_per_address": 0, "max_presence_changes": 0}
    with serving(**settings) as server:
        with Bystanders(server) as bystanders:
            before = bystanders.measure(SECONDS)
            print(f"\nbaseline: {before}")
            calm_bytes = resident_bytes(server.process.pid)
            for pause in pauses:
                for kind, outcome in OUTCOMES.items():
                    with subtests.test(kind=kind, pause=pause):
                        bystanders.catch_up()
                        report, during = flood(server, bystanders, kind, pause)
                        growth = resident_bytes(server.process.pid) - calm_bytes

                        print(f"{kind}, back after {pause} s: {report}, +{growth >> 10} KiB")
                        print(f"  {during}\n  {during.compare(before)}")
                        assert set(report["outcomes"]) == {outcome}
                        assert growth < GROWTH_AT_MOST
        with WireClient(server.port, "/ws?user=latecomer") as latecomer:
            latecomer.wait_ready()
        assert server.stop() == 0
        assert "Traceback" not in server.log


def flood(server, bystanders, kind, pause):
    """Have *kind* poured out while the bystanders live on; what both say of it."""
    arguments = [sys.executable, ATTACK, server.port, kind, ATTACKERS, SECONDS, pause]
    environment = os.environ | {"PYTHONPATH": str(CLIENTS)}
    with subprocess.Popen(
        list(map(str, arguments)), stdout=subprocess.PIPE, env=environment
    ) as attack:
        during = bystanders.measure(SECONDS)
        return json.loads(attack.stdout.read()), during
