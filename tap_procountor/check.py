"""``--test``: ask each selected stream of each company for as little as possible."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from tap_procountor.errors import ForbiddenError, IncompleteError, ProcountorError
from tap_procountor.output.messages import say
from tap_procountor.permissions.access import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.api.company import Company
    from tap_procountor.run import Run
    from tap_procountor.streams.base.read import ReadStream


def test_connection(run: Run) -> None:
    """Print what each selected stream of each company lets the key's user read.

    Raises:
        ProcountorError: If no key opens a company, or if a stream cannot be read in full.
    """
    context = run.context
    run.check_settings()

    def find(part: tuple[Company, ReadStream]) -> Finding:
        company, stream = part
        rights = context.rights_of(company)
        try:
            is_empty = stream.is_empty(company)
        except ForbiddenError as refusal:
            return stream.access.refused(rights, str(refusal))
        except ProcountorError as fault:
            return Finding(Verdict.FAILED, str(fault))
        return stream.access.judge(rights, is_empty=is_empty)

    try:
        run.open_companies()
        run.examine()
        parts = list(product(context.companies.values(), run.streams()))
        findings = list(context.client.threads.map(find, parts))
    finally:
        context.client.close()
    found = list(zip(parts, findings, strict=True))
    for company in context.companies.values():
        own = {stream.name: finding for (of, stream), finding in found if of is company}
        say("\n".join(_table(company, own)))
    count = sum(finding.is_short for finding in findings) + len(context.report.failures)
    if count:
        msg = f"{count} of the selected streams or companies cannot be read in full; see above."
        raise IncompleteError(msg)


def _table(company: Company, findings: dict[str, Finding]) -> Iterator[str]:
    width = max(map(len, findings), default=0)
    yield f"Company {company.id}: {company.name}"
    for stream, finding in findings.items():
        verdict = f"{finding.verdict:<{max(map(len, Verdict))}}"
        yield f"  {stream:<{width}}  {verdict}  {finding.advice or ''}".rstrip()
