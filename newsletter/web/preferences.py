"""Preferences: a mailed link opens them (``links``), a cookie keeps them open for an hour, buttons act.

Every button answers with a redirect to the page, which says what was done: so the page may be loaded again, and no
address holds anything of anybody. Leaving alone answers with its own page, since that carries the token of its undo.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import Response

from newsletter import subscriptions
from newsletter.errors import LinkError, UsageError
from newsletter.model import DeliveryState, Format, Language, Month, Purpose, SubscriberState
from newsletter.render.words import marked, words
from newsletter.subscriptions import Preferences
from newsletter.subscriptions.choosing import MAX_PAUSE_MONTHS
from newsletter.subscriptions.evidence import told
from newsletter.subscriptions.limits import CHOOSE
from newsletter.subscriptions.links import LIVES
from newsletter.web import forms
from newsletter.web.reception import PREFERENCES, UNPROCESSABLE
from newsletter.web.security import PRIVATE
from newsletter.web.subscribe import link_form

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request
    from starlette.routing import Route

    from newsletter.model import Subscriber
    from newsletter.render.words import Words
    from newsletter.web.reception import Reception

NAME: Final = "preferences"
SESSION_SECONDS: Final = int(LIVES[Purpose.SESSION].total_seconds())
ENDED: Final = "ended"
# What the page says first after a button was pressed.
DONE: Final = {
    "saved": marked("Your choices are kept."),
    "paused": marked("Your subscription pauses."),
    "resumed": marked("Your subscription goes on."),
    "asked": marked("We have written to both addresses. When both have agreed, your subscription moves."),
    "stays": marked(
        "Your subscription stays at this address. The links that we mailed for the change do nothing any more."
    ),
    "mailed": marked("The link to your data is on its way to your mailbox."),
    "closed": marked("Your preferences are closed. Nobody can open them from here without a new link."),
    ENDED: marked("Your preferences were open for an hour and are closed now. Ask for a new link."),
}
# What became of a letter, for its reader.
LETTER_STATES: Final = {
    DeliveryState.ACCEPTED: marked("sent"),
    DeliveryState.REFUSED: marked("refused by your mail server"),
    DeliveryState.DROPPED: marked("not sent"),
}
ON_ITS_WAY: Final = marked("on its way")
SAME: Final = marked("This is your address already")


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose preferences are open, and the session that keeps them so."""

    person: Subscriber
    session: str


def routes(reception: Reception) -> Iterator[Route]:
    """The page, its buttons, and what it leads to."""
    yield from reception.in_every_language(PREFERENCES, _show)
    yield from reception.in_every_language(f"{PREFERENCES}data.json", _held(_download))
    yield from reception.in_every_language(f"{PREFERENCES}erase/", _held(_ask_to_erase))
    yield from reception.in_every_language(f"{PREFERENCES}erased/", _erased)
    for name, act in BUTTONS.items():
        yield from reception.in_every_language(f"{PREFERENCES}{name}", _held(act, counted=True), "POST")


# --- the session --------------------------------------------------------------------------------------------


def open_for(token: str, person: Subscriber | None, reception: Reception) -> Response:
    """Use up a mailed link and lead to the page, in the reader's language. LinkError when it cannot be used."""
    session = subscriptions.open_session(token, reception.app)
    language = reception.pages.language(person.language if person else Language(""))
    answer = reception.go(f"/{language}/{PREFERENCES}")
    name, is_secure = _cookie(reception)
    answer.set_cookie(
        name, session, max_age=SESSION_SECONDS, path="/", secure=is_secure, httponly=True, samesite="strict"
    )
    return answer


def holder(request: Request, reception: Reception) -> Holder | None:
    """Whose preferences this browser holds open; None when it holds none, or not any more."""
    session = request.cookies.get(_cookie(reception)[0], "")
    try:
        return Holder(subscriptions.session_holder(session, reception.app), session) if session else None
    except LinkError:
        return None


def _cookie(reception: Reception) -> tuple[str, bool]:
    """Its name, and whether it travels by https alone; then browsers let nobody else set it (RFC 6265bis, __Host-)."""
    is_secure = urlsplit(reception.pages.publication.base_url).scheme == "https"
    return ("__Host-" if is_secure else "") + NAME, is_secure


def _without_cookie(answer: Response, reception: Reception) -> Response:
    name, is_secure = _cookie(reception)
    answer.delete_cookie(name, path="/", secure=is_secure, httponly=True, samesite="strict")
    return answer


def _held(
    act: Callable[[Request, Reception, Language, Holder], Response], *, counted: bool = False
) -> Callable[[Request, Reception, Language], Response]:
    """A handler for whoever has preferences open; everybody else is led to the page that mails a link."""

    def handler(request: Request, reception: Reception, language: Language) -> Response:
        if counted:
            reception.admit(CHOOSE, request)
        held = holder(request, reception)
        if held is None:
            return reception.go(f"/{language}/{PREFERENCES}", done=ENDED)
        try:
            return act(request, reception, language, held)
        except (LinkError, UsageError):  # they left, or were forgotten, in another window: the page shows what is
            return reception.go(f"/{language}/{PREFERENCES}")

    return handler


# --- the page -----------------------------------------------------------------------------------------------


def _show(request: Request, reception: Reception, language: Language) -> Response:
    done = DONE.get(request.query_params.get("done", ""), "")
    held = holder(request, reception)
    if held is None:
        return link_form(reception, language, done=done)
    return _page(reception, language, held, done=done)


