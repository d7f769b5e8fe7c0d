"""What the JSON API takes and gives, and how a body becomes one of them: bounded, strict, every fault at once."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)

from newsletter.model import PUBLIC, Address, Format, Language, SubscriberState
from newsletter.parsing import parse_address
from newsletter.parsing.address import MAX_ADDRESS, MAX_LOCAL_PART
from newsletter.web.problems import INVALID, NOT_JSON, Fault, ProblemError

MAX_WORDS: Final = 1_000
MAX_FORM: Final = 100
MAX_FAULTS: Final = 50
ONE_OF: Final = "x-one-of"  # the document puts the site's own values in its place

# What parse_address takes, so exactly that a program can tell beforehand; other scripts' domains come as A-labels.
ATOM: Final = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL: Final = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
MAILBOX: Final = rf"^{ATOM}(?:\.{ATOM})*@(?:{LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?$"
SHORT_LOCAL_PART: Final = rf"^[^@]{{1,{MAX_LOCAL_PART}}}@"
VISIBLE: Final = r"^[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
NO_ADDRESS: Final = (
    "is no address that we can deliver to; write it bare, like reader@example.org, its domain in ASCII (xn--...)"
)

READ_STRICTLY: Final = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class OfferedAudience:
    """An audience; the addresses in ``domains`` may choose it by themselves, the public one everybody."""

    name: str
    title: dict[Language, str]
    domains: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OfferedConsent:
    """The sentence that somebody agrees to, and the version of the form that it belongs to."""

    words: str
    form: str


@dataclass(frozen=True, slots=True)
class Publication:
    """What a portal has to show: languages, formats and audiences to choose from, the sentence of consent in each."""

    name: str
    languages: tuple[Language, ...]
    formats: tuple[Format, ...]
    audiences: tuple[OfferedAudience, ...]
    consent: dict[Language, OfferedConsent]

    @property
    def audience_names(self) -> tuple[str, ...]:
        """The audiences' names."""
        return tuple(audience.name for audience in self.audiences)


def _mailbox(value: object) -> Address:
    if not isinstance(value, str):
        raise ValueError("must be a string")  # noqa: TRY004  # pydantic collects ValueErrors
    if len(value) > MAX_ADDRESS or not (re.fullmatch(MAILBOX, value) and re.match(SHORT_LOCAL_PART, value)):
        raise ValueError(NO_ADDRESS)
    return parse_address(value)


def _one_of(offered: str) -> AfterValidator:
    def check(value: str, info: ValidationInfo) -> str:
        known = getattr(info.context, offered)
        if value not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return value

    return AfterValidator(check)


def _enumerated(offered: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", ONE_OF: offered})


Mailbox = Annotated[
    Address,
    PlainValidator(_mailbox),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": MAX_ADDRESS,
            "pattern": MAILBOX,
            "allOf": [{"pattern": SHORT_LOCAL_PART}],
            "examples": ["robin@example.org"],
        }
    ),
]
OurLanguage = Annotated[Language, _one_of("languages"), _enumerated("languages")]
OurAudience = Annotated[str, _one_of("audience_names"), _enumerated("audience_names")]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenConsent:
    """The sentence as it stood before whoever agreed, and the version of the form: kept as evidence."""

    __pydantic_config__: ClassVar = READ_STRICTLY

    words: Annotated[str, Field(max_length=MAX_WORDS, pattern=VISIBLE, examples=["Send me the report."])]
    form: Annotated[str, Field(max_length=MAX_FORM, pattern=VISIBLE, examples=["2026-11"])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signup:
    """Somebody wants to subscribe."""

    __pydantic_config__: ClassVar = READ_STRICTLY

    address: Mailbox
    language: OurLanguage
    consent: GivenConsent
    format: Format = Format.HTML
    audience: OurAudience = PUBLIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whom it is about."""

    __pydantic_config__: ClassVar = READ_STRICTLY

    address: Mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What somebody chose anew; what is left out stays as it is."""

    __pydantic_config__: ClassVar = READ_STRICTLY

    address: Mailbox
    language: OurLanguage | None = None
    format: Format | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """We have it. What is done about it reaches the owner of the address by mail, and nobody else."""

    accepted: Literal[True]


@dataclass(frozen=True, slots=True)
class Subscription:
    """What somebody gets."""

    state: SubscriberState
    language: str
    format: Format
    audience: str
    paused_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribed:
    """Nothing is sent to this address any more, whether or not anything was."""

    subscribed: Literal[False]


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """Pydantic's reader and writer of a type."""
    return TypeAdapter(kind)


def read(raw: bytes, kind: type, offer: Publication) -> Any:
    """A request's body as ``kind``. ProblemError: it is not JSON, or has faults (all of them are named)."""
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_without_repeats, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()  # no lone surrogate, which no database takes
    except RecursionError:
        raise ProblemError(NOT_JSON, "it is nested too deeply") from None
    except ValueError as error:  # UnicodeError and JSONDecodeError are
        raise ProblemError(NOT_JSON, _why(error)) from None
    try:
        return adapter(kind).validate_python(value, context=offer)
    except ValidationError as error:
        faults = [_fault(one) for one in error.errors(include_url=False, include_input=False)[:MAX_FAULTS]]
        raise ProblemError(INVALID, "nothing was done", faults=faults) from None


def pointer(steps: Sequence[str | int]) -> str:
    """RFC 6901: /consent/words."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _fault(error: Any) -> Fault:
    cause = error.get("ctx", {}).get("error")
    where = pointer(error["loc"])
    if error["type"] == "missing":
        return Fault(where, "is required")
    if error["type"] == "unexpected_keyword_argument":
        return Fault(where, "is no field that we know; leave it out")
    if error["type"] == "dataclass_type":
        return Fault(where, "must be an object")
    if error["type"] == "string_pattern_mismatch":
        return Fault(where, "must be one line of text, and not begin with a blank")
    return Fault(where, str(cause) if cause else error["msg"])


def _why(error: ValueError) -> str:
    """Where it stopped being JSON; never what stood there."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, UnicodeEncodeError):
        return "a string holds half of a surrogate pair"
    return str(error)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("an object names a field twice")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")
