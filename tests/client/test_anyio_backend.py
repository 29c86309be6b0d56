"""asks on Trio, by an anyio that is in step with it and by one that is not."""

import contextlib
import socket
import subprocess
import sys
from importlib.metadata import version

import anyio
import pytest
import trio

from presence.client.anyio_backend import prepare_backend
from presence.client.rest import RequestFailed, RestClient

# What anyio 3.7.1 does with the name that it misses.
OLD_BACKEND = """
import trio.from_thread


class ExceptionGroup(BaseException):
    def __init__(self, exceptions):
        self.exceptions = exceptions


class GroupOfTrio(ExceptionGroup, trio.MultiError):
    pass


async def run(task):
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(task)
    except trio.MultiError as error:
        raise GroupOfTrio(error.exceptions) from None
"""


@pytest.fixture
def old_backend(tmp_path, monkeypatch):
    """The name of a module that cannot be loaded without `trio.MultiError`."""
    (tmp_path / "old_trio_backend.py").write_text(OLD_BACKEND)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "old_trio_backend"
    sys.modules.pop("old_trio_backend", None)


@pytest.fixture
def trio_as_before():
    before = dict(vars(trio))
    yield
    assert dict(vars(trio)) == before


async def boom():
    await trio.lowlevel.checkpoint()
    raise ValueError("boom")


async def test_an_old_backend_runs_and_trio_is_as_before(old_backend, trio_as_before):
    prepare_backend("3.7.1", old_backend)
    run = sys.modules[old_backend].run
    await run(trio.lowlevel.checkpoint)

    with pytest.raises(ExceptionGroup) as failed:
        await run(boom)
    assert [type(error) for error in failed.value.exceptions] == [ValueError]


async def test_a_task_of_an_old_backend_may_be_cancelled(old_backend, trio_as_before):
    prepare_backend("3.7.1", old_backend)
    with trio.move_on_after(0.05) as scope:
        await sys.modules[old_backend].run(trio.sleep_forever)
    assert scope.cancelled_caught


def test_an_old_backend_that_cannot_be_loaded_leaves_trio_as_before(trio_as_before):
    with pytest.raises(ModuleNotFoundError):
        prepare_backend("3.7.1", "no_such_backend")


def test_preparing_twice_is_preparing_once(old_backend, trio_as_before):
    prepare_backend("3.7.1", old_backend)
    prepare_backend("3.7.1", old_backend)


def test_borrowed_backends_are_left_alone(old_backend, monkeypatch):
    class Lent(BaseException):
        pass

    monkeypatch.setattr(trio, "MultiError", Lent, raising=False)
    prepare_backend("3.7.1", old_backend)
    assert trio.MultiError is Lent
    assert sys.modules[old_backend].trio is trio


@pytest.mark.parametrize("anyio_version", ["4.0.0", "4.16.0", "5.0.0rc1", "10.1"])
def test_a_backend_in_step_is_not_even_loaded(old_backend, trio_as_before, anyio_version):
    prepare_backend(anyio_version, old_backend)
    assert old_backend not in sys.modules


# With the anyio that is installed, whichever that is -----------------------------------------


def test_to_import_the_client_changes_nothing_of_trio():
    code = (
        "import trio; before = dict(vars(trio)); import presence.client.rest\n"
        "print([name for name in vars(trio) if vars(trio)[name] is not before.get(name)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_a_task_group_that_fails_says_so_in_an_exception_group():
    prepare_backend(version("anyio"))

    with pytest.raises(ExceptionGroup):
        async with anyio.create_task_group() as group:
            group.start_soon(boom)


@pytest.fixture
def url_that_never_connects():
    """Of a listener whose queue is full: the kernel lets everybody else wait."""
    with contextlib.ExitStack() as sockets:
        full = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"


async def test_a_connection_that_never_comes_about_is_given_up(url_that_never_connects):
    with pytest.raises(RequestFailed, match=r"did not answer within 0\.1 seconds"):
        await RestClient(url_that_never_connects, "t", answer_after=0.1).get_users(["bob"])


async def test_waiting_for_a_connection_can_be_cancelled(url_that_never_connects):
    with trio.move_on_after(0.1) as scope:
        await RestClient(url_that_never_connects, "t").get_users(["bob"])
    assert scope.cancelled_caught