def _page(
    reception: Reception,
    language: Language,
    held: Holder,
    *,
    done: str = "",
    typed: str = "",
    problems: tuple[forms.Problem, ...] = (),
) -> Response:
    app, person = reception.app, held.person
    return reception.page(
        "preferences",
        language,
        tail=PREFERENCES,
        done=done,
        typed=typed,
        problems=problems,
        status=UNPROCESSABLE if problems else 200,
        person=person,
        paused_until=app.local(person.paused_until) if person.paused_until else None,
        is_reached=person.state in (SubscriberState.ACTIVE, SubscriberState.PAUSED),
        audience=subscriptions.unmade(person.audience, language, app),
        audiences=[(name, app.audiences.get(name)) for name in subscriptions.allowed_audiences(person, app)],
        waiting=subscriptions.waiting_move(person, app),
        months=range(1, MAX_PAUSE_MONTHS + 1),
        held=_in_words(subscriptions.held_about(person, app), reception, words(language)),
    )


def _in_words(held: dict[str, Any], reception: Reception, speech: Words) -> dict[str, Any]:
    """What we hold, with moments by the site's clocks, and letters as their reader sees them."""
    app = reception.app

    def local(moment: str) -> datetime:
        return app.local(datetime.fromisoformat(moment))

    letters = (
        (Month.parse(letter["month"]), LETTER_STATES.get(letter["state"], ON_ITS_WAY)) for letter in held["letters"]
    )
    return {
        "since": local(held["on_the_list_since"]),
        "consents": [
            {"at": local(one["at"]), "words": one["words"], "said": told(one["how"], one["note"], speech, app.local)}
            for one in held["consents"]
        ],
        "letters": sorted(letters, key=lambda letter: letter[0], reverse=True),
    }


def _download(_request: Request, reception: Reception, _language: Language, held: Holder) -> Response:
    return data_file(subscriptions.held_about(held.person, reception.app))


def data_file(held: dict[str, Any]) -> Response:
    """What we hold, as a file to keep."""
    headers = {**PRIVATE, "Content-Disposition": 'attachment; filename="subscription.json"'}
    text = json.dumps(held, ensure_ascii=False, indent=2) + "\n"
    return Response(text, headers=headers, media_type="application/json")


def _ask_to_erase(_request: Request, reception: Reception, language: Language, held: Holder) -> Response:
    return reception.page("preferences-erase", language, tail=f"{PREFERENCES}erase/", person=held.person)


def _erased(_request: Request, reception: Reception, language: Language) -> Response:
    return reception.page("preferences-erased", language, tail=f"{PREFERENCES}erased/")


# --- the buttons --------------------------------------------------------------------------------------------


def _save(request: Request, reception: Reception, _language: Language, held: Holder) -> Response:
    sent = forms.fields(request)
    try:
        chosen = Preferences(
            language=Language(sent.get("language", held.person.language)),
            format=Format(sent.get("format", held.person.format)),
            audience=sent.get("audience", held.person.audience),
        )
        subscriptions.save(held.person, chosen, reception.app)
    except (ValueError, UsageError):
        raise HTTPException(400, "the form does not offer this") from None
    return reception.go(f"/{reception.pages.language(chosen.language)}/{PREFERENCES}", done="saved")


def _pause(request: Request, reception: Reception, language: Language, held: Holder) -> Response:
    months = forms.fields(request).get("months", "")
    if months not in map(str, range(1, MAX_PAUSE_MONTHS + 1)):
        raise HTTPException(400, "the form does not offer this")
    subscriptions.pause(held.person, int(months), reception.app)
    return reception.go(f"/{language}/{PREFERENCES}", done="paused")


def _resume(_request: Request, reception: Reception, language: Language, held: Holder) -> Response:
    subscriptions.resume(held.person, reception.app)
    return reception.go(f"/{language}/{PREFERENCES}", done="resumed")


def _move(request: Request, reception: Reception, language: Language, held: Holder) -> Response:
    typed = forms.typed_address(forms.fields(request))
    address = forms.read_address(typed)
    if isinstance(address, forms.Problem):
        return _page(reception, language, held, typed=typed, problems=(address,))
    if address.mailbox.lower() == held.person.address.mailbox.lower():
        return _page(reception, language, held, typed=typed, problems=(forms.Problem(forms.ADDRESS, SAME),))
    subscriptions.ask_to_move(held.person, address, reception.app)
    return reception.go(f"/{language}/{PREFERENCES}", done="asked")


def _stay(_request: Request, reception: Reception, language: Language, held: Holder) -> Response:
    subscriptions.stay(held.person, reception.app)
    return reception.go(f"/{language}/{PREFERENCES}", done="stays")


def _mail_data(_request: Request, reception: Reception, language: Language, held: Holder) -> Response:
    subscriptions.mail_export(held.person, reception.app)
    return reception.go(f"/{language}/{PREFERENCES}", done="mailed")


def _leave(_request: Request, reception: Reception, language: Language, held: Holder) -> Response:
    left = subscriptions.leave(held.person, reception.app)
    return reception.page("unsubscribed", language, undo=left.undo)


def _erase(_request: Request, reception: Reception, language: Language, held: Holder) -> Response:
    subscriptions.erase(held.person, reception.app)
    return _without_cookie(reception.go(f"/{language}/{PREFERENCES}erased/"), reception)


def _close(_request: Request, reception: Reception, language: Language, held: Holder) -> Response:
    subscriptions.close_session(held.session, reception.app)
    return _without_cookie(reception.go(f"/{language}/{PREFERENCES}", done="closed"), reception)


BUTTONS: Final[dict[str, Callable[[Request, Reception, Language, Holder], Response]]] = {
    "save": _save,
    "pause": _pause,
    "resume": _resume,
    "move": _move,
    "stay": _stay,
    "mail-data": _mail_data,
    "leave": _leave,
    "erase": _erase,
    "close": _close,
}
