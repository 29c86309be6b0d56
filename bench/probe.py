"""The probe: how long the server keeps one client waiting while others load it."""

import sys
from typing import Self

import attrs

from bench.child import Child, LoadFailed
from bench.load import Connection
from bench.machine import Cores
from bench.results import Histogram


@attrs.frozen
class Waits:
    """How long the heartbeats of a while waited for their answers, in ns."""

    longest: int
    histogram: Histogram
    latest_read: int
    """How long an answer lay in the socket before the probe read it: no fault of the server."""


class Probe(Child):
    """A process of its own with one connection, from here to the end of the block.

    It sends a heartbeat every few ms; `bench.heartbeats` says how the waits are
    measured. Raises `LoadFailed` where the server does not let it.
    """

    def __init__(self, connection: Connection, *, port: int, cores: Cores) -> None:
        words = [sys.executable, "-m", "bench.heartbeats", str(port), connection.path]
        super().__init__("the probe", words, cores)

    def __enter__(self) -> Self:
        try:
            self.read("the first heartbeat")
        except LoadFailed:
            self.stop()
            raise
        return self

    def begin(self) -> None:
        """Measure from here on."""
        self.obey("begin")

    def end(self) -> Waits:
        """Wait for the last answer; returns what was measured since `begin`."""
        told = self.obey("end")
        return Waits(told["longest_ns"], Histogram.of(told["waits"]), told["latest_read_ns"])
