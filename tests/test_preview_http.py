"""The preview answers this machine's own browser, and nobody else; and it ends when it is told to."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from newsletter.cli import run
from tests.support.preview import FIRST, PATIENCE, article, previewing, small_site
from tests.support.webserver import ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VIEWS = ("mail", "plain", "text", "page")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running preview of a month."""
    site = small_site(tmp_path_factory.mktemp("preview") / "site")
    with previewing(site, "2026-10") as (printed, _):
        yield printed


def test_it_listens_on_this_machine_alone(address: str) -> None:
    """The address that is printed is a loopback one, with a path that nobody guesses."""
    parts = urlsplit(address)
    assert parts.hostname == "127.0.0.1"
    assert len(parts.path.strip("/")) >= 22


def test_the_door_leads_to_what_was_asked_for(address: str) -> None:
    """A month on the command line is what the browser shows first."""
    answer = ask(address)
    assert answer.status == 307
    assert answer.headers["Location"].endswith("/look/2026-10.en")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "0.0.0.0"])
def test_another_name_that_leads_here_is_refused(address: str, host: str) -> None:
    """DNS rebinding: a page of somebody else cannot read drafts under its own name."""
    for path in ("", "files", f"mail/{FIRST}", "events/2026-10.en"):
        answer = ask(address + path, headers={"Host": host})
        assert answer.status == 400
        assert b"The first" not in answer.body


@pytest.mark.parametrize("path", ["/", "/look/2026-10.en", "/wrong-token/look/2026-10.en", "/mail/2026-10.en"])
def test_without_the_token_there_is_nothing(address: str, path: str) -> None:
    """Other users of this machine can connect, and find nothing."""
    parts = urlsplit(address)
    answer = ask(f"http://{parts.netloc}{path}")
    assert answer.status == 404
    assert b"The first" not in answer.body
    assert parts.path.strip("/").encode() not in answer.body


@pytest.mark.parametrize(
    "path",
    [
        *("look/articles/2026/nowhere.en.md", "look/newsletter.toml", "look/2026-13.en", "static/shell.html"),
        *("look/articles/..%2f..%2fnewsletter.toml", "site/../newsletter.toml", "static/..%2f..%2f_layout.html"),
        *("site/newsletter.toml", "mail/templates/x.md", "events/x", "elsewhere"),
    ],
)
def test_what_is_not_there_is_a_plain_page(address: str, path: str) -> None:
    """404, in words, with the same policy as everything else."""
    answer = ask(address + path)
    assert answer.status == 404
    assert "Nothing here" in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_every_frame_has_an_address_and_a_policy_of_its_own(address: str) -> None:
    """No script anywhere in them; without images where images are off; framed by nobody but us."""
    policies = {view: ask(f"{address}{view}/{FIRST}").headers["Content-Security-Policy"] for view in VIEWS}
    assert all("default-src 'none'" in policy and "script-src" not in policy for policy in policies.values())
    assert all("frame-ancestors 'self'" in policy for policy in policies.values())
    assert "img-src 'self' data:" in policies["mail"]
    assert "img-src 'none'" in policies["plain"]
    assert "unsafe-inline" not in policies["page"] + policies["text"]


def test_images_off_changes_the_policy_and_no_byte(address: str) -> None:
    """Mail with and without images is one mail."""
    assert ask(f"{address}plain/{FIRST}").body == ask(f"{address}mail/{FIRST}").body


def test_the_shell_runs_our_script_and_no_other(address: str) -> None:
    """No inline script or style, nothing from elsewhere; and the address goes into no Referer."""
    answer = ask(f"{address}look/{FIRST}")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'" in policy
    assert "unsafe" not in policy
    assert "<style" not in answer.text
    assert answer.text.count("<script") == answer.text.count("<script src=") == 1
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_list_names_every_file(address: str) -> None:
    """The coming month in each language, and all content."""
    text = ask(f"{address}files").text
    assert f"/look/{FIRST}" in text
    assert text.count("/look/20") == 2


def test_titles_are_words_and_no_markup(address: str, tmp_path: Path) -> None:
    """A hostile title stands as text in our own page."""
    site = small_site(tmp_path / "site")
    (site / FIRST).write_text(article("<img src=x onerror=alert(1)>"), encoding="utf-8")
    with previewing(site, FIRST) as (printed, _):
        shell = ask(f"{printed}look/{FIRST}").text
    assert "<img" not in shell
    assert "&lt;img" in shell


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_it_ends_at_once_with_streams_open(tmp_path: Path, name: str) -> None:
    """An open browser tab, and a preflight at work, keep nobody waiting."""
    import signal  # noqa: PLC0415

    site = small_site(tmp_path / "site")
    with previewing(site, "2026-10") as (printed, process):
        parts = urlsplit(printed)
        with socket.create_connection((str(parts.hostname), parts.port or 0), PATIENCE) as stream:
            stream.sendall(f"GET {parts.path}events/2026-10.en HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            heard = b""
            while b"event: showing" not in heard:
                heard += stream.recv(65_536)
            process.send_signal(getattr(signal, name))
            assert process.wait(PATIENCE) == 0
            ended = time.monotonic()
            while stream.recv(65_536):
                pass
            assert time.monotonic() - ended < PATIENCE


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("nowhere.md", "neither a file nor a month"),
        ("newsletter.toml", "is no content file"),
        ("/etc/hostname", "is no file of the site"),
        ("2026-13", "neither a file nor a month"),
    ],
)
def test_what_cannot_be_looked_at_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str, told: str
) -> None:
    """Exit code 2, what is wrong, and what to name instead; nothing is served."""
    monkeypatch.chdir(small_site(tmp_path / "site"))
    assert run(["preview", "--no-browser", what]) == 2
    assert told in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which port, and that another one is the way out."""
    monkeypatch.chdir(small_site(tmp_path / "site"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(["preview", "--no-browser", "--port", str(port)]) == 3
    assert f"127.0.0.1:{port}" in capsys.readouterr().err
