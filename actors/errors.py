"""The errors of this library.

ActorError
├── ActorStopped        it takes no more messages, or ended before yours was handled
├── ActorCrashed        handling your message raised; the cause is `__cause__`
├── MailboxFull         refused at the bound, or dropped to keep it
├── MessageReplaced     a newer message took the slot of yours
├── AskTimedOut         no answer in time; whether it was handled is unknown
├── ChildNotReady       a child ended or hung before it said that it was ready
└── RestartsExhausted   crashed too often; the last crash is `__cause__`
"""


class ActorError(Exception):
    """Root of every error of this package."""


class ActorStopped(ActorError):
    """The actor takes no more messages, or ended before it handled this one."""


class ActorCrashed(ActorError):
    """Handling this message raised; the message is not tried again."""


class MailboxFull(ActorError):
    """The mailbox is at its bound: this message was refused or dropped."""


class MessageReplaced(ActorError):
    """A newer message took the slot of this one before it was handled."""


class AskTimedOut(ActorError):
    """No answer came in time; the message may have been handled or may yet be."""


class ChildNotReady(ActorError):
    """A child ended, or its time to start ran out, before it said that it was ready."""


class RestartsExhausted(ActorError):
    """A child or a supervisor used up its restart budget."""
