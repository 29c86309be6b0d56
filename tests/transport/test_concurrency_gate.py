"""A few at a time, in order of arrival."""

import pytest
import trio
import trio.testing

from presence.transport.concurrency_gate import ConcurrencyGate


@pytest.fixture
def gate():
    return ConcurrencyGate(slots=2)


async def enter_all(gate, nursery, names):
    """Have them come one after another; returns the list of those inside, as it grows."""
    inside = []

    async def enter(name):
        await gate.enter(name)
        inside.append(name)

    for name in names:
        nursery.start_soon(enter, name)
        await trio.testing.wait_all_tasks_blocked()
    return inside


async def test_the_others_wait_in_order_of_arrival(gate, nursery):
    inside = await enter_all(gate, nursery, "abcd")
    assert (inside, gate.waiting) == (["a", "b"], 2)
    for gone, waiting in (("b", 1), ("a", 0)):
        gate.leave(gone)
        await trio.testing.wait_all_tasks_blocked()
        assert gate.waiting == waiting
    assert inside == ["a", "b", "c", "d"]


async def test_a_slot_is_released_once(gate, nursery):
    inside = await enter_all(gate, nursery, "abcd")
    for _ in range(3):
        gate.leave("a")
        gate.leave("never inside")
    await trio.testing.wait_all_tasks_blocked()
    assert inside == ["a", "b", "c"]


async def test_a_holder_takes_no_second_slot(gate, nursery):
    assert await enter_all(gate, nursery, "aaab") == ["a", "a", "a", "b"]


async def test_a_cancelled_waiter_holds_no_slot(gate, nursery):
    inside = await enter_all(gate, nursery, "ab")
    with trio.move_on_after(0.01) as waiting:
        await gate.enter("c")
    assert waiting.cancelled_caught
    gate.leave("c")
    gate.leave("a")
    inside += await enter_all(gate, nursery, "de")
    assert inside == ["a", "b", "d"]


async def test_teardowns_go_before_handshakes(nursery):
    teardown_gate = ConcurrencyGate(slots=1)
    handshake_gate = ConcurrencyGate(slots=2, behind=teardown_gate)
    outside = await enter_all(teardown_gate, nursery, "ab")
    inside = await enter_all(handshake_gate, nursery, "cde")
    assert (outside, inside) == (["a"], [])
    teardown_gate.leave("a")
    await trio.testing.wait_all_tasks_blocked()
    assert (outside, sorted(inside), handshake_gate.waiting) == (["a", "b"], ["c", "d"], 1)


async def test_a_waiter_cancelled_before_teardowns_finish_holds_no_slot(nursery):
    teardown_gate = ConcurrencyGate(slots=1)
    handshake_gate = ConcurrencyGate(slots=1, behind=teardown_gate)
    await enter_all(teardown_gate, nursery, "ab")
    with trio.move_on_after(0.01) as waiting:
        await handshake_gate.enter("c")
    assert waiting.cancelled_caught
    teardown_gate.leave("a")
    assert await enter_all(handshake_gate, nursery, "d") == ["d"]


async def test_a_cancelled_teardown_blocks_no_handshake(nursery):
    teardown_gate = ConcurrencyGate(slots=1)
    handshake_gate = ConcurrencyGate(slots=1, behind=teardown_gate)
    await enter_all(teardown_gate, nursery, "a")
    with trio.move_on_after(0.01):
        await teardown_gate.enter("b")
    assert await enter_all(handshake_gate, nursery, "c") == ["c"]
