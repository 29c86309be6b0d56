"""Actors on Trio: mailboxes, supervisors, a timer and a broadcaster.

Useful by itself; knows nothing of the application. An actor is a `Behaviour`
that handles one message at a time. Keyed actors live in a dynamic supervisor,
which starts them with their first message, restarts them after a crash and
lets them go when idle; named ones with a task of their own in a supervisor.

    import trio
    from actors import Behaviour, Reply, RestartBudget, open_dynamic_supervisor

    class Counter(Behaviour[int | Reply[int]]):
        def __init__(self, name: str) -> None:
            self.total = 0

        async def receive(self, message: int | Reply[int]) -> None:
            if isinstance(message, Reply):
                message.answer(self.total)
            else:
                self.total += message

    async def main() -> int:
        few = RestartBudget(max_restarts=3, within=60)
        async with open_dynamic_supervisor(
            "counters", Counter, mailbox_capacity=100, child_budget=few, budget=few
        ) as counters:
            counters.tell_nowait("apples", 2)
            counters.tell_nowait("apples", 3)
            return await counters.ask("apples", lambda reply: reply, timeout=1)

    assert trio.run(main) == 5

Rules for the whole library: `tell_nowait` never waits; delivery is at most once, in
order per mailbox; a crash drops only the message that caused it; what cannot be
handled any more fails its ask instead of leaving it to hang; every stop asks
first, then cancels at a deadline. The library does not log: see `on_crash`.
"""

from actors.actor import Actor, ActorRef, Behaviour, Reply
from actors.broadcast.audience import EACH_VALUE, EachValue, Lane, Reader
from actors.broadcast.broadcaster import Broadcaster, BroadcasterStatistics
from actors.broadcast.pending_reader import PendingReader
from actors.deadlines import Deadlines
from actors.dynamic_supervisor import (
    DynamicSupervisor,
    DynamicSupervisorStatistics,
    open_dynamic_supervisor,
)
from actors.errors import (
    ActorCrashed,
    ActorError,
    ActorStopped,
    AskTimedOut,
    ChildNotReady,
    MailboxFull,
    MessageReplaced,
    RestartsExhausted,
)
from actors.mailbox import Mailbox, MailboxStatistics, WhenFull
from actors.restart import ChildCrashReport, RestartBudget, RestartHistory
from actors.shards import Shards
from actors.supervisor import (
    ChildSpec,
    CrashReport,
    Restart,
    Supervisor,
    open_supervisor,
)
from actors.timer import Timer

__all__ = [
    "EACH_VALUE",
    "Actor",
    "ActorCrashed",
    "ActorError",
    "ActorRef",
    "ActorStopped",
    "AskTimedOut",
    "Behaviour",
    "Broadcaster",
    "BroadcasterStatistics",
    "ChildCrashReport",
    "ChildNotReady",
    "ChildSpec",
    "CrashReport",
    "Deadlines",
    "DynamicSupervisor",
    "DynamicSupervisorStatistics",
    "EachValue",
    "Lane",
    "Mailbox",
    "MailboxFull",
    "MailboxStatistics",
    "MessageReplaced",
    "PendingReader",
    "Reader",
    "Reply",
    "Restart",
    "RestartBudget",
    "RestartHistory",
    "RestartsExhausted",
    "Shards",
    "Supervisor",
    "Timer",
    "WhenFull",
    "open_dynamic_supervisor",
    "open_supervisor",
]
