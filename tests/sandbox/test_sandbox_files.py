from __future__ import annotations

import struct
import zlib
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from sandbox_client import Client, running

from tap_procountor.api.multipart import FileAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running(invoices=100) as (_, client):
        yield client


def file_in(answer: requests.Response) -> bytes:
    assert answer.status_code == 200
    return b"".join(FileAnswer(answer.headers, iter([answer.content])))


def test_pictures_are_png_and_end_with_404(client: Client) -> None:
    seen = Counter[int]()
    for invoice in client.sandbox.companies[0].truth("invoices")[:20]:
        path = f"/invoices/{invoice['id']}/image"
        assert file_in(client.get(path)) == file_in(client.get(path, page=1, format="PNG"))
        pages = 0
        while (answer := client.get(path, page=pages + 1)).status_code == 200:
            pages += 1
            assert is_png(file_in(answer))
        assert answer.status_code == 404
        assert 1 <= pages <= 3
        seen[pages] += 1
    assert len(seen) == 3
    assert client.get("/invoices/1/image").status_code == 404
    assert client.get(f"{path}?page=0").status_code == 404
    assert client.get(f"{path}?format=TIFF").status_code == 400


def is_png(content: bytes) -> bool:
    signature, rest = content[:8], content[8:]
    kinds = []
    while rest:
        length, kind = struct.unpack(">I4s", rest[:8])
        data, (checksum,) = rest[8 : 8 + length], struct.unpack(">I", rest[8 + length :][:4])
        assert checksum == zlib.crc32(kind + data)
        kinds.append(kind)
        rest = rest[12 + length :]
    return signature == b"\x89PNG\r\n\x1a\n" and kinds == [b"IHDR", b"IDAT", b"IEND"]


def test_sie_files_balance(client: Client) -> None:
    company = client.sandbox.companies[0]
    assert client.get("/sie/availability").status_code == 403
    company.set_sie(enabled=True)
    available = client.json("/sie/availability")
    assert available["lastValidEndDate"] == "2026-12-31"
    start = available["accountingPeriodStart"][1]
    answer = client.get("/sie/file", accountingPeriodStart=start, exportEndDate="2023-12-31")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    text = answer.content.decode("cp437")
    amounts = [Decimal(line.split()[-1]) for line in text.splitlines() if "#TRANS" in line]
    assert len(amounts) > 50
    assert sum(amounts) == 0
    for parameters in ({"exportEndDate": "2024-01-01"}, {"exportEndDate": "2022-12-31"}, {}):
        refused = client.get("/sie/file", accountingPeriodStart=start, **parameters)
        assert refused.status_code == 400
    company.set_right("accounting.accountingReports")
    assert client.get("/sie/availability").status_code == 403


def test_a_file_can_be_of_any_size(client: Client) -> None:
    company = client.sandbox.companies[0]
    number = company.truth("attachments")[0]["attachmentId"]
    company.resize_attachment(number, 3_000_000)
    assert company.truth("attachments")[0]["size"] == 3_000_000
    assert len(file_in(client.get(f"/attachments/{number}"))) == 3_000_000
