"""The payroll: personal data, or of use only together with it; users must select each stream."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Raw

from tap_procountor.errors import none_if_unknown
from tap_procountor.permissions.access import Access
from tap_procountor.readers.batch import Batch
from tap_procountor.readers.completer import DetailBatches, DetailEach
from tap_procountor.readers.list_page import records_in
from tap_procountor.readers.lister import ListAtOnce, Lister, WholePage
from tap_procountor.readers.numbered import Numbered
from tap_procountor.readers.owned_rows import RowsOfOwner
from tap_procountor.records.rejection import as_text
from tap_procountor.records.schema import INTEGER, STRING, RecordSchema
from tap_procountor.streams.base.full_table import FullListStream, FullTableStream, SingleCallStream
from tap_procountor.streams.base.rows import RowStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.api.company import Company

_SETTINGS = Access(any_of=("salaries.payroll",), module="payroll")
_SALARIES = Access(
    any_of=("salaries.payroll",), limits=("salaries.personalSalariesOnly",), module="payroll"
)

#: The lists have no ``previousId``: rows created while they are read must come last.
_BY_ID = {"orderById": "ASC"}


def _of_employee(rows_path: str) -> RowsOfOwner:
    """Declare rows of employees; an employee without any is answered 404, as an unknown one."""
    return RowsOfOwner(rows_path, {"employee_id": "id"}, may_have_none=True)


class _PeriodListsOfYears(ListAtOnce):
    """Lists of salary periods, which the API gives by year."""

    def whole(self) -> WholePage:
        """Ask for the lists of each year; one that spans several years counts once."""
        answers = _by_year(self.company, self.path, "holidayCreditYear")
        lists = {one["id"]: Raw(as_text(one)) for _, answer in answers for one in answer}
        return WholePage(lists)


class _PeriodLists(Lister):
    """Declares them."""

    list_type = _PeriodListsOfYears


class _SalaryList(FullListStream):
    """A list of what only those who do the payroll may see."""

    access = _SALARIES
    selected_by_default = False


class Employees(_SalaryList):
    """Employees, inactive ones included, with identity code and address."""

    name = "employees"
    lister = Numbered("/payrolls/employees", {"includeInactive": "true", **_BY_ID})
    schema = RecordSchema("Employee")


class _OfEmployees(_SalaryList):
    """What is known of each employee, at a request each."""

    lister = Employees.lister
    primary_keys: ClassVar[tuple[str, ...]] = ("company_id", "employee_id")


class EmployeeSalaryInfo(_OfEmployees):
    """The basis of each employee's salary, insurances and taxes; one row per employee."""

    name = "employee_salary_info"
    completer = _of_employee("/payrolls/employees/{id}/salaryinfo")
    schema = RecordSchema("SalaryInfo")


class EmployeeSalaryBases(_OfEmployees):
    """What each employee's salary slips start with; at most one row per employee."""

    name = "employee_salary_bases"
    completer = _of_employee("/payrolls/employees/{id}/salarybase")
    schema = RecordSchema("SalaryBase")


class HolidayPays(_OfEmployees):
    """Remaining holidays and holiday pay; at most one row per employee."""

    name = "holiday_pays"
    completer = _of_employee("/payrolls/employees/{id}/holidaypay")
    schema = RecordSchema("HolidayPay", added={"employee_id": INTEGER})


class WorkingHourReductions(_OfEmployees):
    """Remaining working hour reductions; at most one row per employee."""

    name = "working_hour_reductions"
    completer = _of_employee("/payrolls/employees/{id}/workinghourreduction")
    schema = RecordSchema("WorkingHourReduction", added={"employee_id": INTEGER})


class Employments(_OfEmployees):
    """Employments: periods, types and hours."""

    name = "employments"
    completer = _of_employee("/payrolls/employees/{id}/salaryinfo/employments")
    primary_keys = ("company_id", "employee_id", "id")
    schema = RecordSchema("Employment", added={"employee_id": INTEGER})


class TaxCards(_OfEmployees):
    """Tax cards of the employees."""

    name = "tax_cards"
    completer = _of_employee("/payrolls/employees/{id}/salaryinfo/taxcards")
    primary_keys = ("company_id", "employee_id", "id")
    schema = RecordSchema("TaxCard", added={"employee_id": INTEGER})


class LaborUnionMemberships(_OfEmployees):
    """Labour union memberships, a special category of personal data."""

    name = "labor_union_memberships"
    completer = _of_employee("/payrolls/employees/{id}/salaryinfo/laborunionmemberships")
    primary_keys = ("company_id", "employee_id", "id")
    schema = RecordSchema("LaborUnionMembership", added={"employee_id": INTEGER})


class SalarySlips(_SalaryList):
    """Salary slips with their rows and sums."""

    name = "salary_slips"
    lister = Numbered("/payrolls/salaryslips", _BY_ID)
    completer = DetailBatches()
    schema = RecordSchema("SalarySlipBasicData", "SalarySlip")


