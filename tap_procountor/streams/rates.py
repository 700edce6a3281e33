"""Value added tax, currencies and exchange rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_procountor.permissions.access import Access
from tap_procountor.readers.list_page import records_in
from tap_procountor.records.schema import DATE, INTEGER, STRING, RecordSchema, ValueSchema
from tap_procountor.streams.base.full_table import SingleCallStream, ValuesStream

if TYPE_CHECKING:
    from tap_procountor.api.client import Params
    from tap_procountor.readers.list_page import Source

#: ``/currencies/latest`` takes a number, ``/currencies/exchangerate`` the name.
_RATE_TYPES = {
    1: "PROCOUNTOR_ACCOUNTING_EXCHANGE_RATE",
    2: "ACCOUNT_CURRENCY_AVERAGE_RATE",
    3: "ACCOUNT_CURRENCY_BUYING_RATE",
    4: "ACCOUNT_CURRENCY_SELLING_RATE",
    5: "CASH_BUYING_RATE",
    6: "CASH_CURRENCY_SALE_EXCHANGE_RATE",
}


class VatPercentages(SingleCallStream):
    """VAT percentages of the company by country, and whether sales or purchases use them."""

    name = "vat_percentages"
    path = "/vats/default"
    # The percentage itself is no key: it has decimals, which many targets hold as floats.
    primary_keys = ("company_id", "country", "position")
    schema = RecordSchema("VatInfo", added={"country": STRING, "position": INTEGER})

    def sources(self, answer: Any, params: Params) -> list[Source]:  # noqa: ANN401, ARG002
        return [
            {**percentage, "country": country.get("country"), "position": position}
            for country in records_in(answer, "vatInformation", self.path)
            for position, percentage in enumerate(country.get("percentages") or ())
        ]


class VatStatuses(SingleCallStream):
    """VAT statuses: the meaning of ``vat_status`` in other tables."""

    name = "vat_statuses"
    path = "/vats/default"
    records_field = "vatStatuses"
    access = Access(is_never_empty=True)
    primary_keys = ("company_id", "vat_status")
    schema = RecordSchema("VatStatusInfo")


class VatSettings(SingleCallStream):
    """Whether unit prices include VAT."""

    name = "vat_settings"
    path = "/vats/settings"
    primary_keys = ("company_id",)
    schema = RecordSchema("VatSettings")


class Currencies(ValuesStream):
    """Currency codes that Procountor knows."""

    name = "currencies"
    path = "/currencies"
    records_field = "currencies"
    primary_keys = ("company_id", "code")
    schema = ValueSchema(code=STRING)


class CompanyCurrency(SingleCallStream):
    """The currency in which the company keeps its books."""

    name = "company_currency"
    path = "/currencies/company"
    primary_keys = ("company_id",)
    schema = RecordSchema("CompanyCurrency")


class ExchangeRates(SingleCallStream):
    """Latest exchange rates of the company's currency, by type of rate."""

    name = "exchange_rates"
    path = "/currencies/latest"
    variants = tuple({"rateType": number} for number in _RATE_TYPES)
    primary_keys = ("company_id", "rate_type", "base_currency", "currency_code")
    schema = RecordSchema(
        "CurrencyRate",
        added={"rate_type": STRING, "base_currency": STRING, "currency_date": DATE},
    )

    def sources(self, answer: Any, params: Params) -> list[Source]:  # noqa: ANN401
        """Give each rate its type, and what the answer says of all of them."""
        common = {
            "rate_type": _RATE_TYPES[params["rateType"]],
            "base_currency": answer["baseCurrency"],
            "currency_date": answer.get("currencyDate"),
        }
        return [{**rate, **common} for rate in answer["rates"] or ()]
