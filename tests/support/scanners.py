"""What robots do with the links in mails: gateways, link previews, prefetchers, and browsers that run every script.

None of them fills in a form (a person does that, and RFC 8058's one click is said by the header alone): they ask for
what they find, with every method that is safe, and for what stands on the page that they get.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import quote, urljoin, urlsplit

from playwright.sync_api import Browser

from tests.support.browser import visiting
from tests.support.mailserver import Mail
from tests.support.webserver import Answer, ask

WORKERS = 8
LINK = re.compile(r"https?://[^\s<>\"')\]]+")
HREF = re.compile(r'\bhref="([^"]+)"')
# What such robots send (Outlook's Safe Links, gateways, chat previews, prefetching browsers, proxies).
MANNERS: tuple[dict[str, str], ...] = (
    {},
    {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) SafeLinks"},
    {"User-Agent": "curl/8.5.0", "Accept": "*/*"},
    {"User-Agent": "python-requests/2.32", "Connection": "close"},
    {"User-Agent": "Slackbot-LinkExpanding 1.0", "Range": "bytes=0-4095"},
    {"User-Agent": "facebookexternalhit/1.1", "Range": "bytes=0-"},
    {"User-Agent": "BarracudaCentral", "Referer": "https://mail.example.org/"},
    {"User-Agent": "Googlebot/2.1 (+http://www.google.com/bot.html)", "Accept": "text/html"},
    {"Purpose": "prefetch", "Sec-Purpose": "prefetch;prerender"},
    {"X-Moz": "prefetch", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"},
    {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1"},
    {"Accept-Language": "fr", "DNT": "1", "Sec-GPC": "1"},
    {"If-None-Match": "*", "If-Modified-Since": "Thu, 01 Jan 2099 00:00:00 GMT"},
    {"X-Forwarded-For": "203.0.113.9, 10.0.0.1", "Via": "1.1 gateway"},
    {"X-HTTP-Method-Override": "POST", "X-Method-Override": "POST"},
    {"List-Unsubscribe": "One-Click", "Content-Type": "application/x-www-form-urlencoded"},
    {"Cookie": "newsletter=x; __Host-newsletter=y"},
    {"Authorization": "Bearer nobody"},
)
OVER = re.compile(r"status of 410")  # a link that was good for a day says that it is over
METHODS = ("GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND")


def links_in(mail: Mail) -> list[str]:
    """Every http address of a mail: of its text, its HTML and its header lines."""
    message = mail.message
    parts = [str(part.get_content()) for part in message.walk() if part.get_content_maintype() == "text"]
    whole = "\n".join([*parts, *(str(value) for value in message.values())])
    return sorted({unescape(link).rstrip(".,;") for link in LINK.findall(whole)})


def spellings(link: str) -> Iterator[str]:
    """The link, and what gateways make of it: tagged, wrapped, cut, doubled, encoded once more."""
    yield link
    yield f"{link}?utm_source=scanner"
    yield f"{link}?List-Unsubscribe=One-Click&_method=POST"
    yield f"{link}/"
    yield f"{link}."
    yield link[:-1]
    parts = urlsplit(link)
    yield link.replace(parts.path, quote(parts.path, safe="/"), 1)
    yield link.replace(parts.path, quote(parts.path, safe="/").replace("_", "%5F").replace("-", "%2D"), 1)
    yield link.replace(parts.path, f"/{parts.path}", 1)


@dataclass
class Scan:
    """What the robots asked for and what they got."""

    asked: int = 0
    statuses: set[int] = field(default_factory=set)

    def note(self, answer: Answer) -> None:
        """Count it."""
        self.asked += 1
        self.statuses.add(answer.status)


def scan(links: Iterable[str], *, times: int = 2) -> Scan:
    """Every manner, method and spelling, and every link of the pages that come back; ``times``, in parallel."""
    done = Scan()
    jobs = [
        (link, method, manner) for link in links for _ in range(times) for method in METHODS[:2] for manner in MANNERS
    ]
    jobs += [(spelt, method, {}) for link in links for spelt in spellings(link) for method in METHODS]
    with ThreadPoolExecutor(WORKERS) as pool:
        answers = list(pool.map(lambda job: ask(job[0], method=job[1], headers=job[2]), jobs))
        found = {
            urljoin(url, unescape(href))
            for (url, _, _), answer in zip(jobs, answers, strict=True)
            if answer.status == 200 and "text/html" in (answer.headers["Content-Type"] or "")
            for href in HREF.findall(answer.body.decode(errors="replace"))
        }
        origins = {"/".join(link.split("/", 3)[:3]) for link in links}
        own = [href for href in sorted(found) if href.startswith(tuple(origins))]
        answers += pool.map(ask, own)
    for answer in answers:
        done.note(answer)
    return done


def browse(browser: Browser, links: Iterable[str]) -> list[str]:
    """A browser with scripts on opens every link, and every link of the page; returns CSP and other errors."""
    errors = []
    for link in links:
        with visiting(browser, link) as (page, visit):
            page.mouse.move(100, 100)
            page.mouse.wheel(0, 2_000)
            here = [urljoin(link, href) for href in page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)")]
            for href in here:
                if href.startswith("/".join(link.split("/", 3)[:3])) and "#" not in href:
                    page.goto(href)
            errors += [error for error in visit.errors if not OVER.search(error)]
    return errors
