"""Bodies made to stall or to fill the server are refused, and others hardly notice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bystanders import IS_FULL, Bystanders
from wire_client import resident_bytes

ATTACK = Path(__file__).with_name("body_attack.py")
SECONDS = 10.0 if IS_FULL else 1.5
GROWTH_AT_MOST = 50 << 20
ATTACKS = [
    pytest.param("values", 1, {"400", "413"}, id="one user within its request rate"),
    pytest.param("nowhere", 190 if IS_FULL else 50, {"404", "429"}, id="strangers without a token"),
]


@pytest.mark.parametrize(("kind", "count", "outcomes"), ATTACKS)
def test_costly_bodies_are_refused_and_harm_nobody(serving, kind, count, outcomes):
    with serving(max_connections_per_address=400, max_presence_changes=0) as server:
        with Bystanders(server) as bystanders:
            before = bystanders.measure(SECONDS)
            calm_bytes = resident_bytes(server.process.pid)
            answers, during = attack(server, bystanders, kind, count)
            growth = resident_bytes(server.process.pid) - calm_bytes

            print(f"\n{kind}: {answers}, +{growth >> 10} KiB")
            print(f"  before {before}\n  during {during}\n  {during.compare(before)}")
            answers.pop("none", None)  # reset while the attacker still wrote
            assert answers
            assert set(answers) <= outcomes
            assert growth < GROWTH_AT_MOST
        assert server.stop() == 0
        assert "Traceback" not in server.log


def attack(server, bystanders, kind, count):
    """Attack while the bystanders live on; how often each answer came, and their waits."""
    arguments = [sys.executable, ATTACK, server.port, kind, count, SECONDS]
    with subprocess.Popen(list(map(str, arguments)), stdout=subprocess.PIPE) as process:
        during = bystanders.measure(SECONDS)
        return json.loads(process.stdout.read()), during
