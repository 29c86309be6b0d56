"""The server as it is, with faults that can be called up: `faulty_presence.py serve ...`.

- A user whose custom status is set to `boom-2` crashes its actor, and so do
  the same words a second time; from then on they are a text like any other.
- `boom-2-Ended` lets the next two `Ended` of that user crash (any event's name).
- SIGUSR1 lets the broadcaster crash in its next walk, in the middle of it.
- SIGUSR2 lets the timer crash the next time that it looks for what is due.

With FAULTS_FOR_EVER in the environment the two signals hold for ever;
QUARANTINE_AFTER there says for how many seconds a poison user is put aside.
"""

import os
import re
import signal
from collections import Counter

from actors import Timer
from presence.cli import main
from presence.core.events import Commanded
from presence.core.user.user import User
from presence.transport.sockets.fd_table import FdTable
from presence.wiring import node as wiring

BOOM = re.compile(r"boom-(\d+)(?:-(\w+))?")
IS_FOR_EVER = "FAULTS_FOR_EVER" in os.environ

crashes = Counter()
armed = {}
wanted = {"walk": False, "timer": False}


class Fault(Exception):
    """Called up by a test."""


def react(self, event, now):
    user = self.public.user_id
    kind = type(event).__name__
    text = event.change.custom_status if isinstance(event, Commanded) else None
    if isinstance(text, str) and (boom := BOOM.fullmatch(text)):
        if boom[2] is None:
            crash_at_most(int(boom[1]), (user, text))
        else:
            armed[user] = (boom[2], int(boom[1]))
    elif user in armed and armed[user][0] == kind:
        crash_at_most(armed[user][1], (user, kind))
    return true_react(self, event, now)


def crash_at_most(times, what):
    if crashes[what] < times:
        crashes[what] += 1
        raise Fault(f"fault {crashes[what]} of {times}")


def write_to_all(self, packet, fd_table):
    true_write(self, packet, fd_table[:1])
    crash_if_wanted("walk")  # some have got it and others have not
    true_write(self, packet, fd_table[1:])


def tell_due(self, now):
    crash_if_wanted("timer")
    return true_tell_due(self, now)


def crash_if_wanted(what):
    if wanted[what]:
        wanted[what] = IS_FOR_EVER
        raise Fault(what)


true_react, User.react = User.react, react
true_write, FdTable.write_to_all = FdTable.write_to_all, write_to_all
# Private: a fault in the middle of the timer has no other way in.
true_tell_due, Timer._tell_due = Timer._tell_due, tell_due

wiring.QUARANTINE_AFTER = float(os.environ.get("QUARANTINE_AFTER", wiring.QUARANTINE_AFTER))

if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, lambda *_: wanted.update(walk=True))
    signal.signal(signal.SIGUSR2, lambda *_: wanted.update(timer=True))
    main()