class SalarySlipRows(RowStream):
    """Rows of the salary slips."""

    name = "salary_slip_rows"
    owners = (SalarySlips,)
    field = "rows"
    owner_fields = {"salary_slip_id": "id", "employee_id": "employee_id"}
    primary_keys = ("company_id", "salary_slip_id", "id")
    selected_by_default = False
    schema = RecordSchema(
        "SalarySlipRow", added={"salary_slip_id": INTEGER, "employee_id": INTEGER}
    )


class SalarySlipAccounting(_SalaryList):
    """How each salary slip is posted to the ledger; costs a request per slip."""

    name = "salary_slip_accounting"
    lister = SalarySlips.lister
    completer = RowsOfOwner("/payrolls/salaryslips/{id}/accounting", {"salary_slip_id": "id"})
    primary_keys = ("company_id", "salary_slip_id")
    schema = RecordSchema("SalarySlipAccounting", added={"salary_slip_id": INTEGER})


class SalarySlipTransactions(RowStream):
    """Ledger transactions of the salary slips, which sum to zero per slip."""

    name = "salary_slip_transactions"
    owners = (SalarySlipAccounting,)
    field = "transactions"
    owner_fields = {"salary_slip_id": "salary_slip_id"}
    primary_keys = ("company_id", "salary_slip_id", "id")
    selected_by_default = False
    schema = RecordSchema("SalarySlipTransaction", added={"salary_slip_id": INTEGER})


class SalaryLists(_SalaryList):
    """Salary lists: the slips prepared together for a payment period."""

    name = "salary_lists"
    lister = Numbered("/payrolls/salarylists", _BY_ID)
    completer = DetailEach()
    schema = RecordSchema("SalaryListBasicData", "SalaryList")


class SalaryListSlips(RowStream):
    """Which salary slips belong to which list; the slips themselves do not say."""

    name = "salary_list_slips"
    owners = (SalaryLists,)
    field = "salary_slips"
    owner_fields = {"salary_list_id": "id"}
    primary_keys = ("company_id", "salary_list_id", "id")
    selected_by_default = False
    schema = RecordSchema("SalarySlipBasicData", added={"salary_list_id": INTEGER})


class SalaryTypes(FullListStream):
    """Salary types, identified by their code."""

    name = "salary_types"
    lister = Numbered("/payrolls/salarytypes", {"orderByCode": "ASC"}, key="code")
    primary_keys = ("company_id", "code")
    access = _SETTINGS
    selected_by_default = False
    schema = RecordSchema("SalaryType")


class SalaryPeriods(FullListStream):
    """Salary periods, and the list each belongs to."""

    name = "salary_periods"
    lister = _PeriodLists("/payrolls/salaryperiods")
    completer = RowsOfOwner(
        "/payrolls/salaryperiods/{id}",
        {"salary_period_list_id": "id", "salary_period_list_name": "name"},
    )
    primary_keys = ("company_id", "salary_period_list_id", "id")
    access = _SETTINGS
    selected_by_default = False
    schema = RecordSchema(
        "SalaryPeriod",
        added={"salary_period_list_id": INTEGER, "salary_period_list_name": STRING},
    )


class LaborUnionSettings(SingleCallStream):
    """Labour unions that employees can belong to."""

    name = "labor_union_settings"
    path = "/payrolls/laborunionsettings"
    access = _SETTINGS
    selected_by_default = False
    schema = RecordSchema("LaborUnionSettingsBasicData")


class SalariesBasicInfo(FullTableStream):
    """Payroll parameters of each year: contributions, working hours, insurances."""

    name = "salaries_basic_info"
    path = "/payrolls/salariesbasicinfo"
    primary_keys = ("company_id", "year")
    access = _SETTINGS
    selected_by_default = False
    schema = RecordSchema("SalariesBasicInfo", added={"year": INTEGER})

    def read(self, company: Company) -> Iterator[Batch]:
        for year, answer in _by_year(company, self.path, "year"):
            yield Batch([answer | {"year": year}])


def _by_year(company: Company, path: str, parameter: str) -> Iterator[tuple[int, Any]]:
    """Ask for each year of the books and the next; a year without data is answered 404."""
    for year in _years(company):
        with none_if_unknown():
            yield year, company.get(path, {parameter: year})


def _years(company: Company) -> range:
    """Return the years of the books, this year and the next, into which holidays reach."""
    answer = company.get("/fiscalyears")
    fiscal_years = records_in(answer, "fiscalYears", "/fiscalyears")
    days = [day for one in fiscal_years for day in (one.get("startDate"), one.get("endDate"))]
    years = {company.opened.year, *(date.fromisoformat(day).year for day in days if day)}
    return range(min(years), max(years) + 2)
