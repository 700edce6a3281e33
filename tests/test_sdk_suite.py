"""The SDK's standard tests, against the sandbox."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from tap_procountor.sandbox import Sandbox
from tap_procountor.tap import TapProcountor

# The sandbox has not a value for every field of the specification.
pytestmark = [
    pytest.mark.filterwarnings("ignore:No records were available to test:UserWarning"),
    pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in:UserWarning"),
]

# The SDK wants the settings when the class is made, that is before any fixture.
_sandbox = Sandbox(invoices=60, requests_per_second=0)
# Some resources are for Swedish companies only.
_sandbox.companies[0].set_country("SWEDEN")
_sandbox.start()
_files = TemporaryDirectory()
_config = {
    **_sandbox.config(),
    "requests_per_second": 1000,
    "attachment_files_path": _files.name,
}


def _everything() -> dict[str, Any]:
    """Return a catalog with all streams: the suite looks at those off by default as well."""
    catalog = TapProcountor(config=_config).catalog_dict
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True
    return catalog


TestTapProcountor = get_tap_test_class(
    TapProcountor,
    config=_config,
    catalog=_everything(),
    suite_config=SuiteConfig(
        max_records_limit=50,
        # What is to be downloaded is named by other streams, which the suite cuts off.
        ignore_no_records_for_streams=[
            *("rejected_records", "attachment_files", "invoice_images", "sie_files")
        ],
    ),
)


def teardown_module() -> None:
    _sandbox.stop()
    _files.cleanup()
