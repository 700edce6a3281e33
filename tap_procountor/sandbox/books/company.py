"""What the API says about the company itself and its user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .randomness import Seed, Topic
from .words import CITIES, COMPANY_FORMS, COMPANY_NAMES, STREETS

if TYPE_CHECKING:
    from .collection import Document

USER_ID = 501


def company_document(seed: Seed, number: int) -> Document:
    """Return the answer of ``/company``."""
    random = seed.random(Topic.COMPANY)
    zip_code, city = random.choice(CITIES)
    address = {
        "street": f"{random.choice(STREETS)} 1",
        "zip": zip_code,
        "city": city,
        "country": "FINLAND",
    }
    return {
        "id": number,
        "name": f"{random.choice(COMPANY_NAMES)} {number} {random.choice(COMPANY_FORMS)}",
        "country": "FINLAND",
        "productVersion": "FINANCIALS_PREMIUM",
        "operationType": "PRODUCTION",
        "accountingOfficeName": None,
        "companyAddress": address | {"poBox": "PL 12", "specifier": None},
        "billingAddress": address,
        "inTradeRegister": True,
        "businessIdentifier": {"brnType": "YHD", "code": f"{number:07}-3"},
        "accountingCoaLanguages": ["fi", "en", "sv"],
        "companyCurrency": "EUR",
        "currencyRateSearchDensity": "DAILY_EXCHANGE_RATE",
    }


def session_document(company: Document, *, discussion: bool) -> Document:
    """Return the answer of ``/sessioninfo``."""
    return {
        "companyId": company["id"],
        "name": company["name"],
        "country": company["country"],
        "productVersion": company["productVersion"],
        "userId": USER_ID,
        "userName": "apiuser",
        "companySettings": {"invoiceDiscussionEnabled": discussion},
    }


def user_document(company: Document) -> Document:
    """Return the answer of ``/users``: the user of the key."""
    return {
        "id": USER_ID,
        "username": "apiuser",
        "companyId": company["id"],
        "countryCode": "FINLAND",
        "loginMethod": "PROCOUNTOR_KEY",
        "firstName": "Rajapinta",
        "lastName": "Käyttäjä",
        "email": "api@example.com",
        "mobilePhone": None,
    }
