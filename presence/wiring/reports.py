"""What is counted and logged of the parts that know neither counters nor log."""

from collections.abc import Hashable
from http import HTTPStatus

from presence.errors import StoreUnavailable
from presence.live.subscriber import Announcement
from presence.log import LogEvent, get_log
from presence.metrics import Count, Counters
from presence.transport.faults import Fault, Refusal
from presence.transport.http.request import Handler, Request, Response


def count_requests(answer: Handler, counters: Counters) -> Handler:
    async def handle(request: Request) -> Response:
        response = await answer(request)
        counters.add(Count.REQUESTS, HTTPStatus(response.status))
        return response

    return handle


def count_fault(counters: Counters, fault: Fault) -> None:
    """Count a refusal and the end of an open connection in different metrics."""
    is_refusal = isinstance(fault, Refusal)
    count = Count.CONNECTIONS_REFUSED if is_refusal else Count.CONNECTIONS_CUT
    counters.add(count, fault)


def report_crash(counters: Counters, name: str, error: Exception, restart_in: float | None) -> None:
    counters.add(Count.ACTOR_RESTARTS)
    get_log().error(LogEvent.ACTOR_CRASHED, actor=name, restart_in=restart_in, exc_info=error)


def log_request_crash(error: BaseException) -> None:
    get_log().error(LogEvent.REQUEST_CRASHED, exc_info=error)


def log_dropped(key: Hashable, announcement: Announcement) -> None:
    get_log().error(LogEvent.UPDATE_DROPPED, key=str(key), version=announcement.version)


def log_write_failure(error: StoreUnavailable, waiting: int) -> None:
    get_log().error(LogEvent.STORE_WRITE_FAILED, reason=str(error), waiting=waiting)


def log_recovery(failures: int, seconds: float) -> None:
    get_log().info(LogEvent.STORE_RECOVERED, failures=failures, seconds=round(seconds, 3))
