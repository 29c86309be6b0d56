"""The part of anyio that lets asks run on Trio, made to work where it is older than Trio.

asks 3.0 asks for anyio 3, whose backend names `trio.MultiError` once as it is
loaded, and again wherever a task group ends with an error. Trio has no such
name any more. It is lent for the moment of loading; from then on that backend
sees a Trio of its own that has it, and everybody else sees Trio as it is.
"""

import types
from importlib import import_module
from typing import Any, Final

import trio

TRIO_BACKEND: Final = "anyio._backends._trio"
FIRST_VERSION_IN_STEP: Final = 4


class MultiError(BaseException):
    """Stands for the error that Trio had: nothing raises it.

    What anyio does with it is thus left undone, and a task group ends with
    Trio's exception group as it is, as it does with anyio 4.
    """


class TrioWithMultiError(types.ModuleType):
    """Trio under its own name, with the error that it had."""

    MultiError = MultiError

    def __getattr__(self, name: str) -> Any:
        return getattr(trio, name)


def prepare_backend(anyio_version: str, backend: str = TRIO_BACKEND) -> None:
    """Load *backend* so that it works on this Trio; nothing for an anyio that does so itself."""
    if int(anyio_version.partition(".")[0]) >= FIRST_VERSION_IN_STEP:
        return
    if hasattr(trio, "MultiError"):  # somebody else lends it, and may need it still
        import_module(backend)
    else:
        _import_with_multi_error(backend)


def _import_with_multi_error(backend: str) -> None:
    trio.MultiError = MultiError  # type: ignore[attr-defined]
    try:
        module = import_module(backend)
    finally:
        del trio.MultiError  # type: ignore[attr-defined]
    module.trio = TrioWithMultiError("trio")  # type: ignore[attr-defined]
