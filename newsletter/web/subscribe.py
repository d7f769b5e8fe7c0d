"""The two forms that anybody may send for any address: to join, and to be mailed the link to one's preferences.

Neither looks at who is on the list (``subscriptions.intake``): every address gets the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException

from newsletter import subscriptions
from newsletter.model import PUBLIC, Format, Language, Purpose, Wish
from newsletter.subscriptions import Asked
from newsletter.subscriptions.intake import HOUR
from newsletter.subscriptions.joining import admission_to
from newsletter.subscriptions.limits import SEND
from newsletter.subscriptions.links import LIVES
from newsletter.web import forms
from newsletter.web.consent import FORM, consent_words
from newsletter.web.limits import network
from newsletter.web.reception import PREFERENCES, SUBSCRIBE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from newsletter.web.reception import Reception

SENT: Final = "sent/"


@dataclass(frozen=True, slots=True)
class Choices:
    """What the form asks beside the address."""

    language: Language
    format: Format
    audience: str


def routes(reception: Reception) -> Iterator[Route]:
    """Both forms, and the pages that follow them."""
    yield from reception.in_every_language(SUBSCRIBE, _show)
    yield from reception.in_every_language(SUBSCRIBE, _join, "POST")
    yield from reception.in_every_language(SUBSCRIBE + SENT, _sent)
    yield from reception.in_every_language(PREFERENCES, _ask_for_link, "POST")
    yield from reception.in_every_language(PREFERENCES + SENT, _link_sent)


def _show(_request: Request, reception: Reception, language: Language) -> Response:
    if not reception.app.settings.subscribers.open:
        return reception.page("subscribe-closed", language, tail=SUBSCRIBE)
    return _form(reception, language, Choices(language, Format.HTML, PUBLIC))


def _join(request: Request, reception: Reception, language: Language) -> Response:
    reception.admit(SEND, request)
    if not reception.app.settings.subscribers.open:
        return reception.page("subscribe-closed", language, tail=SUBSCRIBE, status=403)
    sent = forms.fields(request)
    choices = _choices(sent, reception, language)
    problems = _keep(
        request,
        reception,
        sent,
        wish=Wish.JOIN,
        language=choices.language,
        format=choices.format,
        audience=choices.audience,
        words=consent_words(reception.pages.publication, language),
        form=FORM,
    )
    if problems:
        return _form(reception, language, choices, sent, problems)
    return reception.go(f"/{language}/{SUBSCRIBE}{SENT}")


def _ask_for_link(request: Request, reception: Reception, language: Language) -> Response:
    reception.admit(SEND, request)
    sent = forms.fields(request)
    if problems := _keep(request, reception, sent, wish=Wish.PREFERENCES, language=language):
        return link_form(reception, language, sent, problems)
    return reception.go(f"/{language}/{PREFERENCES}{SENT}")


def _keep(request: Request, reception: Reception, sent: dict[str, str], **wanted: Any) -> tuple[forms.Problem, ...]:
    """Keep what somebody asks for; or else what is wrong with the form."""
    if sent.get(forms.TRAP):
        return ()  # a program: it is told what people are told, and nothing happens
    address = forms.read_address(forms.typed_address(sent))
    if isinstance(address, forms.Problem):
        return (address,)
    if admission_to(wanted.get("audience", PUBLIC), address, reception.app) is None:
        return (forms.Problem(forms.AUDIENCE, forms.NOT_OPEN),)  # it tells of the settings alone, and of nobody
    if problem := forms.stamp_problem(sent.get(forms.STAMP, ""), reception.app):
        return (problem,)
    subscriptions.ask(Asked(address=address, **wanted), reception.app, network=network(request))
    return ()


def _choices(sent: dict[str, str], reception: Reception, language: Language) -> Choices:
    """What was chosen; 400 for what the form does not offer."""
    try:
        chosen = Choices(
            Language(sent.get("language", language)), Format(sent.get("format", "html")), sent.get("audience", PUBLIC)
        )
    except ValueError:
        raise HTTPException(400, "there is no such format") from None
    if chosen.language not in reception.languages or chosen.audience not in (PUBLIC, *_open_audiences(reception)):
        raise HTTPException(400, "the form does not offer this")
    return chosen


def _open_audiences(reception: Reception) -> tuple[str, ...]:
    """The audiences that somebody can join by themselves, since a domain opens them."""
    return tuple(name for name, rule in reception.app.audiences.items() if rule.domains)


def _form(
    reception: Reception,
    language: Language,
    choices: Choices,
    sent: dict[str, str] | None = None,
    problems: tuple[forms.Problem, ...] = (),
) -> Response:
    sent = sent or {}
    return reception.form(
        "subscribe",
        language,
        tail=SUBSCRIBE,
        typed=forms.typed_address(sent),
        stamp=sent.get(forms.STAMP, ""),
        problems=problems,
        chosen=choices,
        audiences=[reception.app.audiences[name] for name in _open_audiences(reception)],
        consent=consent_words(reception.pages.publication, language),
    )


def link_form(
    reception: Reception,
    language: Language,
    sent: dict[str, str] | None = None,
    problems: tuple[forms.Problem, ...] = (),
    **values: Any,
) -> Response:
    """The page that mails somebody the link to their preferences."""
    sent = sent or {}
    return reception.form(
        "preferences-link",
        language,
        tail=PREFERENCES,
        typed=forms.typed_address(sent),
        stamp=sent.get(forms.STAMP, ""),
        problems=problems,
        **{"done": "", **values},
    )


def _sent(_request: Request, reception: Reception, language: Language) -> Response:
    return reception.page("subscribe-sent", language, tail=SUBSCRIBE + SENT)


def _link_sent(_request: Request, reception: Reception, language: Language) -> Response:
    hours = int(LIVES[Purpose.PREFERENCES].total_seconds()) // HOUR
    return reception.page("preferences-sent", language, tail=PREFERENCES + SENT, hours=hours)
