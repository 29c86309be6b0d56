"""The probe: what a heartbeat waited for, and what it must not take for an answer."""

import subprocess
import sys
import time

import pytest

from bench.child import LoadFailed
from bench.heartbeats import filled
from bench.load import Connection
from bench.machine import choose_cores, forget_peak, peak_bytes, resident_bytes
from bench.probe import Probe, Waits
from bench.results import Histogram, bucket_of
from bench.scenarios.storm import stall_figures

ACK = '{"op":"HEARTBEAT_ACK"}'


def probing(server):
    return Probe(Connection("L", "/probe"), port=server.port, cores=choose_cores())


def answer(listeners, message):
    assert message == '{"op":"HEARTBEAT"}'
    listeners["/probe"].send(ACK)


def test_a_stall_of_the_server_is_the_longest_wait(scripted):
    heard = []

    def stall_once(listeners, message):
        heard.append(message)
        if len(heard) == 5:
            time.sleep(0.1)
        answer(listeners, message)

    with probing(scripted(stall_once)) as probe:
        probe.begin()
        while len(heard) < 10:
            time.sleep(0.01)
        waits = probe.end()
        probe.begin()
        later = probe.end()
    assert waits.longest >= 100_000_000
    # The heartbeats that the long wait kept from beginning count too.
    assert waits.histogram.total >= 10 + 0.1 / 0.005 - 5
    assert later.histogram.total < waits.histogram.total


def test_only_an_answer_ends_a_wait(scripted):
    heard = []

    def chat(listeners, message):
        heard.append(message)
        listeners["/probe"].send('{"op":"DISPATCH"}')
        listeners["/probe"].ping()
        time.sleep(0.02)
        answer(listeners, message)

    with probing(scripted(chat)) as probe:
        probe.begin()
        while len(heard) < 5:
            time.sleep(0.01)
        waits = probe.end()
    assert waits.histogram.percentile(1) >= 5_000_000
    assert waits.longest >= 20_000_000


def test_a_server_that_ends_the_probe_is_an_error(scripted):
    def end(listeners, message):
        listeners["/probe"].close_socket()

    with pytest.raises(LoadFailed, match="probe"), probing(scripted(end)):
        pass


def test_a_long_wait_stands_for_those_that_it_kept_from_beginning():
    assert list(filled(3, 5)) == [3]
    assert list(filled(17, 5)) == [17, 12, 7]


def test_figures_of_a_storm():
    histogram = Histogram.of([(bucket_of(1_000_000), 98), (bucket_of(40_000_000), 2)])
    figures = stall_figures(Waits(41_000_000, histogram, 0))
    assert figures["longest_stall_ms"] == 41
    assert figures["stall_p50_ms"] == pytest.approx(1, rel=0.004)
    assert figures["stall_p99_ms"] == pytest.approx(40, rel=0.004)


def test_a_forgotten_peak_of_memory_is_not_told():
    words = [sys.executable, "-c", "x = b'x' * 80_000_000; del x; print(flush=True); input()"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert peak_bytes(process.pid) > 80_000_000
        if forget_peak(process.pid):
            assert resident_bytes(process.pid) <= peak_bytes(process.pid) < 80_000_000
        process.communicate(b"\n")
