"""Loads the Trio backend of anyio 3, which asks 3.0 requires, on a current Trio.

That backend uses `trio.MultiError` when it is loaded and whenever a task group
ends with an error; current versions of Trio no longer have the name. It is
added while the backend is loaded. Afterwards the backend alone sees a view of
Trio that has the name, and the `trio` module is as it was.
"""

import types
from importlib import import_module
from typing import Any, Final

import trio

TRIO_BACKEND: Final = "anyio._backends._trio"
FIRST_VERSION_IN_STEP: Final = 4


class MultiError(BaseException):
    """Takes the place of the error that Trio had; nothing raises it.

    The handlers of anyio for it never run, so a task group ends with the
    exception group of Trio, as it does with anyio 4.
    """


class TrioWithMultiError(types.ModuleType):
    """Trio under its own name, with the error that it had."""

    MultiError = MultiError

    def __getattr__(self, name: str) -> Any:
        return getattr(trio, name)


def prepare_backend(anyio_version: str, backend: str = TRIO_BACKEND) -> None:
    """Load *backend* so that it works on this Trio; does nothing from anyio 4 on."""
    if int(anyio_version.partition(".")[0]) >= FIRST_VERSION_IN_STEP:
        return
    if hasattr(trio, "MultiError"):  # another library added it and may still need it
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
