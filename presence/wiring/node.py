"""The living part: the tables and services that the actors share, filled from the store."""

from actors import Broadcaster, DynamicSupervisor, RestartBudget, RestartsExhausted, Timer
from presence.app import CrashReport
from presence.config import Config
from presence.core.memberships import Memberships
from presence.core.restore import Incarnation
from presence.core.types import ServerId, UserId
from presence.core.versions import Versions
from presence.live.clock import Clock
from presence.live.connections import ConnectionRegistry
from presence.live.fanout import Fanout
from presence.live.messages import Message
from presence.live.node import Node
from presence.live.persistence.writer import Writer
from presence.live.ports import StartupState, Store
from presence.live.subscriber import Announcement
from presence.live.user_actor import UserActor
from presence.live.views.public_views import PublicViews
from presence.metrics import Counters, Gauge
from presence.wiring.reports import log_dropped, log_recovery, log_write_failure

USER_BUDGET = RestartBudget(max_restarts=3, within=60.0, backoff=0.05, backoff_limit=1.0)
QUARANTINES_BUDGET = RestartBudget(max_restarts=100, within=60.0)
QUARANTINE_AFTER = 60.0
MAILBOX_CAPACITY = 100


async def open_node(
    config: Config, clock: Clock, store: Store, startup: StartupState, on_crash: CrashReport
) -> Node:
    """The tables and services that the actors share, filled from the store.

    *on_crash* is called with every crash of a user's actor.
    """
    versions = Versions(startup.epoch)
    versions.latest = max(versions.latest, await store.read_latest_version())
    writer = Writer(store, wall=clock.wall, on_failure=log_write_failure, on_recovery=log_recovery)
    memberships = Memberships(
        startup.servers, startup.memberships, has_everyone=config.everyone_server
    )
    public_views = PublicViews(
        writer,
        memberships,
        announced_count=startup.announced_count,
        large_threshold=config.large_threshold,
    )
    for view in startup.leased.values():
        if view.is_visible:
            public_views.put(view, is_first=False)
    connections = ConnectionRegistry()
    broadcaster: Broadcaster[ServerId, Announcement] = Broadcaster(
        log_dropped, merge=Announcement.merged_with
    )

    def note_crash(user_id: UserId, error: Exception, restart_in: float | None) -> None:
        on_crash(f"user {user_id}", error, restart_in)
        if restart_in is not None:
            node.rebuild(user_id, is_quarantined=isinstance(error, RestartsExhausted))

    users: DynamicSupervisor[UserId, Message] = DynamicSupervisor(
        "users",
        lambda user_id: UserActor(user_id, node),
        mailbox_capacity=MAILBOX_CAPACITY,
        child_budget=USER_BUDGET,
        budget=QUARANTINES_BUDGET,
        quarantine_after=QUARANTINE_AFTER,
        on_crash=note_crash,
    )
    node = Node(
        clock=clock,
        incarnation=Incarnation(
            versions=versions,
            rules=config.rules,
            settled_epoch=startup.settled_epoch,
            restart_grace_ends_at=clock.now().mono + config.restart_grace_after,
        ),
        memberships=memberships,
        public_views=public_views,
        connections=connections,
        fanout=Fanout(broadcaster, connections, versions),
        writer=writer,
        timer=Timer(),
        users=users,
        revocations={each.user_id: each for each in startup.revocations},
        hides_unknown_users=startup.was_moved_aside,
    )
    return node


def show_gauges(counters: Counters, node: Node) -> None:
    writer, broadcaster = node.writer, node.fanout.broadcaster
    counters.show(Gauge.OPEN_CONNECTIONS, lambda: len(node.connections))
    counters.show(Gauge.UNSAVED_RECORDS, lambda: writer.statistics().waiting)
    counters.show(Gauge.STORE_FAILURES, lambda: writer.statistics().failures)
    counters.show(Gauge.VISIBLE_USERS, lambda: node.public_views.visible_count)
    counters.show(Gauge.OFFERS, lambda: broadcaster.statistics().offers)
    counters.show(Gauge.LIVE_ACTORS, lambda: len(node.users))
