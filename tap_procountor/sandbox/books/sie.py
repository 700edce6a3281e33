"""The SIE file of a fiscal year, type 4: accounts and receipts in the Swedish exchange format."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .collection import Document

#: The format's own character set.
_ENCODING = "cp437"


def sie_file(
    company: Document,
    accounts: Iterable[Document],
    receipts: Iterable[Document],
    start: str,
    end: str,
) -> bytes:
    """Write the receipts of the days from start to end."""
    lines = [
        "#FLAGGA 0",
        '#PROGRAM "Procountor sandbox" "26.04"',
        "#FORMAT PC8",
        "#SIETYP 4",
        f"#FNAMN {_quoted(company['name'])}",
        f"#RAR 0 {_day(start)} {_day(end)}",
        *(f"#KONTO {one['ledgerAccountCode']} {_quoted(one['name'])}" for one in accounts),
    ]
    for receipt in receipts:
        if start <= receipt["receiptDate"] <= end:
            lines += _receipt(receipt)
    return "".join(f"{line}\r\n" for line in lines).encode(_ENCODING, errors="replace")


def _receipt(receipt: Document) -> Iterator[str]:
    yield f"#VER A {receipt['id']} {_day(receipt['receiptDate'])}"
    yield "{"
    for transaction in receipt.get("transactions") or ():
        yield f"#TRANS {transaction['account']} {{}} {transaction['accountingValue']}"
    yield "}"


def _day(day: str) -> str:
    return day.replace("-", "")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'
