"""What is made from the specification by seed, where nobody has written documents."""

from __future__ import annotations

from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator
from sandbox_client import Json, running
from test_sandbox_conformance import FORMATS, SCHEMAS, tolerant, without_unknown

from tap_procountor.sandbox.books.randomness import Seed
from tap_procountor.sandbox.made import Maker
from tap_procountor.sandbox.resources import RESOURCES, Resource
from tap_procountor.sandbox.spec import Shape, load_spec

SPEC = load_spec()

#: Its lists have the ids of people where the details have the people: that takes a summary.
OTHER_IN_LISTS = {"verifier_lists"}


def check(schema: Json, document: Json) -> None:
    validator = Draft202012Validator({**tolerant(schema), **SCHEMAS}, format_checker=FORMATS)
    validator.validate(without_unknown(document))


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.name)
def test_documents_of_every_resource_can_be_made_and_conform(resource: Resource) -> None:
    resource = replace(resource, data=None, count=30)
    detail_path = SPEC.detail_path(resource.path) if resource.has_details else None
    shape = Shape(SPEC, resource.path, detail_path)
    collection = Maker(SPEC, resource, Seed(1, 1)).collection()
    for row in collection:
        if resource.name not in OTHER_IN_LISTS:
            check(SPEC.listing(resource.path).component, shape.row(collection.document(row)))
        if detail_path:
            check(SPEC.answer_schema(detail_path), shape.detail(collection.document(row)))


def test_the_same_seed_makes_the_same_documents_and_each_company_its_own() -> None:
    found = []
    for seed in (1, 1, 2):
        with running(invoices=10, companies=2, seed=seed) as (sandbox, _):
            found += [[one.truth("factoring_contracts") for one in sandbox.companies]]
    assert found[0] == found[1] != found[2]
    assert found[0][0] != found[0][1]


def test_made_documents_are_edited_deleted_and_listed_like_others() -> None:
    with running(invoices=10) as (sandbox, client):
        company = sandbox.companies[0]
        path = "/factoringcontracts"
        first, second, third = company.truth("factoring_contracts")
        company.edit("factoring_contracts", first["id"], {"contractNumber": "uusi"})
        company.delete("factoring_contracts", third["id"])
        edited, kept = client.json(path)["results"]
        assert (edited["id"], edited["contractNumber"]) == (first["id"], "uusi")
        assert kept == second
        assert client.json(path, size=1, page=1)["results"] == [second]


def test_the_truth_names_the_owner_of_what_belongs_to_one() -> None:
    with running(invoices=10) as (sandbox, client):
        company = sandbox.companies[0]
        for owner in company.truth("employees"):
            path = f"/payrolls/employees/{owner['id']}/salaryinfo/taxcards"
            cards = [one for one in company.truth("tax_cards") if one["employeeId"] == owner["id"]]
            assert [{"employeeId": owner["id"]} | one for one in client.json(path)] == cards
