"""What an operation of the JSON API is, and the OpenAPI 3.1 document that a tuple of them makes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter

from newsletter import __version__
from newsletter.model import Scope
from newsletter.web.bodies import ONE_OF, adapter
from newsletter.web.problems import (
    ACCEPT,
    BUG,
    INVALID,
    KINDS,
    LARGE,
    MEDIA,
    MEDIA_TYPE,
    NOT_JSON,
    SCOPE,
    SLOW,
    WHO,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from newsletter.web.bodies import Publication
    from newsletter.web.problems import (
        Kind,
    )

JSON: Final = "application/json"
PORTAL: Final = "portal"
SCHEMAS: Final = "#/components/schemas/"
DESCRIPTION: Final = """\
For an organisation's own portal. What one asks for with the scope `signup` is decided later, and told to the owner of
the address alone: the answer is the same for every address. Problems are RFC 9457."""

PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "The kind: a part of this document."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901; empty for the whole body."},
                    "detail": {"type": "string"},
                },
            },
        },
        "reference": {"type": "string", "description": "What to tell us of a fault of ours."},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One operation. ``answer`` gets a call and returns a ``returns``; without ``scope`` it is open to everybody.

    ``leads_to`` names operations that make sense for the same address afterwards.
    """

    id: str
    method: str
    path: str
    summary: str
    answer: Callable[[Any], Any]
    returns: Any
    status: int = HTTPStatus.OK
    scope: Scope | None = None
    body: type | None = None
    errors: tuple[Kind, ...] = field(default=())
    leads_to: tuple[str, ...] = field(default=())

    @property
    def problems(self) -> tuple[Kind, ...]:
        """Every problem that a request for it can meet."""
        asked = (WHO, SCOPE) if self.scope else ()
        sent = (NOT_JSON, SLOW, LARGE, MEDIA, INVALID) if self.body else ()
        return (*asked, *sent, ACCEPT, *self.errors, BUG)


def document(operations: Sequence[Op], offer: Publication, base_url: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    kinds = [(op.body, "validation") for op in operations if op.body]
    kinds += [(op.returns, "serialization") for op in operations]
    inputs: Any = [(kind, mode, adapter(kind)) for kind, mode in kinds]
    refs, defined = TypeAdapter.json_schemas(inputs, ref_template=SCHEMAS + "{model}")
    paths: dict[str, dict[str, Any]] = {}
    for op in operations:
        paths.setdefault(op.path, {})[op.method.lower()] = _operation(op, refs)
    return {
        "openapi": "3.1.1",
        "info": {"title": f"{offer.name}: subscription", "version": __version__, "description": DESCRIPTION},
        "servers": [{"url": base_url.rstrip("/")}],
        "paths": paths,
        "components": {
            "schemas": _with_values(_used(paths, defined["$defs"]), offer) | {"Problem": PROBLEM},
            "responses": {kind.name: _problem(kind) for kind in KINDS},
            "securitySchemes": {
                PORTAL: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"From `newsletter portals add`; it has some of the scopes {', '.join(Scope)}.",
                }
            },
        },
    }


def _operation(op: Op, refs: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": (op.returns.__doc__ if isinstance(op.returns, type) else None) or HTTPStatus(op.status).phrase,
        "content": {JSON: {"schema": refs[op.returns, "serialization"]}},
    }
    if op.leads_to:
        body = {"address": "$request.body#/address"}
        answer["links"] = {name: {"operationId": name, "requestBody": body} for name in op.leads_to}
    described: dict[str, Any] = {
        "operationId": op.id,
        "summary": op.summary,
        "security": [{PORTAL: [op.scope.value]}] if op.scope else [],
        "responses": {str(int(op.status)): answer} | _problems(op.problems),
    }
    if op.body:
        content = {JSON: {"schema": refs[op.body, "validation"]}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _problems(kinds: Iterable[Kind]) -> dict[str, Any]:
    return {str(kind.status): {"$ref": f"#/components/responses/{kind.name}"} for kind in kinds}


def _problem(kind: Kind) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": kind.title,
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"{SCHEMAS}Problem"}}},
    }
    if kind.headers:
        answer["headers"] = {name: {"required": True, "schema": {"type": "string"}} for name in kind.headers}
    return answer


def _used(paths: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """Without what only our own types need: pydantic defines those too, and nothing refers to them."""
    text = json.dumps([paths, schemas])
    return {name: schema for name, schema in schemas.items() if f'"{SCHEMAS}{name}"' in text}


def _with_values(schema: Any, offer: Publication) -> Any:
    """The schema with the site's own values where one of them is asked for."""
    if isinstance(schema, list):
        return [_with_values(item, offer) for item in schema]
    if not isinstance(schema, dict):
        return schema
    filled = {key: _with_values(value, offer) for key, value in schema.items() if key != ONE_OF}
    if ONE_OF in schema:
        filled["enum"] = list(getattr(offer, schema[ONE_OF]))
    return filled
