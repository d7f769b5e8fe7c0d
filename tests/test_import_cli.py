"""``newsletter import`` as a person types it: look, write, again, and what is never done."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.support.feedserver import FeedServer, answer
from tests.support.pictures import png
from tests.support.sites import Site

SAMPLES = Path(__file__).parent / "data" / "import"
PROSE = "It was a quiet morning in the control room until the phone rang, and it rang for a very long time."


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder and the digest of what it holds."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def sources(site: Site, *args: str) -> dict[str, dict[str, object]]:
    """What ``--json`` tells, by source."""
    site.newsletter("import", *args, "--json")
    return {str(one["source"]): one for one in json.loads(site.out)["sources"]}


# --- looking and writing ----------------------------------------------------------------------------------------


def test_without_write_a_table_is_printed_and_nothing_is_written(site: Site) -> None:
    before = tree(site.folder)
    assert site.newsletter("import", str(SAMPLES), "--tlp", "CLEAR", "--date", "2019-05-12") == 2
    assert tree(site.folder) == before
    assert "feed.xml#1" in site.out
    assert "articles/2015/passwords-and-pets.en.md" in site.out
    assert "date: the file's name; summary: its first sentences" in site.out
    assert "problem: this entry has no full text" in site.out
    assert "9 new, 1 refused; nothing was written. To write what is new, add --write" in site.out


def test_the_table_ends_with_what_needs_hands_and_says_nothing_of_what_stands(site: Site) -> None:
    """Among hundreds of lines the refused ones come last, then what was not read; a second look is short."""
    for name, text in (("b-good", f"Good\n\n{PROSE}"), ("a-bad", ""), ("c-word.docx", "x")):
        site.write(f"old/2019-05-12-{name}{'' if '.' in name else '.txt'}", text)
    assert site.newsletter("import", "old", "--tlp", "CLEAR", "--write") == 2
    lines = [line.split("  ")[0] for line in site.out.splitlines() if line[:1].strip()]
    assert lines[:2] == ["new", "refused"]
    assert "passed over: 1 .docx; export them as text, HTML or Markdown" in site.out
    assert site.newsletter("import", "old", "--tlp", "CLEAR") == 2
    assert "unchanged" in site.out
    assert "guessed" not in site.out
    assert site.newsletter("import", "old", "--tlp", "CLEAR", "--json") == 2
    assert json.loads(site.out)["passed_over"] == {".docx": 1}


def test_what_is_good_is_written_beside_what_is_refused(site: Site) -> None:
    """And the check has nothing against it but the one shortcode that the table names, until somebody mends it."""
    assert site.newsletter("import", str(SAMPLES), "--tlp", "CLEAR", "--date", "2019-05-12", "--write") == 2
    assert "9 new, 1 refused" in site.out
    written = {name for name in tree(site.folder) if name.startswith(("articles/", "editions/"))}
    assert "articles/2018/the-parcel-that-never-came-label.png" in written
    assert "editions/2019-10/manifest.json" in written
    path = "articles/2021/qr-codes.en.md"
    assert site.newsletter("check", "--json") == 1
    found = json.loads(site.out)["findings"]
    assert [(f["rule"], f["path"]) for f in found if f["severity"] == "block"] == [("shortcode-left", path)]
    site.write(path, (site.folder / path).read_text().replace("{{< youtube abc >}}", "a film"))
    assert site.json("check")["blocking"] == 0
    site.must("publish")


def test_a_second_import_changes_no_byte(site: Site) -> None:
    site.newsletter("import", str(SAMPLES), "--tlp", "CLEAR", "--date", "2019-05-12", "--write")
    first = tree(site.folder)
    site.newsletter("import", str(SAMPLES), "--tlp", "CLEAR", "--date", "2019-05-12", "--write")
    assert "9 unchanged, 1 refused" in site.out
    assert tree(site.folder) == first


def test_an_article_that_was_edited_since_is_a_conflict_and_stays(site: Site) -> None:
    site.must("import", str(SAMPLES / "pelican"), "--tlp", "CLEAR", "--write")
    path = site.folder / "articles/2016/later-is-too-late.en.md"
    path.write_text(path.read_text().replace("eleven", "twelve"))
    assert site.newsletter("import", str(SAMPLES / "pelican"), "--tlp", "CLEAR", "--write") == 2
    assert "exists with another content, and is not overwritten" in site.out
    assert "twelve" in path.read_text()


def test_an_article_that_was_moved_or_a_name_of_an_incident_is_a_conflict(site: Site) -> None:
    site.write("articles/old/later-is-too-late.en.md", "---\ntitle: x\n---\n")
    assert site.newsletter("import", str(SAMPLES / "pelican"), "--tlp", "CLEAR") == 2
    assert "articles/old/later-is-too-late.en.md has its name already" in site.out
    (site.folder / "articles/old/later-is-too-late.en.md").rename(site.folder / "incidents/later-is-too-late.en.md")
    assert site.newsletter("import", str(SAMPLES / "pelican"), "--tlp", "CLEAR") == 2
    assert "incidents/later-is-too-late.en.md has its name already" in site.out


def test_json_tells_the_same_as_one_object(site: Site) -> None:
    assert site.newsletter("import", str(SAMPLES / "pelican"), "--tlp", "CLEAR", "--json") == 0
    told = json.loads(site.out)
    assert (told["written"], told["counts"]["new"]) == (False, 1)
    (one,) = told["sources"]
    assert one["target"] == "articles/2016/later-is-too-late.en.md"
    assert (one["title"], one["date"], one["language"]) == ("Later is too late", "2016-02-03", "en")


@pytest.mark.slow
def test_four_hundred_texts_come_in_with_one_command(site: Site) -> None:
    """Their common close goes, their authors stay, and every one passes the door."""
    close = "Drive carefully on the site, and greet the fire brigade."
    for number in range(400):
        site.write(f"old/{2008 + number % 12}-0{1 + number % 9}-{10 + number % 18}-story-{number:03d}.txt",
                   f"Story number {number}\n\n{PROSE} Twice {number}.\n\n{close}\n\nby Ada Example\n")  # fmt: skip
    site.must("import", "old", "--tlp", "CLEAR", "--write")
    assert "400 new" in site.out
    paths = list((site.folder / "articles").rglob("story-*.en.md"))
    assert len(paths) == 400
    texts = [path.read_text(encoding="utf-8") for path in paths]
    assert not any(close in text for text in texts)
    assert all('authors: ["Ada Example"]' in text for text in texts)
    assert site.json("check")["blocking"] == 0


# --- labels, languages, names -----------------------------------------------------------------------------------


def test_a_label_always_needs_an_answer_and_the_text_s_own_wins(site: Site) -> None:
    site.write("old/own.md", f"---\ntitle: Own\ndate: 2019-01-02\ntlp: GREEN\n---\n{PROSE}\n")
    site.write("old/none.md", f"---\ntitle: None\ndate: 2019-01-02\n---\n{PROSE}\n")
    site.write("old/red.md", f"---\ntitle: Red\ndate: 2019-01-02\ntlp: RED\n---\n{PROSE}\n")
    told = sources(site, "old")
    assert told["none.md"]["problem"] == "it has no TLP label; say --tlp CLEAR if everybody may read it"
    assert "TLP:RED" in str(told["red.md"]["problem"])
    assert told["own.md"]["state"] == "new"
    site.newsletter("import", "old", "--tlp", "CLEAR", "--write")
    assert "tlp: GREEN" in (site.folder / "articles/2019/own.en.md").read_text()
    assert "tlp: CLEAR" in (site.folder / "articles/2019/none.en.md").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--tlp", "RED"), "--tlp is TLP:RED"),
        (("--tlp", "PURPLE"), "no label"),
        (("--language", "de"), "no language 'de'; it has en, fr"),
        (("--date", "soon"), "is no day; write it like 2019-05-12"),
        (("--kind", "word"), "is not one of"),
    ],
)
def test_an_option_that_makes_no_sense_is_told_before_anything_is_read(
    site: Site, options: tuple[str, ...], message: str
) -> None:
    assert site.newsletter("import", str(SAMPLES), *options) == 2
    assert message in site.err


def test_a_translation_without_its_original_is_refused_unless_the_site_has_that(site: Site) -> None:
    text = "---\ntitle: {}\ndate: 2019-01-02\nsummary: What is on it.\n---\n" + PROSE
    site.write("old/stick.fr.md", text.format("La clé"))
    assert "no version in the site's first language (en)" in str(
        sources(site, "old", "--tlp", "CLEAR")["stick.fr.md"]["problem"]
    )
    site.write("articles/2019/stick.en.md", text.format("The stick").replace("summary", "tlp: CLEAR\nsummary"))
    site.must("import", "old", "--tlp", "CLEAR", "--write")
    assert [f for f in site.json("check")["findings"] if "stick.fr" in f["path"]] == []


def test_what_is_dated_in_the_future_comes_in_as_a_draft_and_is_told(site: Site) -> None:
    """Its old tool did not show it yet, and what is no draft is in our archive at once."""
    site.write("old/soon.md", f"---\ntitle: Soon\ndate: 2099-01-02\n---\n{PROSE}")
    assert "a draft, since its date is still to come" in site.must("import", "old", "--tlp", "CLEAR", "--write")
    assert "\nstatus: draft\n" in (site.folder / "articles/2099/soon.en.md").read_text(encoding="utf-8")
    assert "1 unchanged" in site.must("import", "old", "--tlp", "CLEAR", "--write")


def test_two_texts_of_one_name_are_told_apart_by_their_date(site: Site) -> None:
    site.write("old/a/news.md", f"---\ntitle: First\ndate: 2019-01-02\n---\n{PROSE}")
    site.write("old/b/news.md", f"---\ntitle: Second\ndate: 2019-03-04\n---\n{PROSE}")
    site.write("old/c/news.md", f"---\ntitle: Third\ndate: 2019-03-04\n---\n{PROSE}")
    told = sources(site, "old", "--tlp", "CLEAR")
    assert told["a/news.md"]["target"] == "articles/2019/news.en.md"
    assert told["b/news.md"]["target"] == "articles/2019/news-2019-03-04.en.md"
    assert "name: news was taken" in told["b/news.md"]["guessed"]  # type: ignore[operator]
    assert told["c/news.md"]["problem"] == "b/news.md has the same name and date; rename one of the two"


def test_old_addresses_become_aliases_on_our_host_and_canonical_elsewhere(site: Site) -> None:
    """And links between imported articles lead to where each is now."""
    for name, host, link in (("one", "security.meridian.example", "two"), ("two", "old.example", "one")):
        other = "old.example" if link == "two" else "security.meridian.example"
        head = f'<link rel="canonical" href="https://{host}/blog/{name}.html"><meta name="date" content="2019-01-02">'
        link_to = f'<a href="https://{other}/blog/{link}.html">{link}</a>'
        site.write(f"old/{name}.html", f"{head}<h1>T {name}</h1><p>{PROSE} {link_to}</p>")
    site.must("import", "old", "--tlp", "CLEAR", "--write")
    one, two = ((site.folder / f"articles/2019/{name}.en.md").read_text() for name in ("one", "two"))
    assert 'aliases: ["/blog/one.html"]' in one
    assert "canonical" not in one
    assert 'canonical: "https://old.example/blog/two.html"' in two
    assert "[two](/en/articles/two/)" in one
    assert "[one](/en/articles/one/)" in two
    site.must("publish")
    assert site.json("check")["blocking"] == 0


def test_links_between_files_lead_to_where_each_article_is_now(site: Site) -> None:
    """By address from the root, beside the file, beside its page, or by a bare name; in the language of the text."""
    links = {
        "start.md": "[a](../second/) [b](/posts/second/) [c](second.md#x) [d](/posts/two/) [e](nowhere.md)",
        "second.md": "[a](../start/index.html) [b](/2018/03/04/start/) [c](#why)\n\n## Why\n\nSo.",
        "second.fr.md": "[a](../start/) [b](second.fr.md)",
        "two/index.md": "[a](second) [b](../start.md) [c](../../../../etc/passwd)",
    }
    for name, text in links.items():
        head = f"title: T {name}\ndate: 2018-03-04"
        site.write(f"old/content/posts/{name}", f"---\n{head}\n---\n{PROSE}\n\n{text}\n")
    told = sources(site, "old", "--tlp", "CLEAR", "--write")
    first, second, french, two = (
        (site.folder / f"articles/2018/{name}.md").read_text(encoding="utf-8").partition("\n---\n")[2]
        for name in ("start.en", "second.en", "second.fr", "two.en")
    )
    there = "/en/articles/second/"
    assert f"[a]({there}) [b]({there}) [c]({there}) [d](/en/articles/two/) e" in first
    assert "[a](/en/articles/start/) [b](/en/articles/start/) [c](#why)" in second
    assert "[a](/en/articles/start/) [b](/fr/articles/second/)" in french
    assert f"[a]({there}) [b](/en/articles/start/) c" in two
    lost = "link left out, since nothing is there any more: nowhere.md"
    assert told["content/posts/start.md"]["remarks"] == [lost]
    assert site.json("check")["blocking"] == 0


# --- pictures ---------------------------------------------------------------------------------------------------


def test_pictures_come_from_the_given_folder_alone(site: Site) -> None:
    """What climbs out of it, is a link, or lies elsewhere is left out with a word about it."""
    site.write("secret.png", "x").write_bytes(png())
    (site.folder / "old").mkdir()
    (site.folder / "old/good.png").write_bytes(png())
    (site.folder / "old/link.png").symlink_to(site.folder / "secret.png")
    (site.folder / "old/dir").symlink_to(site.folder)
    site.write(
        "old/a.md",
        f"---\ntitle: T\ndate: 2019-01-02\n---\n{PROSE}\n\n![good](good.png) ![up](../secret.png) ![link](link.png) "
        "![through](dir/secret.png) ![far](https://far.example/x.png) ![](gone.png) `![code](good.png)`\n",
    )
    told = sources(site, "old", "--tlp", "CLEAR", "--write")["a.md"]
    assert told["pictures"] == 1
    assert len(told["remarks"]) == 5  # type: ignore[arg-type]
    text = (site.folder / "articles/2019/a.en.md").read_text()
    assert "![good](a-good.png) up link through [far](<https://far.example/x.png>)  `![code](good.png)`" in text
    assert [path.name for path in (site.folder / "articles/2019").iterdir() if path.suffix == ".png"] == ["a-good.png"]


def test_pictures_of_an_allowed_host_are_fetched_when_it_is_written(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dry run asks nobody; a second import finds the same bytes."""
    monkeypatch.setenv("NEWSLETTER_FEEDS_ALLOW_HTTP", "true")
    monkeypatch.setenv("NEWSLETTER_FEEDS_ALLOW_PRIVATE", "true")
    with FeedServer() as server:
        server["/x.png"] = answer(png(b""))
        server["/no.png"] = answer(b"<html>")
        text = (
            f"---\ntitle: T\ndate: 2019-01-02\n---\n{PROSE} ![x]({server.url('/x.png')}) ![no]({server.url('/no.png')})"
        )
        site.write("old/a.md", text)
        dry = sources(site, "old", "--tlp", "CLEAR", "--allow-host", "127.0.0.1")["a.md"]
        assert (dry["pictures"], server.seen) == (2, [])
        told = sources(site, "old", "--tlp", "CLEAR", "--allow-host", "127.0.0.1", "--write")["a.md"]
        again = sources(site, "old", "--tlp", "CLEAR", "--allow-host", "127.0.0.1", "--write")["a.md"]
    assert (told["state"], told["pictures"], again["state"]) == ("new", 1, "unchanged")
    assert "![x](a-x.png)" in (site.folder / "articles/2019/a.en.md").read_text()
    assert "is no PNG" in str(told["remarks"])


