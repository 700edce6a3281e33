"""What a company has set: who checks its invoices, on what terms it delivers, whom it tells."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from .collection import Collection, Document
from .company import USER_ID
from .randomness import Seed, Topic, happens
from .words import FIRST_NAMES, LAST_NAMES

if TYPE_CHECKING:
    from random import Random

VAT_SETTINGS: Document = {"unitPricesIncludeVatSales": False, "unitPricesIncludeVatPurchase": None}

DELIVERY_TERMS = ("Nouto", "EXW: vapaasti tehtaalta", 'DAP "ovelle"', "Itella/Åland")

_LIST_NAMES = ("Ostolaskut", "Matkalaskut, johto", "Yli 10 000 €")
_EVENTS = ("PAYMENT_UPDATED", "USER_UPDATED", "TRACKING_PERIOD_STATUS_UPDATED", "INVOICE_ARCHIVED")
"""The specification does not know the last one."""


class FactoringRow(NamedTuple):
    """What the books remember of a factoring contract."""

    id: int
    revision: int
    active: bool


class WebhookRow(NamedTuple):
    """What the books remember of a webhook; its id is not shown."""

    id: int
    revision: int
    attached: int


class CompanySettings:
    """The settings and small registers of a company."""

    def __init__(self, seed: Seed, first_id: int, created: int) -> None:
        self._seed = seed
        self._first_id = first_id
        self.factoring_contracts = Collection(FactoringRow, self.write_contract)
        self.factoring_contracts.fill(range(first_id, first_id + 3), [0] * 3, [True, True, False])
        self.webhooks = Collection(WebhookRow, self.write_webhook)
        self.webhooks.fill(
            range(first_id, first_id + 4), [0] * 4, range(created, created + 4 * 3600, 3600)
        )

    def invoice_templates(self) -> list[Document]:
        """Return the answer of ``/company/invoicetemplates``."""
        names = ("Oletus", "Vienti (englanti)", None)
        return [{"id": self._first_id + at, "name": name} for at, name in enumerate(names)]

    def verifier_lists(self) -> list[Document]:
        """Return the verifier lists as their details show them."""
        random = self._seed.random(Topic.SETTINGS, 3)
        return [
            {
                "id": self._first_id + at,
                "name": name,
                "verifiers": _people(random, 1 + at),
                "acceptors": _people(random, 2) if at else [],
            }
            for at, name in enumerate(_LIST_NAMES)
        ]

    def circulation(self) -> Document:
        """Return the answer of ``/company/invoicecirculation/settings``."""
        random = self._seed.random(Topic.SETTINGS, 4)
        return {
            "useForPurchaseInvoices": True,
            "useForTravelAndExpenseInvoices": None,
            "reminderInterval": "EVERY_FULL_MOON" if happens(random, 0.5) else "ONCE_A_WEEK",
            "forceNotifications": False,
            "maxVerifiers": 3,
            "verifiers": _people(random, 3),
            "acceptors": _people(random, 1),
            "allowPersonalSubstitution": True,
            "substitutions": [
                {
                    "userId": USER_ID,
                    "start": "2026-07-01",
                    "end": None,
                    "substituteForVerifying": USER_ID + 1,
                    "notes": "Kesäloma; sijainen Åsa",
                }
            ],
        }

    def collection(self) -> Document:
        """Return the answer of ``/company/expenses/collectionpenal/settings``."""
        return {
            "useAutomaticHandling": True,
            "collectionCostsProduct": {
                "productId": self._first_id + 9,
                "name": "Muistutusmaksu",
                "code": "S-MUIST",
                "defaultAccount": "3000",
                "price": Decimal("5.0000"),
                "currency": "EUR",
                "unit": "PIECE",
            },
            "penalExpenseProduct": None,
            "penalInterestDateMargin": 7,
            "minimumPenalInterestSum": Decimal("10.00"),
            "defaultSalesInvoiceInterest": Decimal("11.50"),
            "collectionPartner": "Perintä Öy",
            "handling": {"reminders": 2},
        }

    def einvoice_addresses(self) -> list[Document]:
        """Return the answer of ``/company/einvoiceaddresses``; nothing in it need be there."""
        return [
            {
                "operator": "Maventa",
                "operatorId": 7,
                "sendingAddress": "003712345678",
                "receivingAddress": "003712345678",
                "receivingAddressPublicInTieke": True,
                "created": "01.02.2022 klo 9:15",
                "creator": "Väinö Öhman",
            },
            {"operator": None, "sendingAddress": None, "edi": "0037/EDI"},
        ]

    def swedish_factoring_contracts(self) -> list[Document]:
        """Return the answer of ``/se/factoringcontracts``."""
        return [
            {
                "id": self._first_id + at,
                "financingCompanyName": "Svea Bänk AB",
                "financingCompanyBankAccount": "SE4550000000058398257466",
                "contractNumber": f"SE/{at:04}",
                "transferNotification": _notifications(),
                "status": "ACTIVE",
            }
            for at in range(2)
        ]

    def write_contract(self, row: FactoringRow) -> Document:
        """Write a Finnish factoring contract."""
        random = self._seed.random(Topic.SETTINGS, row.id, row.revision)
        return {
            "id": row.id,
            "financingCompany": {"id": random.choice(("AK", "NF")), "name": "Rahoitus Oyj"},
            "financingCompanyBankAccount": "FI4250001510000023",
            "contractNumber": f"RS-{row.id}",
            "bankReferenceCodeSeparator": "",
            "factoringCounterAccount": None if happens(random, 0.3) else "1701",
            "transferNotification": _notifications(),
            "status": "ACTIVE" if row.active else "INACTIVE",
        }

    def write_webhook(self, row: WebhookRow) -> Document:
        """Write a webhook."""
        random = self._seed.random(Topic.SETTINGS, row.id, row.revision)
        is_signed = row.id % 2 == 0
        return {
            "uuid": str(UUID(int=row.id << 64 | random.getrandbits(64), version=4)),
            "url": f"https://example.com/hooks/{row.id}?team=myynti",
            "authenticationType": "HMAC" if is_signed else "NONE",
            "authenticationMeta": {"hashAlgorithm": "SHA-256"} if is_signed else None,
            "subscriptions": random.sample(_EVENTS, 2),
        }


def in_lists(verifier_list: Document) -> Document:
    """Return a verifier list as lists show it: with the ids of its people only."""
    people = {
        name: [one["userId"] for one in verifier_list[name]] for name in ("verifiers", "acceptors")
    }
    return verifier_list | people


def _people(random: Random, count: int) -> list[Document]:
    return [
        {
            "firstname": random.choice(FIRST_NAMES),
            "surname": random.choice(LAST_NAMES),
            "userId": USER_ID + at,
            "orderNo": at,
        }
        for at in range(count)
    ]


def _notifications() -> list[Document]:
    return [
        {
            "lang": "FINNISH",
            "notification": "Lasku on siirretty.\nMaksu vain rahoittajalle.",
        },
        {"lang": "SWEDISH", "notification": None},
    ]
