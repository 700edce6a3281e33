"""The payroll: employees, salary slips, and what they depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_procountor.sandbox.books.collection import OneOf
from tap_procountor.sandbox.books.employees import of_owner
from tap_procountor.sandbox.errors import ApiError

from .declarations import (
    Call,
    Register,
    Single,
    any_of,
    equal,
    only_active_unless,
    since,
    text,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_procountor.sandbox.books.collection import Collection, Document, Json
    from tap_procountor.sandbox.company import Company

_FORBIDDEN = 403
_NOT_FOUND = 404

_RIGHTS = ("salaries.payroll",)
# The user of the key is nobody's employee: limited to its own salaries it sees none.
_OWN_ONLY = {"salaries.personalSalariesOnly": OneOf("id", frozenset())}
_PERSONAL = {"employees", "salary_slips"}


def _in_use(company: Company) -> bool:
    return company.payroll


REGISTERS = (
    Register(
        path="/payrolls/employees",
        name="employees",
        filters={
            "personNumber": text("personNumber"),
            "salaryChannel": text("salaryChannel"),
            "includeInactive": only_active_unless("active"),
        },
        rights=_RIGHTS,
        hidden=_OWN_ONLY,
        is_available=_in_use,
    ),
    Register(
        path="/payrolls/salaryslips",
        name="salary_slips",
        filters={
            "paydayStartDate": since("payday"),
            "paydayEndDate": until("payday"),
            "employeeName": text("employeeName"),
            "slipNumber": lambda values: any_of("number")(frozenset(map(int, values))),
            "status": any_of("status"),
        },
        rights=_RIGHTS,
        hidden=_OWN_ONLY,
        is_available=_in_use,
    ),
    Register(
        path="/payrolls/salarylists",
        name="salary_lists",
        filters={
            "paymentPeriodStart": since("start"),
            "paymentPeriodEnd": until("end"),
            "name": text("name"),
        },
        rights=_RIGHTS,
        hidden=_OWN_ONLY,
        is_available=_in_use,
    ),
    Register(
        path="/payrolls/salarytypes",
        name="salary_types",
        filters={
            "name": text("name"),
            "code": equal("id"),
            "category": equal("category"),
            "incomeType": text("incomeType"),
            "incomeTypeCode": equal("income_type"),
        },
        rights=_RIGHTS,
        is_available=_in_use,
    ),
)


def _collection(call: Call, name: str) -> Collection[Any]:
    if not _in_use(call.company):
        raise ApiError(_FORBIDDEN, "The module is not in use")
    return call.company.books.collection(name)


def _owned_documents(call: Call, name: str, owners: str) -> list[Document]:
    """Return what belongs to the document in the path, of which the user must know."""
    owner = int(call.path["id"]) if call.path["id"].isdecimal() else 0
    is_hidden = owners in _PERSONAL and not all(map(call.company.rights.allows, _OWN_ONLY))
    if is_hidden or _collection(call, owners).position(owner) is None:
        raise ApiError(_NOT_FOUND, "Not found")
    collection = _collection(call, name)
    return [collection.document(row) for row in of_owner(collection, owner)]


def _rows_of(name: str, owners: str = "employees") -> Callable[[Call], Json]:
    return lambda call: _owned_documents(call, name, owners)


def _one_of(name: str, owners: str = "employees") -> Callable[[Call], Json]:
    """Answer the only document of an owner; not all have one."""

    def answer(call: Call) -> Json:
        for document in _owned_documents(call, name, owners):
            return document
        raise ApiError(_NOT_FOUND, "Not found")

    return answer


def _row_of(name: str, parameter: str) -> Callable[[Call], Json]:
    """Answer one of the rows of an employee."""

    def answer(call: Call) -> Json:
        for document in _owned_documents(call, name, "employees"):
            if str(document["id"]) == call.path[parameter]:
                return document
        raise ApiError(_NOT_FOUND, "Not found")

    return answer


def _labor_union_settings(call: Call) -> Json:
    collection = _collection(call, "labor_union_settings")
    return [collection.document(row) for row in collection]


def _of_year(call: Call, name: str, year: int) -> list[Document]:
    collection = _collection(call, name)
    documents = [collection.document(row) for row in collection if row.year == year]
    if not documents:
        raise ApiError(_NOT_FOUND, "Not found")
    return documents


def _period_lists(call: Call) -> Json:
    return _of_year(call, "salary_period_lists", call.query["holidayCreditYear"])


def _basic_info(call: Call) -> Json:
    newest = max(_collection(call, "salaries_basic_info").ids)
    return _of_year(call, "salaries_basic_info", call.query.get("year", newest))[0]


_EMPLOYEE = "/payrolls/employees/{id}"
_INFO = f"{_EMPLOYEE}/salaryinfo"

SINGLES = tuple(
    Single(path, answer, _RIGHTS)
    for path, answer in (
        (_INFO, _one_of("salary_infos")),
        (f"{_EMPLOYEE}/salarybase", _one_of("salary_bases")),
        (f"{_EMPLOYEE}/holidaypay", _one_of("holiday_pays")),
        (f"{_EMPLOYEE}/workinghourreduction", _one_of("working_hour_reductions")),
        (f"{_INFO}/employments", _rows_of("employments")),
        (f"{_INFO}/employments/{{employmentId}}", _row_of("employments", "employmentId")),
        (f"{_INFO}/taxcards", _rows_of("tax_cards")),
        (f"{_INFO}/taxcards/{{taxCardId}}", _row_of("tax_cards", "taxCardId")),
        (f"{_INFO}/laborunionmemberships", _rows_of("labor_union_memberships")),
        (
            f"{_INFO}/laborunionmemberships/{{laborUnionMembershipId}}",
            _row_of("labor_union_memberships", "laborUnionMembershipId"),
        ),
        (
            "/payrolls/salaryslips/{id}/accounting",
            _one_of("salary_slip_accounting", "salary_slips"),
        ),
        ("/payrolls/salaryperiods", _period_lists),
        (
            "/payrolls/salaryperiods/{id}",
            _rows_of("salary_periods", "salary_period_lists"),
        ),
        ("/payrolls/salariesbasicinfo", _basic_info),
        ("/payrolls/laborunionsettings", _labor_union_settings),
    )
)
