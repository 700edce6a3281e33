"""Bookmarks: which windows are due, and what progress leaves in the state."""

from __future__ import annotations

import sys
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_procountor.api.clock import ApiClock, format_utc
from tap_procountor.state.bookmarks import Bookmark, Window

if TYPE_CHECKING:
    from support.exact import Record

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
LOOKBACK = timedelta(hours=4)
STREAMS = ["invoice_rows", "invoices"]


def at(hours: float) -> str:
    """A moment so many hours from now, as the state writes it."""
    return format_utc(NOW + timedelta(hours=hours))


def moment(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def bookmark(state: Record, warnings: list[str] | None = None, **settings: Any) -> Bookmark:
    given_settings = {
        "replication_key": "version",
        "streams": STREAMS,
        "now": NOW,
        "start_date": None,
        "end_date": None,
        "lookback": LOOKBACK,
        "warn": ([] if warnings is None else warnings).append,
        **settings,
    }
    given_settings.setdefault("agreed", given_settings["now"])
    return Bookmark(state, **given_settings)


def known(value: str | None = None, window: Window | None = None, **fields: Any) -> Record:
    """The state after a run of both tables that ended with this bookmark or inside this window."""
    state: Record = {"streams": STREAMS}
    if value:
        state |= {"replication_key": "version", "replication_key_value": value}
    if window:
        saved: Record = {"streams": STREAMS}
        bookmark(saved).save(window)
        state |= saved
    return state | fields


def plain(windows: list[Window]) -> list[Window]:
    """The windows without the moment at which a first one began, which is our clock's."""
    assert all(bool(window.begun) == window.is_first for window in windows if not window.after)
    return [Window(**{**vars(window), "begun": None}) for window in windows]


class Case(NamedTuple):
    """What was known, the settings of the run, the windows that are due."""

    state: Record
    settings: dict[str, Any]
    due: list[Window]


#: Left in the middle of the second list.
FIRST = Window(None, at(-6), variant=1, after=70, done=30, is_first=True)
LATER = Window(at(-9), at(-3), after=70, done=30)
#: Its upper bound was not sure when it was read.
UNSURE = Window(at(-9), at(-3), after=70, done=30, until=at(-2))

CASES = {
    "nothing is known": Case({}, {}, [Window(None, at(0), is_first=True)]),
    "nothing is known, from a start date on": Case(
        {}, {"start_date": moment(-99)}, [Window(at(-99), at(0), is_first=True)]
    ),
    "a bookmark": Case(known(at(-5)), {}, [Window(at(-9), at(0))]),
    "a bookmark without an overlap": Case(
        known(at(-5)), {"lookback": timedelta()}, [Window(at(-5), at(0))]
    ),
    "a bookmark whose overlap begins before the start date": Case(
        known(at(-5)), {"start_date": moment(-7)}, [Window(at(-7), at(0))]
    ),
    "a start date later than the bookmark": Case(
        known(at(-5)), {"start_date": moment(-2)}, [Window(at(-2), at(0))]
    ),
    "a backfill leaves the bookmark alone": Case(
        known(at(-5), LATER),
        {"start_date": moment(-99), "end_date": moment(-50)},
        [Window(at(-99), at(-50))],
    ),
    # Unfinished windows.
    "a first window": Case(known(window=FIRST), {}, [FIRST, Window(at(-10), at(0))]),
    "a later window": Case(known(at(-5), LATER), {}, [LATER, Window(at(-7), at(0))]),
    "a first window, but a start date came": Case(
        known(window=FIRST),
        {"start_date": moment(-99)},
        [Window(at(-99), at(0), is_first=True)],
    ),
    "a later window, but the overlap has grown": Case(
        known(at(-5), LATER), {"lookback": timedelta(hours=6)}, [Window(at(-11), at(0))]
    ),
    "a window that was written as a whole": Case(
        known(at(-3), window=None) | {"window": None}, {}, [Window(at(-7), at(0))]
    ),
    "a window that rows may have entered since": Case(
        known(at(-5), UNSURE),
        {},
        [Window(**{**vars(UNSURE), "done": sys.maxsize}), Window(at(-7), at(0))],
    ),
    "a window that rows may have entered, none of it read": Case(
        known(at(-5), Window(at(-9), at(-3), until=at(-2))),
        {},
        [Window(at(-9), at(-3), until=at(-2)), Window(at(-7), at(0))],
    ),
    # Tables.
    "a table was added": Case(
        known(at(-5), streams=["invoices"]), {}, [Window(None, at(0), is_first=True)]
    ),
    "a table was added to an unfinished window": Case(
        known(at(-5), LATER, streams=["invoices"]), {}, [Window(None, at(0), is_first=True)]
    ),
    "a table was exchanged": Case(
        known(at(-5), streams=["invoices", "attachments"]),
        {},
        [Window(None, at(0), is_first=True)],
    ),
    "a table was taken away": Case(
        known(at(-5), LATER), {"streams": ["invoices"]}, [LATER, Window(at(-7), at(0))]
    ),
    "a state that names no tables": Case(
        {"replication_key_value": at(-5)}, {}, [Window(None, at(0), is_first=True)]
    ),
    # Clocks.
    "the bookmark of a clock that was a bit fast": Case(known(at(4)), {}, [Window(at(-4), at(0))]),
    "the bookmark of a clock that was wrong": Case(
        known(at(4.1)), {}, [Window(None, at(0), is_first=True)]
    ),
    "a day ahead, with an overlap of months": Case(
        known(at(24)), {"lookback": timedelta(days=90)}, [Window(at(-90 * 24), at(0))]
    ),
    "more than a day ahead, with an overlap of months": Case(
        known(at(25)), {"lookback": timedelta(days=90)}, [Window(None, at(0), is_first=True)]
    ),
    "an unfinished window of a clock that was wrong": Case(
        known(window=Window(None, at(5), after=70, done=30, is_first=True)),
        {},
        [Window(None, at(0), is_first=True)],
    ),
    "clocks that disagree": Case(
        known(at(-5)), {"agreed": moment(-1)}, [Window(at(-9), at(-1), until=at(0))]
    ),
    "clocks that disagree from the beginning": Case(
        {}, {"agreed": moment(-1)}, [Window(None, at(-1), is_first=True, until=at(0))]
    ),
    "clocks that disagree do not take the bookmark back": Case(
        known(at(-0.5)), {"agreed": moment(-1)}, [Window(at(-4.5), at(-0.5), until=at(0))]
    ),
    "clocks that disagree after a bookmark of the future": Case(
        known(at(2)), {"agreed": moment(-1)}, [Window(at(-4), at(0))]
    ),
    "clocks that disagree do not take an unfinished window back": Case(
        known(at(-5), LATER),
        {"agreed": moment(-8)},
        [LATER, Window(at(-7), at(-3), until=at(0))],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_windows_that_are_due(name: str) -> None:
    case = CASES[name]
    before = deepcopy(case.state)
    windows = list(bookmark(case.state, **case.settings).windows())
    assert plain(windows) == case.due
    assert case.state == before, "only what is saved changes the state"


@pytest.mark.parametrize("name", [name for name in CASES if "clock" in name or "ahead" in name])
def test_only_a_bookmark_that_is_not_believed_is_told(name: str) -> None:
    case, warnings = CASES[name], list[str]()
    list(bookmark(case.state, warnings, **case.settings).windows())
    value = case.state.get("replication_key_value")
    is_believed = not value or not case.due[0].is_first
    assert bool(warnings) != is_believed
    assert all(str(value) in warning and "a clock was wrong" in warning for warning in warnings)


def test_progress_keeps_the_bookmark_and_the_end_replaces_it() -> None:
    state = known(at(-5))
    bookmark(state).save(LATER)
    assert state["replication_key_value"] == at(-5)
    assert state["window"]["after"] == LATER.after
    bookmark(state).save(LATER.done_with())
    assert state == known(at(-3)) | {"window": None}


@pytest.mark.parametrize("window", [FIRST, LATER, UNSURE])
def test_what_is_saved_of_a_window_is_what_older_versions_know(window: Window) -> None:
    saved = known(window=window)["window"]
    fields = {"start", "end", "variant", "after", "done", "is_first", "begun"}
    assert saved.keys() == (fields | {"until"} if window.until else fields)


def test_progress_in_a_window_with_a_new_table_takes_the_bookmark_back() -> None:
    """Stopped now, the next run must not believe that the new table has been read up to it."""
    state = known(at(-5), streams=["invoices"])
    (window,) = bookmark(state).windows()
    bookmark(state).save(window)
    assert state["replication_key_value"] is None
    assert state["streams"] == STREAMS


def test_a_backfill_saves_nothing() -> None:
    state = known(at(-5), LATER)
    before = deepcopy(state)
    backfill = bookmark(state, end_date=moment(-50))
    (window,) = backfill.windows()
    backfill.save(window)
    backfill.save(window.done_with())
    assert state == before


#: How many hours pass, how far the clocks are apart, whether and where the run is stopped: in its
#: first or its second window, if there is one.
_runs = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 6), st.sampled_from([None, 0, 1])), max_size=8
)


