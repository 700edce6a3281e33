"""The SDK's standard tests, against the sandbox."""

from __future__ import annotations

import gc
import signal
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from singer_sdk.testing.runners import TapTestRunner

from tap_procountor.sandbox import Sandbox
from tap_procountor.tap import TapProcountor

if TYPE_CHECKING:
    from collections.abc import Iterator

# The sandbox has not a value for every field of the specification.
pytestmark = [
    pytest.mark.filterwarnings("ignore:No records were available to test:UserWarning"),
    pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in:UserWarning"),
]

#: The SDK makes its tests from the streams when they are collected, for which no request is made.
#: The same object gets the sandbox's settings before the first of them runs.
_config: dict[str, Any] = {"client_id": "a", "client_secret": "b", "api_key": "c"}


@pytest.fixture(scope="module", autouse=True)
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with Sandbox(invoices=60, requests_per_second=0) as running:
        # Some resources are for Swedish companies only.
        running.companies[0].set_country("SWEDEN")
        _config.update(
            running.config(),
            requests_per_second=1000,
            attachment_files_path=str(tmp_path_factory.mktemp("files")),
            on_missing_permission="warn",
        )
        yield


def _everything() -> dict[str, Any]:
    """Return a catalog with all streams: the suite looks at those off by default as well."""
    catalog = TapProcountor(config=_config).catalog_dict
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True
    return catalog


class RunOfOurs(TapTestRunner):
    """Looks at the messages of our run, where the SDK would read stream by stream."""

    def run_sync_dry_run(self) -> bool:
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        tap = self.new_tap()
        assert isinstance(tap, TapProcountor)
        try:
            tap.run()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            gc.unfreeze()
            gc.set_threshold(700, 10, 10)
        return True


_suite = SuiteConfig(ignore_no_records_for_streams=["rejected_records", "sie_files"])
_catalog = _everything()


class TestTapProcountor(
    get_tap_test_class(  # type: ignore[misc] # a class made at run time
        TapProcountor, config=_config, catalog=_catalog, suite_config=_suite
    )
):
    @pytest.fixture(scope="class")
    @classmethod
    def runner(cls) -> RunOfOurs:
        runner = RunOfOurs(TapProcountor, _config, _suite, catalog=_catalog)
        runner.sync_all()
        return runner
