"""``--test``: ask each selected stream of each company for as little as possible."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from tap_procountor.errors import ForbiddenError, IncompleteError, ProcountorError
from tap_procountor.output.messages import say
from tap_procountor.permissions.access import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tap_procountor.api.company import Company
    from tap_procountor.api.workers import RequestThreads
    from tap_procountor.permissions.rights import Rights
    from tap_procountor.run import Run
    from tap_procountor.streams.base.read import ReadStream

Findings = dict[tuple[int, str], Finding]


def test_connection(run: Run) -> None:
    """Look at every selected stream of every company, and print what can be read.

    Raises:
        ProcountorError: If no key opens a company, or if a stream cannot be read in full.
    """
    context = run.context
    run.check_settings()
    try:
        run.open_companies()
        run.examine()
        companies = context.companies.values()
        rights = {company.id: context.rights_of(company) for company in companies}
        findings = look(companies, run.streams(), rights, context.client.threads)
    finally:
        context.client.close()
    for company in companies:
        say("\n".join(table(company, findings)))
    count = sum(finding.is_short for finding in findings.values()) + len(context.report.failures)
    if count:
        msg = f"{count} of the selected streams or companies cannot be read in full; see above."
        raise IncompleteError(msg)


def look(
    companies: Collection[Company],
    streams: Collection[ReadStream],
    rights: dict[int, Rights],
    threads: RequestThreads,
) -> Findings:
    """Ask every stream of every company for as little as possible.

    Args:
        companies: The companies.
        streams: The streams.
        rights: The users' rights by company.
        threads: They ask several at once.

    Returns:
        What was found, by company and stream.
    """

    def one(part: tuple[Company, ReadStream]) -> Finding:
        company, stream = part
        return _finding(stream, company, rights[company.id])

    parts = list(product(companies, streams))
    names = [(company.id, stream.name) for company, stream in parts]
    return dict(zip(names, threads.map(one, parts), strict=True))


def table(company: Company, findings: Findings) -> Iterator[str]:
    """Yield the lines of a company's table."""
    own = {stream: found for (number, stream), found in findings.items() if number == company.id}
    width = max(map(len, own), default=0)
    yield f"Company {company.id}: {company.name}"
    for stream, finding in own.items():
        verdict = f"{finding.verdict:<{max(map(len, Verdict))}}"
        yield f"  {stream:<{width}}  {verdict}  {finding.advice or ''}".rstrip()


def _finding(stream: ReadStream, company: Company, rights: Rights) -> Finding:
    try:
        is_empty = stream.is_empty(company)
    except ForbiddenError as refusal:
        return stream.access.refused(rights, str(refusal))
    except ProcountorError as fault:
        return Finding(Verdict.FAILED, str(fault))
    return stream.access.judge(rights, is_empty=is_empty)
