"""Raw mappings against the dataclass that says what may be in them: every fault at once, with its line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import PlainValidator, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pydantic_core import ErrorDetails

    from newsletter.parsing.faults import Faults

T = TypeVar("T")
Loc = tuple[str | int, ...]


class FieldError(ValueError):
    """A value that its field does not take. The message goes on where the field's name ended."""

    def __init__(self, message: str, fix: str, rule: str = "field") -> None:
        super().__init__(message)
        self.fix = fix
        self.rule = rule


def validated(
    cls: type[T],
    raw: Mapping[str, object],
    faults: Faults,
    line: Callable[[Loc], int],
    *,
    unread: Collection[str] = (),
) -> T | None:
    """``raw`` as an instance of the dataclass ``cls``; None if anything is wrong, and then ``faults`` has all of it.

    ``line`` tells where in the file a value stands. Fields named in ``unread`` were there, but too broken to be in
    ``raw``: they are not called missing. A field's metadata ``example`` and ``hint`` are shown when it is missing.
    """

    def unknown(loc: Loc, names: Collection[str]) -> None:
        faults.block("field-unknown", line(loc), f'unknown field "{_name(loc)}"', _nearest(str(loc[-1]), names))

    known = _known_only(cls, raw, (), unknown)
    kind: type = cls
    try:
        value: T = _adapter(kind).validate_python(known)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            if not (_is_missing(fault) and fault["loc"][0] in unread):
                rule, message, fix = _told(cls, fault)
                faults.block(rule, line(fault["loc"]), f'"{_name(fault["loc"])}" {message}', fix)
        return None
    return value


def nearest(word: str, words: Collection[str]) -> str | None:
    """The one of ``words`` that somebody who wrote ``word`` most likely meant, whatever its case."""
    plain = {candidate.casefold(): candidate for candidate in words}
    found = get_close_matches(word.casefold(), plain, 1)
    return plain[found[0]] if found else None


def shown(value: str, most: int = 60) -> str:
    """What somebody wrote, quoted and no longer than a message bears."""
    return f'"{value if len(value) <= most else value[:most] + "…"}"'


@cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


@cache
def _inner(cls: type) -> dict[str, type | None]:
    """The names of a dataclass's fields, each with the dataclass that it holds as a mapping, if it does."""
    return {name: _dataclass_in(hint) for name, hint in get_type_hints(cls, include_extras=True).items()}


def _known_only(
    cls: type, raw: Mapping[str, object], loc: Loc, unknown: Callable[[Loc, Collection[str]], None]
) -> dict[str, object]:
    """``raw`` without names that ``cls``, or a dataclass inside it, does not have; each of them is reported."""
    inner = _inner(cls)
    kept = {}
    for name, value in raw.items():
        if name in inner:
            kept[name] = _descend(inner[name], value, (*loc, name), unknown)
        else:
            unknown((*loc, name), tuple(inner))
    return kept


def _descend(inner: type | None, value: object, loc: Loc, unknown: Callable[[Loc, Collection[str]], None]) -> object:
    if inner is None:
        return value
    if isinstance(value, Mapping):
        return _known_only(inner, value, loc, unknown)
    if isinstance(value, list):
        return [_descend(inner, item, (*loc, position), unknown) for position, item in enumerate(value)]
    return value


def _dataclass_in(hint: Any) -> type | None:
    """The dataclass that a field of this type holds as a mapping, if it does (a validator of its own reads scalars)."""
    if isinstance(hint, type) and is_dataclass(hint):
        return hint
    if get_origin(hint) is Annotated and any(isinstance(extra, PlainValidator) for extra in hint.__metadata__):
        return None
    return next((found for arg in get_args(hint) if (found := _dataclass_in(arg))), None)


def _nearest(name: str, names: Collection[str]) -> str:
    near = nearest(name, names)
    return f'did you mean "{near}"?' if near else "remove it, or move what it says to the text"


def _name(loc: Loc) -> str:
    """As an editor would say it: elsewhere[2].why."""
    text = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".")


def _is_missing(fault: ErrorDetails) -> bool:
    return fault["type"] == "missing"


def _told(cls: type, fault: ErrorDetails) -> tuple[str, str, str]:
    """Rule, message and fix for one of pydantic's errors."""
    cause = fault.get("ctx", {}).get("error")
    if isinstance(cause, FieldError):
        return cause.rule, str(cause), cause.fix
    name = str(fault["loc"][-1])
    if _is_missing(fault):
        rule = "tlp-missing" if name == "tlp" else "field-missing"
        return rule, "is missing or empty", f"add a line like {_example(cls, fault['loc'])}"
    if fault["type"] == "dataclass_type":
        return "field", "has fields of its own", "write them on lines of their own below it, indented by two blanks"
    if fault["type"] == "tuple_type":
        return "field", "is a list", "write it like [one, two], or one item a line, each after a hyphen"
    return "field", f"does not fit: {fault['msg']}", "compare it with a file that works"


def _example(cls: type, loc: Loc) -> str:
    name = str(loc[-1])
    for step in loc[:-1]:
        cls = (_inner(cls)[step] if isinstance(step, str) else cls) or cls
    metadata: Mapping[str, str] = next((f.metadata for f in fields(cls) if f.name == name), {})
    hint = f" ({metadata['hint']})" if "hint" in metadata else ""
    return f"`{name}: {metadata.get('example', '...')}`{hint}"
