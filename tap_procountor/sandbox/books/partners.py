"""Business partners and persons. A person is also a partner with the same id."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from .attachments import Owner, attachments
from .collection import Collection, Document
from .randomness import Seed, Topic, happens
from .times import time_text
from .words import CITIES, COMPANY_FORMS, COMPANY_NAMES, FIRST_NAMES, LAST_NAMES, NOTES, STREETS

if TYPE_CHECKING:
    from random import Random

TYPES = ("CUSTOMER", "SUPPLIER", "PERSON")
CHANNELS = ("EMAIL", "ELECTRONIC_INVOICE", "MAIL", "NO_SENDING", "PAPER_INVOICE")

_GROUP_NAMES = ("Vienti/Tuonti", "Kotimaa", "Päättyneet")
"""The last one is not active."""


class PartnerRow(NamedTuple):
    """What the books remember of a partner."""

    id: int
    revision: int
    type: str
    active: bool
    version: int


class GroupRow(NamedTuple):
    """What the books remember of a partner group, which is all there is."""

    id: int
    name: str
    type: str
    active: bool


class Partners:
    """The partner and person registers."""

    def __init__(self, seed: Seed, first_id: int, count: int, start: int, end: int) -> None:
        self._seed = seed
        self.groups = Collection(GroupRow, GroupRow._asdict)
        self.groups.fill(*zip(*_groups(first_id), strict=True))
        self.rows = Collection(PartnerRow, self.write_partner)
        self.persons = Collection(PartnerRow, self.write_person)
        self._counterparties: dict[int, Document] = {}
        random = seed.random(Topic.PARTNERS)
        # Small registers too have all types, active ones first, then others.
        types = [*TYPES, *TYPES, *random.choices(TYPES, (6, 4, 1), k=count)][:count]
        active = [True] * len(TYPES) + [False] * len(TYPES)
        active += [happens(random, 0.88) for _ in range(count)]
        columns = (
            [first_id + 2 * at + (at > 10) for at in range(count)],  # noqa: PLR2004 - a gap
            [0] * count,
            types,
            active[:count],
            [start + int(random.random() * (end - start)) for _ in range(count)],
        )
        self.rows.fill(*columns)
        persons = [row for row in self.rows if row.type == "PERSON"]
        self.persons.fill(*(zip(*persons, strict=True) if persons else [()] * len(columns)))
        self.customers = [row.id for row in self.rows if row.type == "CUSTOMER"]
        self.suppliers = [row.id for row in self.rows if row.type == "SUPPLIER"]
        self.people = [row.id for row in persons]

    def counterparty(self, partner: int) -> Document:
        """Return a partner as invoices name it: as it was at first, whatever changed since."""
        if partner not in self._counterparties:
            random = self._seed.random(Topic.PARTNER, partner)
            self._counterparties[partner] = _counterparty(random, partner)
        return self._counterparties[partner]

    def write_partner(self, row: PartnerRow) -> Document:
        """Write the business partner of a row."""
        random = self._seed.random(Topic.PARTNER, row.id, row.revision)
        name = _name(random)
        address = _address(random, name)
        partner: Document = {
            "id": row.id,
            "name": name,
            "type": row.type,
            "address": address,
            "billingAddress": address | {"specifier": "Ostolaskut / PL 12"},
            "deliveryAddress": None if happens(random, 0.4) else address,
            "invoicingInfo": _invoicing_info(random, row.id),
            "attachments": attachments(
                self._seed, Owner.PARTNER, row.id, f"{row.type}_BUSINESS_PARTNER_REGISTER"
            ),
            "contactPersons": _contact_persons(random, row.id),
            "additionalInfo": {
                "comments1": random.choice(NOTES),
                "comments2": None,
                "invoiceLedger": "INVOICE_LEDGER",
                "sector": "Kauppa",
            },
            "paymentInfo": {
                "paymentMethod": "BANK_TRANSFER",
                "bankAccount": "FI4250001510000023",
                "bic": "OKOYFIHH",
                "paymentTermDays": "14",
                "penalInterestRate": Decimal("8.00"),
                "discountPercentage": Decimal("-0.00"),
                "cashDiscount": {
                    "optionList": [{"numberOfDays": 7, "discountPercentage": Decimal("2.0000")}],
                    "cashDiscountsTermType": "FROM_INV_DATE",
                },
                "currency": "EUR",
            },
            "registryInfo": {
                "active": row.active,
                "phone": "+358 40 1234567",
                "partnerGroups": [
                    self.groups.document(group) for group in self.groups if group.type == row.type
                ][: 1 + int(random.random() * 2)],
            },
            "version": time_text(row.version),
        }
        if happens(random, 0.05):
            partner["creditRating"] = {"class": "AAA+", "score": Decimal("97.50")}
        return partner

    def write_person(self, row: PartnerRow) -> Document:
        """Write the person of a row."""
        random = self._seed.random(Topic.PERSON, row.id, row.revision)
        zip_code, city = random.choice(CITIES)
        address = {"street": f"{random.choice(STREETS)} 7", "zip": zip_code, "city": city}
        return {
            "id": row.id,
            "firstName": random.choice(FIRST_NAMES),
            "lastName": random.choice(LAST_NAMES),
            "jobTitle": None if happens(random, 0.3) else "Kirjanpitäjä",
            "deliveryAddress": address | {"country": "FINLAND", "postOfficeBox": "PL 7"},
            "paymentInfo": {
                "paymentMethod": "BANK_TRANSFER",
                "accountNumber": "FI2112345600000785",
                "bic": "NDEAFIHH",
                "penalInterestRate": Decimal("11.5"),
            },
            "invoicingInfo": {
                "personNumber": str(row.id % 10_000),
                "identifier": "131052-308T",
                "identifierType": "HETU",
                "dateOfBirth": "1952-10-13",
                "language": "FINNISH",
                "gender": "NOT_APPLICABLE",
            },
            "registryInfo": {
                "active": row.active,
                "mobilePhone": "+358 50 7654321",
                "email": f"henkilo{row.id}@example.com",
                "personGroupsIds": [1, 2],
                "homeMunicipality": city,
            },
            "version": time_text(row.version),
        }


def _groups(first_id: int) -> list[GroupRow]:
    pairs = [(kind, name) for kind in TYPES for name in _GROUP_NAMES]
    return [
        GroupRow(first_id + at, name, kind, active=name != _GROUP_NAMES[-1])
        for at, (kind, name) in enumerate(pairs)
    ]


def _name(random: Random) -> str:
    return (
        f"{random.choice(COMPANY_NAMES)} {random.choice(LAST_NAMES)} {random.choice(COMPANY_FORMS)}"
    )


def _address(random: Random, name: str) -> Document:
    zip_code, city = random.choice(CITIES)
    street = f"{random.choice(STREETS)} {1 + int(random.random() * 99)} B"
    return {"name": name, "street": street, "zip": zip_code, "city": city, "country": "FINLAND"}


def _counterparty(random: Random, partner: int) -> Document:
    name = _name(random)
    return {
        "contactPersonName": f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)}",
        "identifier": f"{partner:07}-{partner % 10}",
        "customerNumber": str(partner),
        "email": f"laskut{partner}@example.com",
        "counterPartyAddress": _address(random, name),
        "bankAccount": {"accountNumber": "FI4250001510000023", "bic": "OKOYFIHH"},
        "einvoiceAddress": {"operator": "BAWCFI22", "address": f"0037{partner:08}"},
    }


def _invoicing_info(random: Random, number: int) -> Document:
    return {
        "customerNumber": str(number),
        "identifier": f"{number:07}-{number % 10}",
        "identifierType": "YHD",
        "invoiceChannel": random.choice(CHANNELS),
        "language": "FINNISH",
        "email": f"laskut{number}@example.com",
        "bccAddresses": [],
        "denyEinvoiceReminders": False,
    }


def _contact_persons(random: Random, number: int) -> list[Document]:
    return [
        {
            "id": number * 4 + at,
            "name": f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)}",
            "email": f"yhteys{at}@example.com",
            "phone": None,
        }
        for at in range(int(random.random() * 3))
    ]
