"""Shared by the connections of all ports: limits, gates, and where a crash is reported."""

from collections.abc import Callable
from types import TracebackType

import attrs

from presence.transport.admission import AddressLimits
from presence.transport.concurrency_gate import TEARDOWNS_AT_ONCE, ConcurrencyGate
from presence.transport.faults import Fault
from presence.transport.http.cors import OriginRules
from presence.transport.http.request import (
    Handler,
    HttpError,
    Request,
    Response,
    render_json_error,
)
from presence.transport.http.stop_signal import StopSignal
from presence.transport.limits import NetLimits
from presence.transport.sockets.stream import OutboxStream
from presence.transport.websocket.upgrade import WebSocketRoute


def _nothing_to_count(peer: str) -> None:
    pass


def _render_json_error(request: Request, error: HttpError) -> Response:
    return render_json_error(error)


@attrs.define(eq=False)
class ServerContext:
    """Limits, gates and callbacks that all connections of the server share.

    *on_crash* gets every unexpected exception; *count* gets every refusal and
    every end by a limit, instead of a line in the log. *count_refused* counts a
    request that is refused before its sender is known, and raises `HttpError`
    above the rate. *render_error* renders the answer for a handler that crashed.
    """

    answer: Handler
    sockets: WebSocketRoute
    on_crash: Callable[[BaseException], None]
    count: Callable[[Fault], None]
    count_refused: Callable[[str], None] = _nothing_to_count
    render_error: Callable[[Request, HttpError], Response] = _render_json_error
    limits: NetLimits = attrs.field(factory=NetLimits)
    origins: OriginRules = attrs.field(init=False)
    addresses: AddressLimits = attrs.field(init=False)
    crash_barrier: "CrashBarrier" = attrs.field(init=False)
    teardown_gate: ConcurrencyGate = attrs.field(
        init=False, factory=lambda: ConcurrencyGate(TEARDOWNS_AT_ONCE)
    )
    handshake_gate: ConcurrencyGate = attrs.field(init=False)
    idle: set[OutboxStream] = attrs.field(init=False, factory=set)
    stop: StopSignal = attrs.field(init=False, factory=StopSignal)

    @handshake_gate.default
    def _handshakes_after_teardowns(self) -> ConcurrencyGate:
        """Old connections are torn down before reconnects are accepted.

        Otherwise both would occupy memory at once.
        """
        return ConcurrencyGate(behind=self.teardown_gate)

    @property
    def is_stopping(self) -> bool:
        return self.stop.is_set

    def __attrs_post_init__(self) -> None:
        limits = self.limits
        self.crash_barrier = CrashBarrier(self.on_crash)
        self.origins = OriginRules(limits.origins, limits.is_development)
        self.addresses = AddressLimits(limits.max_connections_per_address, limits.trusted_proxies)


class CrashBarrier:
    """Hands every unexpected exception of a block to *on_crash* instead of raising it.

    One for all blocks: a generator would stay as long as each connection.
    """

    __slots__ = ("_on_crash",)

    def __init__(self, on_crash: Callable[[BaseException], None]) -> None:
        self._on_crash = on_crash

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        try:
            if error is not None:
                raise error
        # Besides the supervisor the only such place: all connections share one
        # nursery, where an exception of one would end the others.
        except* Exception as crashes:
            for crash in crashes.exceptions:
                self._on_crash(crash)
        return True
