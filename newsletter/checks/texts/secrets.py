"""The rule over secrets: keys, tokens and passwords have no place in any file, whoever may read it.

Patterns follow what issuers document, as gitleaks and detect-secrets do; assignments count when the value is as random
as a secret is (Shannon's entropy, in bits per character). No message holds the secret, since messages go to logs.
"""

from __future__ import annotations

import re
from collections import Counter
from math import log2
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from newsletter.checks.texts.text import bounded, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.checks.house import House
    from newsletter.checks.rule import Problem
    from newsletter.checks.texts.text import Item, Text

MIN_ENTROPY: Final = 2.9  # bits; eight different characters have 3, a word of eight letters about 2.7
MAX_VALUE: Final = 200
MAX_NAME: Final = 40  # characters before the sign of an assignment
SHOWN_START: Final = 4

_FIX: Final = "take it out and revoke it: what was saved once can be found in the history"


class _Kind(NamedTuple):
    """A secret: what to call it, words without which it is not there (small letters), its pattern.

    Group 1 is the secret, if not all of it is. ``is_known``: its shape alone proves what it is.
    """

    name: str
    signs: tuple[str, ...]
    pattern: re.Pattern[str]
    is_known: bool = True


def _kind(name: str, signs: str, pattern: str, *, is_known: bool = True) -> _Kind:
    return _Kind(name, tuple(signs.split()), re.compile(pattern), is_known)


_KINDS: Final = (
    _kind("a private key", "-----begin", r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"),
    _kind(
        "a key of Amazon's",
        "akia asia abia acca",
        r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])",
    ),
    _kind("a token of GitHub's", "ghp_ gho_ ghu_ ghs_ ghr_", r"\bgh[pousr]_[0-9A-Za-z]{36,255}"),
    _kind("a token of GitHub's", "github_pat_", r"\bgithub_pat_[0-9A-Za-z_]{22,255}"),
    _kind("a token of GitLab's", "glpat- glptt- gldt- glrt-", r"\bgl(?:pat|ptt|dt|rt)-[0-9A-Za-z_-]{20,255}"),
    _kind("a token of Slack's", "xox", r"\bxox[abeoprs]-[0-9A-Za-z-]{10,250}"),
    _kind("a web hook of Slack's", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/[\w+/]{40,120}"),
    _kind("a key of Google's", "aiza", r"\bAIza[0-9A-Za-z_-]{35}(?![\w-])"),
    _kind("a client secret of Google's", "gocspx-", r"\bGOCSPX-[0-9A-Za-z_-]{28}"),
    _kind(
        "a key of Azure's",
        "accountkey= sharedaccesskey=",
        r"(?i)\b(?:account|sharedaccess)key=([0-9A-Za-z+/]{40,100}={0,2})",
    ),
    _kind("a token (JWT)", "eyj", r"\beyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{10,2000}"),
    _kind("a token of npm's", "npm_", r"\bnpm_[0-9A-Za-z]{36}\b"),
    _kind("a token of PyPI's", "pypi-", r"\bpypi-AgE[0-9A-Za-z_-]{50,500}"),
    _kind("a key of Stripe's", "_live_", r"\b[sr]k_live_[0-9A-Za-z]{16,250}"),
    _kind("a key of SendGrid's", "sg.", r"\bSG\.[\w-]{16,32}\.[\w-]{32,64}"),
    _kind("a key of an AI service", "sk-", r"\bsk-(?:ant|proj|svcacct)-[\w-]{32,250}"),
    _kind(
        "an address with a password",
        "://",
        r"\b[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s:/@<>`]{0,100}:([^\s/@<>`]{3,200})@[\w\[]",
        is_known=False,
    ),
)

# Documented as examples, or no secret yet: "AKIAIOSFODNN7EXAMPLE", "xxxxxxxx"; and "${TOKEN}", "changeme123".
_EXAMPLE = re.compile(r"example|xxxx|\.\.\.|\u2026|\*\*\*", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"placeholder|change[_-]?me|your[_-]|redacted|dummy|0000|1234567|^[$%]|://|\{\{", re.IGNORECASE
)
_PEM: Final = "PRIVATE KEY"

_ASSIGNED_SIGNS: Final = ("passw", "passphrase", "pwd", "mot de passe", "secret", "token", "key", "credential")

# name = value: whoever writes that is found at the sign between them, of which texts have few.
_ASSIGNED: Final = _Kind("a password or token", _ASSIGNED_SIGNS, re.compile(r"[=:]"), is_known=False)
_NAMED = re.compile(
    r"(?:passw(?:or)?d|passphrase|pwd|mot de passe|secret|token|api[_-]?key|access[_-]?key|credentials?)"
    r"(?:[_-]\w{1,20})?[\"'`]?[ \u00a0\u202f:]{0,3}$",
    re.IGNORECASE,
)
_VALUE = re.compile(rf"[=:>]{{0,2}}[ ]{{0,3}}[\"'`]?([^\s\"'`,;<>()\[\]{{}}]{{8,{MAX_VALUE}}})")


@bounded
def found(item: Item, house: House) -> Iterator[Problem]:
    """Every secret in every text, code and targets of links included; each place once."""
    del house
    for text in texts_of(item):
        done = 0
        for start, end, kind in sorted(_candidates(text), key=itemgetter(0, 1)):
            value = text.markdown[start:end]
            if start >= done and _is_secret(kind, value):
                yield text.problem(start, f"this looks like {kind.name}: {_masked(kind, value)}", _FIX)
                done = end


def _candidates(text: Text) -> Iterator[tuple[int, int, _Kind]]:
    """Where something has the shape of a secret."""
    for kind in _KINDS:
        if any(sign in text.lower for sign in kind.signs):
            for match in kind.pattern.finditer(text.markdown):
                yield *match.span(match.re.groups), kind
    is_named = any(sign in text.lower for sign in _ASSIGNED.signs)
    for sign in _ASSIGNED.pattern.finditer(text.markdown) if is_named else ():
        before = text.markdown[max(0, sign.start() - MAX_NAME) : sign.start()]
        value = _VALUE.match(text.markdown, sign.end())
        # What is called or looked up, os.environ["TOKEN"], is no value.
        if value and _NAMED.search(before) and text.markdown[value.end() : value.end() + 1] not in ("[", "("):
            yield *value.span(1), _ASSIGNED


def _is_secret(kind: _Kind, value: str) -> bool:
    if _PEM in value:
        return True
    if _EXAMPLE.search(value):
        return False
    if kind.is_known:
        return True
    if _PLACEHOLDER.search(value):
        return False
    return "://" in kind.signs or (_is_mixed(value) and entropy(value) >= MIN_ENTROPY)


def _is_mixed(value: str) -> bool:
    """Whether it is more than words, which hyphens may join: digits, or other signs inside, beside letters."""
    inner = value.rstrip(".,:;!?")
    return any(map(str.isalpha, inner)) and any(not (c.isalpha() or c in "-_./") for c in inner)


def entropy(value: str) -> float:
    """Shannon's entropy of the characters: bits per character."""
    counts = Counter(value[:MAX_VALUE])
    total = sum(counts.values())
    return -sum(count / total * log2(count / total) for count in counts.values())


def _masked(kind: _Kind, value: str) -> str:
    """Enough of it to find the place: the issuer's mark, nothing that anybody chose."""
    start = value[:SHOWN_START] if kind.is_known else ""
    return f"{start}\N{HORIZONTAL ELLIPSIS} ({len(value)} characters)"