@given(_runs)
def test_whatever_runs_are_stopped_no_moment_before_the_bookmark_is_left_out(
    runs: list[tuple[int, int, int | None]],
) -> None:
    state: Record = {}
    now, read_up_to = NOW, ""
    for hours, apart, stopped_in in runs:
        now += timedelta(hours=hours)
        run = bookmark(state, now=now, agreed=now - timedelta(hours=apart))
        for number, window in enumerate(run.windows()):
            assert window.start is None or window.start <= read_up_to
            assert window.end <= format_utc(now)
            if number == stopped_in:
                run.save(Window(**{**vars(window), "after": 7, "done": 7}))
                break
            run.save(window.done_with())
            read_up_to = max(read_up_to, window.end)
            assert state["replication_key_value"] <= read_up_to


FILTERS = [
    (Window(None, at(0)), {"versionEndDate": "2026-11-29T14:00:00"}),
    (
        Window(at(-1), at(0)),
        {"versionStartDate": "2026-11-29T13:00:00", "versionEndDate": "2026-11-29T14:00:00"},
    ),
    (Window(None, at(-1), until=at(0)), {"versionEndDate": "2026-11-29T14:00:00"}),
    # The hour from 3 to 4 comes twice: what was written in either must be inside.
    (
        Window("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
        {"versionStartDate": "2026-10-25T02:30:00", "versionEndDate": "2026-10-25T04:30:00"},
    ),
]


@pytest.mark.parametrize(("window", "filters"), FILTERS)
def test_filters_are_local_times(window: Window, filters: dict[str, str]) -> None:
    assert window.filters(ApiClock("Europe/Helsinki")) == filters


def test_a_window_goes_on_in_its_list_and_begins_the_others() -> None:
    assert FIRST.at_variant(1) == FIRST
    assert FIRST.at_variant(2) == Window(None, at(-6), variant=2, is_first=True)


@pytest.mark.parametrize(
    ("window", "is_whole"),
    [
        (Window(None, at(0), is_first=True), True),
        (Window(None, at(0), is_first=True, after=1), False),
        (Window(None, at(0), is_first=True, variant=1), False),
        (Window(at(-4), at(0)), False),
    ],
)
def test_only_a_first_window_that_nothing_is_read_of_is_whole(
    window: Window, *, is_whole: bool
) -> None:
    assert window.is_whole == is_whole
