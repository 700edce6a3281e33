"""Between naive local times and UTC, in the nights when the clocks change too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.oracle.records import utc

from tap_procountor.api.clock import ApiClock, format_utc

ZONES = ("Europe/Helsinki", "UTC", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata")
CLOCKS = {zone: ApiClock(zone) for zone in ZONES}

whole_seconds = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)


@given(local=whole_seconds, zone=st.sampled_from(ZONES))
@example(local=datetime(2026, 10, 25, 3, 30), zone="Europe/Helsinki")  # noqa: DTZ001 - twice
@example(local=datetime(2026, 3, 29, 3, 30), zone="Europe/Helsinki")  # noqa: DTZ001 - never
def test_to_utc_agrees_with_zone_arithmetic(local: datetime, zone: str) -> None:
    assert CLOCKS[zone].to_utc(local.isoformat()) == utc(local.isoformat(), zone)


@given(
    text=st.text(max_size=20) | st.from_regex(r"2026-1[0-9]-\d\dT\d\d:\d\d:\d\d", fullmatch=True)
)
def test_what_is_no_time_is_refused(text: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - any text will do
            CLOCKS["Europe/Helsinki"].to_utc(text)
    else:
        assert CLOCKS["Europe/Helsinki"].to_utc(text).endswith("Z")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24T10:15:30", "2026-11-24T08:15:30Z"),
        ("2026-06-24T10:15:30", "2026-06-24T07:15:30Z"),
        ("2026-01-01T00:30:00", "2025-12-31T22:30:00Z"),
        ("2026-06-24T10:15", "2026-06-24T07:15:00Z"),
        ("2026-06-24T10:15:30Z", "2026-06-24T10:15:30Z"),
        ("2026-06-24T10:15:30+02:00", "2026-06-24T08:15:30Z"),
        ("2026-06-24", "2026-06-23T21:00:00Z"),
        ("2024-W01-1T10:00:00", "2024-01-01T08:00:00Z"),
    ],
)
def test_forms_of_a_time(text: str, expected: str) -> None:
    assert CLOCKS["Europe/Helsinki"].to_utc(text) == expected


@given(
    moment=whole_seconds.map(lambda moment: moment.replace(tzinfo=UTC)),
    distance=st.integers(0, 3 * 24 * 3600).map(lambda seconds: timedelta(seconds=seconds)),
    zone=st.sampled_from(ZONES),
)
@example(
    moment=datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    distance=timedelta(minutes=40),
    zone="Europe/Helsinki",
)
@example(
    moment=datetime(2026, 10, 25, 1, 10, tzinfo=UTC),
    distance=timedelta(minutes=20),
    zone="Europe/Helsinki",
)
def test_bounds_hold_on_both_sides_of_a_clock_change(
    moment: datetime, distance: timedelta, zone: str
) -> None:
    """What is stamped at or after a moment is never below its lower bound, and so on."""

    def stamp(at: datetime) -> str:
        return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat()

    clock = CLOCKS[zone]
    assert stamp(moment + distance) >= clock.lower_bound(moment)
    assert stamp(moment - distance) <= clock.upper_bound(moment)


@given(moment=whole_seconds.map(lambda moment: moment.replace(tzinfo=UTC)))
def test_the_form_of_utc_is_of_fixed_width(moment: datetime) -> None:
    assert len(format_utc(moment)) == len("2026-11-24T08:15:30Z")
    assert datetime.fromisoformat(format_utc(moment)) == moment