def test_a_picture_without_words_gets_the_finding_and_no_invented_ones(site: Site) -> None:
    site.write("old/x.png", "").write_bytes(png())
    site.write("old/a.md", f"---\ntitle: T\ndate: 2019-01-02\nimage: x.png\n---\n{PROSE} ![](x.png)")
    told = sources(site, "old", "--tlp", "CLEAR", "--write")["a.md"]
    assert "nothing says what it shows" in str(told["remarks"])
    assert "![](a-x.png)" in (site.folder / "articles/2019/a.en.md").read_text()
    assert "image-words-missing" in [finding["rule"] for finding in site.json("check")["findings"]]


# --- never outside ----------------------------------------------------------------------------------------------


def test_a_folder_of_the_site_that_is_a_link_is_never_written_through(site: Site, tmp_path: Path) -> None:
    """All or nothing: neither the article nor its picture stays anywhere."""
    (tmp_path / "elsewhere").mkdir()
    (site.folder / "articles/2018").symlink_to(tmp_path / "elsewhere")
    assert site.newsletter("import", str(SAMPLES / "saved"), "--tlp", "CLEAR", "--write") == 2
    assert "leads out of the site" in site.out
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_target_that_cannot_be_written_leaves_nothing_half(site: Site) -> None:
    """Here a folder stands where the article would: its picture does not stay alone."""
    (site.folder / "articles/2018/the-parcel-that-never-came.en.md").mkdir(parents=True)
    assert site.newsletter("import", str(SAMPLES / "saved"), "--tlp", "CLEAR", "--write") == 2
    assert "could not be written" in site.out
    assert [p.name for p in (site.folder / "articles/2018").iterdir()] == ["the-parcel-that-never-came.en.md"]
