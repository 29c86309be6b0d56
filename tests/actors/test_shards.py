"""The table in parts does what a dict does."""

from hypothesis import given
from hypothesis import strategies as st

from actors.shards import PARTS, Shards

KEYS = st.integers(0, 3 * PARTS)
STEPS = st.lists(st.tuples(st.sampled_from(["set", "pop", "clear"]), KEYS), max_size=50)


@given(STEPS)
def test_any_history_agrees_with_a_plain_dict(steps):
    shards, model = Shards(), {}
    for number, (step, key) in enumerate(steps):
        if step == "set":
            shards[key] = model[key] = number
        elif step == "pop":
            assert shards.pop(key) == model.pop(key, None)
        elif key % 10 == 0:
            shards.clear()
            model.clear()
        assert (key in shards) is (key in model)
        assert shards.get(key) == model.get(key)
        assert (len(shards), bool(shards)) == (len(model), bool(model))
    assert sorted(shards.values()) == sorted(model.values())
    assert all(shards[key] == value for key, value in model.items())


def test_no_part_gets_all_the_keys():
    shards = Shards()
    for number in range(100 * PARTS):
        shards[f"u{number:08}"] = number
    # Private: how the keys are spread changes no answer.
    assert max(map(len, shards._parts)) < 200
