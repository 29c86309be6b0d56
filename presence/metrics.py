"""Every counter and gauge by name.

The values of a label are those of an enumeration, so there are few of them, and
no id of a user is among them.
"""

import enum
from collections.abc import Callable

import prometheus_client
from prometheus_client.exposition import generate_latest


class Count(enum.Enum):
    """A counter: its name, what it counts, and the label of its kinds, if it has any."""

    def __init__(self, metric: str, meaning: str, label: str = "") -> None:
        self.metric = metric
        self.meaning = meaning
        self.label = label

    CONNECTIONS = "presence_connections", "Connections accepted.", "dialect"
    CONNECTIONS_ENDED = "presence_connections_ended", "Connections ended.", "ending"
    CONNECTIONS_REFUSED = "presence_connections_refused", "Refused before a session.", "reason"
    CONNECTIONS_CUT = "presence_connections_cut", "Ended for breaking a limit.", "reason"
    TOKENS_REFUSED = "presence_tokens_refused", "Tokens refused.", "reason"
    REQUESTS = "presence_requests", "HTTP requests answered.", "status"
    FRAMES_DROPPED = "presence_frames_dropped", "Frames from clients not acted upon.", "reason"
    ACTOR_RESTARTS = "presence_actor_restarts", "Restarts after a crash."


class ConnectionKind(enum.Enum):
    """The protocol of an accepted connection."""

    TOGETHER = "together"
    TOGETHER_EVENTS = "together_events"
    VOICEPING = "voiceping"
    PIPE = "pipe"
    EVENT_STREAM = "event_stream"


class Drop(enum.Enum):
    """Why a frame is not acted upon, beside what its dialect finds wrong with it."""

    OVER_RATE = "over_rate"
    NOT_PRESENCE = "not_presence"


class Gauge(enum.Enum):
    """A number that is read when the metrics are asked for."""

    def __init__(self, metric: str, meaning: str) -> None:
        self.metric = metric
        self.meaning = meaning

    OPEN_CONNECTIONS = "presence_open_connections", "Connections open now."
    LIVE_ACTORS = "presence_live_actors", "User actors alive now."
    VISIBLE_USERS = "presence_visible_users", "Users whom others see online, away or busy."
    UNSAVED_RECORDS = "presence_unsaved_records", "Changed records not yet committed."
    STORE_FAILURES = "presence_store_failures", "Writes that failed since the start."
    OFFERS = "presence_offers", "Updates offered to connections since the start."


class Counters:
    """The counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        # The moments of creation would make two equal runs differ, and twice the text.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = prometheus_client.CollectorRegistry()
        self._counters = {
            count: prometheus_client.Counter(
                count.metric,
                count.meaning,
                [count.label] if count.label else [],
                registry=self._registry,
            )
            for count in Count
        }
        self._kinds: dict[tuple[Count, enum.Enum | None], prometheus_client.Counter] = {}

    def add(self, count: Count, kind: enum.Enum | None = None, amount: int = 1) -> None:
        """Count *amount* more; *kind* is the value of the label, where *count* has one."""
        counter = self._kinds.get((count, kind))
        if counter is None:
            whole = self._counters[count]
            counter = whole if kind is None else whole.labels(str(kind.value))
            self._kinds[count, kind] = counter
        counter.inc(amount)

    def show(self, level: Gauge, read: Callable[[], float]) -> None:
        """Ask *read* for *level* whenever the metrics are rendered."""
        gauge = prometheus_client.Gauge(level.metric, level.meaning, registry=self._registry)
        gauge.set_function(read)

    def render(self) -> bytes:
        """The text that a Prometheus server reads (format 0.0.4)."""
        return generate_latest(self._registry)
