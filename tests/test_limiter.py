"""Promise 4: whenever threads come, no second sees more requests than are permitted."""

from __future__ import annotations

import math
import threading
import time
from random import Random
from typing import Any

import pytest
from support.cases import mostly_slow

from tap_procountor.api import rate_limit as limiter_module
from tap_procountor.api.rate_limit import RateLimiter, Turn
from tap_procountor.errors import ApiError
from tap_procountor.settings import requests_per_second


@pytest.mark.parametrize(
    ("rate", "seconds"), mostly_slow([(20, 3), (0.75, 4), (60, 2), (1.5, 4)], by_default=2)
)
def test_no_span_sees_more_than_permitted_although_missed_turns_are_made_good(
    rate: float, seconds: float
) -> None:
    limiter = RateLimiter(rate)
    end = time.monotonic() + seconds
    sent: list[float] = []

    def come_now_and_then(seed: int) -> None:
        chance = Random(seed)
        while time.monotonic() < end:
            with limiter.admit(Turn()):
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


def test_pauses_grow_until_nothing_passes_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter_module, "_FIRST_PAUSE_SECONDS", 0.02)
    limiter = RateLimiter(1000)
    waits = []
    for _ in range(7):
        began = time.monotonic()
        turn = Turn()
        with limiter.admit(turn):
            waits.append(time.monotonic() - began)
        limiter.back_off(turn)
        # Another that was sent before the pause adds nothing to it.
        limiter.back_off(turn)
    assert all(wait >= 0.02 * 2**at for at, wait in enumerate(waits[1:]))
    with pytest.raises(ApiError, match="429"), limiter.admit(Turn()):
        pass


def test_a_request_that_passes_ends_the_growing_of_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter_module, "_FIRST_PAUSE_SECONDS", 0.001)
    limiter = RateLimiter(1000)
    for _ in range(20):
        turn, following = Turn(), Turn()
        with limiter.admit(turn):
            pass
        limiter.back_off(turn)
        with limiter.admit(following):
            pass
        limiter.go_on(following)


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        ({"api_url": "https://pts-api.procountor.com/latest/api"}, 1.5),
        ({"api_url": "https://PTS-api.procountor.com:443/latest/api"}, 1.5),
        ({"api_url": "https://api.procountor.com/latest/api"}, 20),
        ({"api_url": "https://pts-api.procountor.com.example.com/api"}, 20),
        ({"api_url": "https://pts-api.procountor.com/api", "requests_per_second": 0.5}, 0.5),
        ({"api_url": "https://api.procountor.com/api", "requests_per_second": 60}, 60),
    ],
)
def test_the_rate_is_what_the_server_allows_unless_it_is_set(
    settings: dict[str, Any], rate: float
) -> None:
    assert requests_per_second(settings) == rate
