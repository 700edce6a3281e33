"""Promise 4: whenever threads come, no second sees more requests than are permitted."""

from __future__ import annotations

import math
import threading
import time
from random import Random

import pytest

from tap_procountor.limiter import RateLimiter


@pytest.mark.parametrize(("rate", "seconds"), [(20, 3), (60, 2), (1.5, 4), (0.75, 4)])
def test_no_span_sees_more_than_permitted_although_missed_turns_are_made_good(
    rate: float, seconds: float
) -> None:
    limiter = RateLimiter(rate)
    end = time.monotonic() + seconds
    sent: list[float] = []

    def come_now_and_then(seed: int) -> None:
        chance = Random(seed)
        while time.monotonic() < end:
            with limiter.turn():
                sent.append(time.monotonic())
                time.sleep(chance.choice([0, 0, 0.001, 0.01]))
            # At times nobody comes, and then many at once.
            time.sleep(chance.choice([0, 0, 0, 0.4]))

    crowd = 8 if rate > 10 else 2
    threads = [threading.Thread(target=come_now_and_then, args=(at,)) for at in range(crowd)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent.sort()
    at_once = math.ceil(rate)
    spans = [later - earlier for earlier, later in zip(sent, sent[at_once:], strict=False)]
    assert min(spans) >= at_once / rate
    # Most turns are taken, although at times nobody comes.
    assert len(sent) > 0.8 * rate * seconds
