"""The HTTP answers for an actor that cannot answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from actors import ActorCrashed, ActorStopped, AskTimedOut, MailboxFull
from presence.transport.http.request import HttpError, retry_after


@contextmanager
def actor_failures() -> Iterator[None]:
    """Turn what an ask raises into an answer: 503 where it is worth trying again."""
    try:
        yield
    except (AskTimedOut, ActorStopped, MailboxFull) as error:
        raise HttpError(503, "the server is busy or stopping", retry_after(1)) from error
    except ActorCrashed as error:
        raise HttpError(500, "internal error") from error
