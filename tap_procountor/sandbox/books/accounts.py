"""The chart of accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .collection import Document

RECEIVABLES = "1701"
VAT_RECEIVABLES = "1763"
BANK = "1910"
EQUITY = "2251"
PAYABLES = "2871"
VAT_PAYABLES = "2939"
TAX_ACCOUNT = "2944"
SALARIES_PAYABLE = "2961"
SALES = ("3000", "3010", "3020")
PURCHASES = ("4000", "4410", "7800")
TRAVEL = ("7540", "7560")
SALARIES = "5000"
WITHHOLDING = "2921"
VAT_ACCRUAL = "2945"

_NAMES = {
    "1201": ("Koneet ja kalusto", "Machinery and equipment", "Maskiner och inventarier"),
    RECEIVABLES: ("Myyntisaamiset", "Trade receivables", "Kundfordringar"),
    VAT_RECEIVABLES: ("Arvonlisäverosaamiset", "VAT receivables", "Momsfordringar"),
    BANK: ("Pankkitili", "Bank account", "Bankkonto"),
    EQUITY: ("Edellisten tilikausien voitto", "Retained earnings", "Balanserad vinst"),
    PAYABLES: ("Ostovelat", "Trade payables", "Leverantörsskulder"),
    WITHHOLDING: ("Ennakonpidätysvelka", "Withholding tax", "Förskottsinnehållning"),
    VAT_PAYABLES: ("Arvonlisäverovelka", "VAT payable", "Momsskuld"),
    TAX_ACCOUNT: ("Verotili", "Tax account", "Skattekonto"),
    VAT_ACCRUAL: ("Arvonlisäveron selvittelytili", "VAT clearing", "Momsavräkning"),
    SALARIES_PAYABLE: ("Palkkavelat", "Salaries payable", "Löneskulder"),
    "3000": ("Myynti", "Sales", "Försäljning"),
    "3010": ("Työn myynti", "Sales of labour", "Försäljning av arbete"),
    "3020": ("Myynnin oikaisut ja hyvitykset", "Sales adjustments", "Rättelser av försäljning"),
    "4000": ("Ostot", "Purchases", "Inköp"),
    "4410": ("Ulkopuoliset palvelut", "External services", "Köpta tjänster"),
    SALARIES: ("Työntekijöiden palkat", "Wages", "Löner"),
    "7540": ("Päivärahat", "Per diem", "Dagtraktamenten"),
    "7560": ("Kilometrikorvaukset", "Mileage", "Kilometerersättningar"),
    "7800": ('Toimistokulut, "muut"', "Office expenses", "Kontorskostnader"),
    "9999": ("Lopetettu tili (älä käytä)", "Closed account", "Avslutat konto"),
}


def chart() -> list[Document]:
    """Return all accounts as the API shows them."""
    return [
        {
            "ledgerAccountCode": code,
            "name": names[0],
            "active": code != "9999",
            "translations": list(_translations(names)),
        }
        for code, names in sorted(_NAMES.items())
    ]


def _translations(names: tuple[str, str, str]) -> Iterator[Document]:
    for language, name in zip(("fi", "en", "sv"), names, strict=True):
        yield {"languageCode": language, "translation": name}
