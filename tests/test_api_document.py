"""The OpenAPI document is true: it names all that there is, and schemathesis finds nothing beyond it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from newsletter.web.api import OPERATIONS, routes
from newsletter.web.problems import AREA, DOCUMENT, KINDS
from tests.support.portal import Portal, a_portal, told
from tests.support.webserver import ask

ROOT = Path(__file__).parent.parent
MANY = {f"NEWSLETTER_SUBSCRIBERS_{name}_HOUR": "1000000" for name in ("PER_PORTAL", "SURGE")}
ROBIN = "robin@example.org"  # the document's example
SEED = "1"


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """Without audiences: whom they are open to is a rule over two fields, which no schema says."""
    with a_portal(tmp_path_factory.mktemp("portal") / "site", **MANY) as made:
        made.subscribed(ROBIN)
        yield made


@pytest.fixture(scope="module")
def document(portal: Portal) -> dict[str, Any]:
    answer = ask(portal.at + DOCUMENT)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    found: dict[str, Any] = told(answer)
    return found


def strings(value: Any) -> Iterator[tuple[str, str]]:
    """Every string of a document, with its key."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, str):
            yield str(key), inner
        elif isinstance(inner, dict | list):
            yield from strings(inner)


def test_the_document_is_openapi_31(document: dict[str, Any]) -> None:
    """By the specification's own schema, examples and references included."""
    assert document["openapi"].startswith("3.1.")
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_everything_that_answers_is_documented_and_everything_documented_answers(
    portal: Portal, document: dict[str, Any]
) -> None:
    served = {route.path for route in routes(portal.app) if isinstance(route, Route)}
    assert served == {*document["paths"], AREA + "{rest:path}"}
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(op.method, op.path) for op in OPERATIONS}
    for method, path in described:
        assert portal.call(method, path.removeprefix("/api/v1/"), {}).status != 404


def test_only_the_document_is_open_to_everybody(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for described in methods.values():
            assert bool(described["security"]) is (path != DOCUMENT)


def test_every_reference_and_every_kind_of_problem_leads_somewhere(document: dict[str, Any]) -> None:
    """Nothing is defined in vain either, but for problems that come before an operation."""
    references = {text for key, text in strings(document) if key == "$ref"}
    for reference in references:
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    assert set(document["components"]["responses"]) == {kind.name for kind in KINDS}
    assert {f"#/components/schemas/{name}" for name in document["components"]["schemas"]} <= references


def test_the_handbook_shows_every_operation(document: dict[str, Any]) -> None:
    """docs/api.md has a line of curl for each, and names each problem."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert [path for path in document["paths"] if f'"$SITE{path}"' not in text] == []
    assert [kind.name for kind in KINDS if f"`{kind.name}`" not in text] == []


def test_the_handbook_shows_what_a_publication_says(portal: Portal) -> None:
    """Whoever copies an example sends the sentence and the form that this version shows."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    shown = json.loads(text.split("```json\n")[1].partition("```")[0])
    said = told(portal.call("GET", "publication"))
    shown["consent"]["fr"] = said["consent"]["fr"]  # left out for its length
    assert shown == said
    example = json.loads(text.partition("api/v1/signups")[2].partition("-d '")[2].partition("'")[0])
    assert example["consent"] == said["consent"]["en"]


# --- schemathesis ------------------------------------------------------------------------------------------------


def schemathesis(folder: Path, portal: Portal, location: str, *options: str, stateful: int) -> tuple[int, str]:
    """Let it loose; its exit code, and what it said."""
    (folder / "schemathesis.toml").write_text(f"[phases.stateful.generation]\nmax-examples = {stateful}\n")
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--no-color", "run", location),
        *("--header", f"Authorization: Bearer {portal.token}"),
        *("--seed", SEED, "--generation-database", "none", "--report", "ndjson", "--report-ndjson-path", "events"),
        *options,
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def served_well(events: Path) -> set[str]:
    """The paths that answered at least once with 2xx, as the report tells."""
    found = set()
    for line in events.read_text(encoding="utf-8").splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for exchange in recorder.get("interactions", {}).values():
            response = exchange["response"]
            if response and 200 <= response["status_code"] < 300:
                found.add(urlsplit(exchange["request"]["uri"]).path)
    return found


@pytest.mark.slow
def test_schemathesis_finds_no_failure(tmp_path: Path, portal: Portal) -> None:
    """All its checks in all four phases: examples, coverage, fuzzing, and sequences along the document's links."""
    code, said = schemathesis(
        tmp_path,
        portal,
        portal.at + DOCUMENT,
        "--origin",
        portal.at,
        "--max-examples",
        "25",
        stateful=5,
    )
    assert code == 0, said
    assert said.count("✅") >= 10, said
    assert served_well(tmp_path / "events") >= {op.path for op in OPERATIONS if op.scope}


@pytest.mark.slow
def test_schemathesis_notices_a_document_that_is_not_true(
    tmp_path: Path, portal: Portal, document: dict[str, Any]
) -> None:
    """So that its silence means something."""
    false = json.loads(json.dumps(document))
    false["components"]["schemas"]["Subscription"]["properties"]["state"] = {"type": "integer"}
    del false["paths"]["/api/v1/publication"]["get"]["responses"]["200"]
    (tmp_path / "false.json").write_text(json.dumps(false))
    only = ("--phases", "coverage", "--include-path-regex", "publication|lookups")
    code, said = schemathesis(tmp_path, portal, "false.json", "--url", portal.at, *only, stateful=1)
    assert code == 1, said
    assert "Undocumented status code" in said
    assert "Response violates schema" in said
