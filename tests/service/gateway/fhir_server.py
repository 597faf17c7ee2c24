"""A small FHIR server (R4): reads and searches what it was given, and takes transactions of conditional creates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.service.gateway.http_server import Reply, Request, serving

Json = dict[str, Any]


@dataclass
class FhirServer:
    """What it holds, what it was asked, and what is wrong with it."""

    resources: list[Json] = field(default_factory=list)
    created: list[Json] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    problem: Reply | None = None
    answer_to: dict[str, list[Json]] = field(default_factory=dict)  # by type: what is found whatever is searched for
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/r4"

    def answer(self, request: Request) -> Reply:
        self.asked.append(f"{request.method} {request.target}")
        if self.problem is not None:
            return self.problem
        if request.method == "POST":
            return told(self._transaction(json.loads(request.body)))
        kind, _, identifier = request.path.removeprefix("/r4/").partition("/")
        if identifier:
            found = [each for each in self.resources if (each["resourceType"], each["id"]) == (kind, identifier)]
            return told(found[0]) if found else told({"resourceType": "OperationOutcome"}, 404)
        of_kind = [each for each in self.resources if each["resourceType"] == kind]
        fitting = [each for each in of_kind if all(self._fits(each, *pair) for pair in request.query.items())]
        found = self.answer_to.get(kind, fitting)
        return told({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in found]})

    def _fits(self, resource: Json, name: str, value: str) -> bool:
        if name == "identifier":
            return any(f"{each['system']}|{each['value']}" == value for each in resource["identifier"])
        if name == "code":
            return any(f"{each['system']}|{each['code']}" == value for each in resource["code"]["coding"])
        if name == "patient":
            return resource["subject"]["reference"] == f"Patient/{value}"
        return name in {"_sort", "_count"}

    def _transaction(self, bundle: Json) -> Json:
        assert bundle["type"] == "transaction"
        responses = [{"response": self._create(each)} for each in bundle["entry"]]
        return {"resourceType": "Bundle", "type": "transaction-response", "entry": responses}

    def _create(self, entry: Json) -> Json:
        condition = entry["request"]["ifNoneExist"].removeprefix("identifier=")
        if any(self._fits(each, "identifier", condition) for each in self.created):
            return {"status": "200 OK"}
        self.created.append(entry["resource"])
        return {"status": "201 Created"}


def told(resource: Json, status: int = 200) -> Reply:
    return Reply(status, json.dumps(resource).encode(), {"Content-Type": "application/fhir+json"})


def outcome(status: int, *codes: str, severity: str = "error") -> Reply:
    return told({"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code} for code in codes]}, status)


@contextmanager
def fhir_server(*resources: Json) -> Iterator[FhirServer]:
    server = FhirServer(list(resources))
    with serving(server.answer) as server.port:
        yield server
