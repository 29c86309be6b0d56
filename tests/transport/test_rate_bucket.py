"""A rate with bursts, whose state is one time."""

import pytest

from presence.transport.rate_bucket import RateBucket


def test_a_bucket_fills_again_but_never_over_its_burst():
    bucket, full_at = RateBucket(10, 20), 0.0
    for now, fit in [(0.0, 20), (0.5, 5), (100.0, 20)]:
        for _ in range(fit):
            full_at = bucket.take(full_at, now)
        assert bucket.take(full_at, now) is None


@pytest.mark.parametrize(("now", "wait"), [(5.0, 0.1), (5.04, 0.06)])
def test_after_a_refusal_the_bucket_says_when_one_more_fits(now, wait):
    bucket, full_at = RateBucket(10, 20), 0.0
    for _ in range(20):
        full_at = bucket.take(full_at, 5.0)
    assert bucket.take(full_at, now) is None
    assert bucket.retry_after(full_at, now) == pytest.approx(wait)
    assert bucket.take(full_at, now + wait + 0.001) is not None
