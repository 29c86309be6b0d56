"""The figures of one window, and when its times are in doubt."""

import pytest

from bench.load import Answer
from bench.results import bucket_of
from bench.window import HEARD_BEFORE, WARM_UP, figures_of, warm_up, warnings_of


def answer(**changes):
    return Answer(
        {
            "rounds": 2,
            "wall_ns": 1_000_000_000,
            "server_cpu_ns": 40_000,
            "client_cpu_ns": 100_000_000,
            "deliveries": 8,
            "to_publishers": 2,
            "merged": 0,
            "reads": 10,
            "waiting": 20,
            "each": [(bucket_of(1_000_000), 8)],
            "last": [(bucket_of(3_000_000), 2)],
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("per_second", "at_most", "told"),
    [
        pytest.param(1000.0, 2.0, [WARM_UP], id="they heard enough at once"),
        pytest.param(20.0, 2.0, [WARM_UP, 0.75], id="as long as they need to hear enough"),
        pytest.param(0.1, 2.0, [WARM_UP, 1.75], id="no longer than a window"),
        pytest.param(0.1, 0.1, [0.1], id="a short window"),
    ],
)
def test_updates_flow_before_a_window_until_each_listener_heard_some(per_second, at_most, told):
    listeners, flown = 50, []

    def flow(seconds):
        flown.append(seconds)
        deliveries = int(listeners * per_second * seconds)
        return answer(deliveries=deliveries, checks={"lost": 1, "duplicated": 0})

    checks = warm_up(flow, listeners, at_most)
    assert flown == told
    assert checks == {"lost": len(told), "duplicated": 0}
    assert per_second * sum(flown) >= HEARD_BEFORE or sum(flown) == at_most


def test_cost_is_shared_by_all_who_saw_an_update_the_publishers_too():
    figures = figures_of(answer())
    assert figures["cpu_us_per_delivery"] == 4.0
    assert figures["deliveries_per_s"] == 10.0
    assert figures["each_p99_ms"] == pytest.approx(1.0, rel=0.004)
    assert figures["last_p50_ms"] == pytest.approx(3.0, rel=0.004)


@pytest.mark.parametrize(
    ("waiting", "client_cpu_ns", "warning"),
    [
        pytest.param(20, 990_000_000, None, id="busy, but it keeps up"),
        pytest.param(1000, 990_000_000, "bottleneck", id="behind and busy"),
        pytest.param(1000, 300_000_000, "other programs", id="behind and not running"),
    ],
)
def test_a_late_load_client_is_told(waiting, client_cpu_ns, warning):
    warnings = warnings_of(answer(waiting=waiting, client_cpu_ns=client_cpu_ns))
    assert len(warnings) == (warning is not None)
    assert all(warning in text for text in warnings)
