"""Web pages, Markdown of other tools, feeds: what importing finds in them, and what it leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from newsletter.importing.feedfile import read_feed_file
from newsletter.importing.markdown import read_markdown
from newsletter.importing.nouns import File, Found, Kind, RefusedSource
from newsletter.importing.oldtools import in_markdown
from newsletter.importing.pages import read_page
from newsletter.importing.sources import files_of, passed_over, read, sniffed
from newsletter.model import Status
from tests.support.sites import Site

SAMPLES = Path(__file__).parent / "data" / "import"
PROSE = "It was a quiet morning in the control room until the phone rang, and it rang for a very long time."


def page(html: str, name: str = "x.html") -> Found:
    """What a page is read as."""
    return read_page(File(Path(name), Path(), name, Kind.PAGE), html.encode())


def markdown(text: str, name: str = "x.md") -> Found:
    """What a Markdown file is read as."""
    return read_markdown(File(Path(name), Path(), name, Kind.MARKDOWN), text.encode())


# --- pages ------------------------------------------------------------------------------------------------------


def test_a_saved_page_gives_its_article_and_what_it_says_of_itself() -> None:
    """Title, date, author and address come from the head; navigation, related stories and footer stay behind."""
    path = next((SAMPLES / "saved").glob("*.html"))
    found = read_page(File(path, path.parent, path.name, Kind.PAGE), path.read_bytes())
    assert (found.title, str(found.day)) == ("The parcel that never came", "2018-11-20")
    assert found.authors == ("Ada Example",)
    assert found.address == "https://bulletin.meridian.example/2018/11/parcel"
    assert found.summary == "A text message, two euros, and an empty account."
    assert found.themes == ("Phishing", "Parcels")
    assert found.language == "en-GB"
    for left in ("Home", "evil", "Related", "Copyright", "# The parcel", "20 November"):
        assert left not in found.body
    for kept in (
        "## What was wrong with it?",
        "- Who is the sender?",
        "| hurry | stop \\| think |",
        "```sh\ndig example.org\n```",
    ):
        assert kept in found.body
    assert "[Look at the link](https://bulletin.meridian.example/2018/10/links)" in found.body


META = '<meta property="og:title" content="D"><meta name="date" content="2017-03-04">'
JSON_LD = '<script type="application/ld+json">[5,{"@type":"Article","headline":"F"}]</script>'


@pytest.mark.parametrize(
    ("html", "title", "day"),
    [
        (f"<title>A | Site name</title><p>{PROSE}</p>", "A", None),
        (f"<h1>B</h1><p>12 May 2019</p><p>{PROSE}</p>", "B", "2019-05-12"),
        (f"<h1>C</h1><p>Published <time datetime='2018-01-02'>long ago</time></p><p>{PROSE}</p>", "C", "2018-01-02"),
        (f"{META}<h1>Other</h1><p>{PROSE}</p>", "D", "2017-03-04"),
        (f"<h2>E</h2><p>{PROSE}</p>", "E", None),
        (f"{JSON_LD}<p>{PROSE}</p>", "F", None),
    ],
)
def test_title_and_date_are_found_where_pages_put_them(html: str, title: str, day: str | None) -> None:
    found = page(html)
    assert (found.title, str(found.day) if found.day else None) == (title, day)
    assert PROSE in found.body


def test_a_page_without_title_or_text_is_refused() -> None:
    with pytest.raises(RefusedSource, match="no title"):
        page(f"<p>{PROSE}</p>")
    with pytest.raises(RefusedSource, match="no text to speak of"):
        page("<h1>Loading</h1><div id=app></div>")


def test_the_biggest_part_is_the_article_when_nothing_is_named_so() -> None:
    html = (
        f"<title>T</title><div><p>Menu</p></div><div><p>{PROSE}</p><p>{PROSE}</p></div><div><p>Footer words</p></div>"
    )
    assert page(html).body == f"{PROSE}\n\n{PROSE}"


def test_a_page_named_index_has_the_name_of_its_address_or_folder() -> None:
    link = '<link rel="canonical" href="https://e.org/2019/usb-stick/">'
    assert page(f"{link}<h1>T</h1><p>{PROSE}</p>", "a/index.html").name == "usb-stick"
    assert page(f"<h1>T</h1><p>{PROSE}</p>", "a/index.html").name == "a"


def test_links_into_the_page_itself_are_left_out_and_files_of_the_saver_too() -> None:
    found = page(
        f'<h1>T</h1><p>{PROSE} <a href="#top">up</a> <a href="file:///home/me/x">mine</a> <a href="https://e.org/">e</a></p>'
    )
    assert found.body.endswith("up mine [e](https://e.org/)")


# --- Markdown of other tools ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "---\ntitle: T\ndate: 2019-05-12 10:00:00 +0200\ntags: [a, b]\nauthor: Ada\n---\nText.",
        '+++\ntitle = "T"\ndate = 2019-05-12T10:00:00+02:00\ntags = ["a", "b"]\nauthor = "Ada"\n+++\nText.',
        "Title: T\nDate: 2019-05-12 10:00\nTags: a, b\nAuthor: Ada\n\nText.",
        "---\nTitle: T\nDate: 12 May 2019\nkeywords: a, b\nauthors:\n  - name: Ada\n---\n# T\n\nText.",
    ],
)
def test_every_kind_of_front_matter_says_the_same(text: str) -> None:
    found = markdown(text)
    assert (found.title, str(found.day), found.themes, found.authors, found.body) == (
        "T",
        "2019-05-12",
        ("a", "b"),
        ("Ada",),
        "Text.",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\ntitle: [a, b]\n---\nx", "not one line of text"),
        ("---\ntitle: T\ndate: soon\n---\nx", "no day"),
        ("---\na: &x b\ntitle: *x\n---\nx", "aliases and anchors"),
        ("---\ntitle: T\nx", "no end"),
        ("+++\ntitle = 'T'\nx", "no end"),
        ("+++\ntitle = \n+++\nx", "no TOML"),
        ("just words", "no title"),
    ],
)
def test_front_matter_that_cannot_be_read_is_refused_with_its_reason(text: str, message: str) -> None:
    with pytest.raises(RefusedSource, match=message):
        markdown(text)


@pytest.mark.parametrize("head", ["draft: true", "published: false", "status: draft"])
def test_a_draft_stays_a_draft(head: str) -> None:
    assert markdown(f"---\ntitle: T\n{head}\n---\nx").status is Status.DRAFT
    assert markdown("---\ntitle: T\ndraft: false\n---\nx").status is Status.PUBLISHED
    assert markdown("---\ntitle: T\n---\nx", "_drafts/x.md").status is Status.DRAFT


def test_html_inside_markdown_becomes_markdown_and_code_stays() -> None:
    found = markdown('---\ntitle: T\n---\n<div class="x">Some <b>bold</b> words.</div>\n\n```html\n<b>code</b>\n```\n')
    assert found.body == "Some **bold** words.\n\n```html\n<b>code</b>\n```"
    assert found.remarks == ("its HTML became Markdown",)


def test_a_comment_goes_and_the_rest_stays_as_it_was_written() -> None:
    found = markdown("---\ntitle: T\n---\n* one\n* two\n\n<!-- more -->\n\nRest_of it[^1].\n\n[^1]: Note.\n")
    assert "* one\n* two" in found.body
    assert "[^1]: Note." in found.body
    assert "more" not in found.body


def test_shortcodes_are_told_not_guessed() -> None:
    assert "only its old tool understood" in markdown("---\ntitle: T\n---\na {{< youtube x >}} b").remarks[0]
    assert markdown("---\ntitle: T\n---\na `{{< youtube x >}}` b").remarks == ()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{{< figure src="a.png" alt="A key" caption="Found" >}}', "![A key](<a.png>)\n\nFound"),
        ('{{% figure src="a b.png" alt="A key" /%}}', "![A key](<a b.png>)"),
        ("{{< figure alt='x' >}}", "{{< figure alt='x' >}}"),
        ("{{< highlight sh >}}\nls {{ x }}\n{{< /highlight >}}", "```sh\nls {{ x }}\n```"),
        ("{% highlight ruby %}\nputs\n{% endhighlight %}", "```ruby\nputs\n```"),
        ('[a]({{< ref "b.md" >}}) [c]({{% relref "/d/e.md#f" %}})', "[a](b.md) [c](/d/e.md#f)"),
        ("[a]({% post_url 2016-02-04-b %}) [c]({% link d.md %})", "[a](2016-02-04-b) [c](d.md)"),
        ('[a]({{ site.baseurl }}/b) [c]({{ "/d" | relative_url }})', "[a](/b) [c](/d)"),
        ("[a]({filename}b.md) ![c]({static}/d.png) [e](|filename|f.md)", "[a](b.md) ![c](/d.png) [e](f.md)"),
        ("* TOC\n{:toc}\n\n{: .note}\nText{:.x}.", "\nText."),
        ("![a](b.png){width=50%} [c](d){:target='e'}\n\n## Why {#why}", "![a](b.png) [c](d)\n\n## Why"),
        ("Sets {a, b} and f(x){y} stay, and `{: .code}`.", "Sets {a, b} and f(x){y} stay, and `{: .code}`."),
    ],
)
def test_what_old_tools_add_and_markdown_can_say_becomes_markdown(text: str, shown: str) -> None:
    assert markdown(f"---\ntitle: T\n---\n{text}\n").body.strip() == shown.strip()


@pytest.mark.parametrize(
    "start", ["{{", "{%", "{{< figure ", "{{< highlight x ", "{% highlight a ", '{{< ref "', ") {#a"]
)
def test_what_an_old_tool_never_closed_stays_and_costs_no_minutes(start: str) -> None:
    """Each beginning without an end was looked for through the whole text: 180 kB took two minutes."""
    text = start * (100_000 // len(start))
    assert in_markdown(text) == text


def test_footnotes_that_pass_through_html_keep_their_words_and_are_told() -> None:
    found = markdown("---\ntitle: T\n---\nText[^1] <b>bold</b>.\n\n[^1]: The note.\n")
    assert found.body == "Text¹ **bold**.\n\n1. The note."
    assert found.remarks[1] == "its footnotes became raised numbers and a list at the end"


def test_the_way_back_of_a_page_s_footnote_goes_with_it() -> None:
    found = page(f"<h1>T</h1><p>{PROSE}<a href='#n'>[1]</a></p><p id=n>Note. <a href='#r'>\u21a9</a></p>")
    assert found.body.endswith("\\[1\\]\n\nNote.")


@pytest.mark.parametrize(
    ("head", "body", "summary"),
    [
        ('summary: "{{< lead >}}Beware of the lift.{{< /lead >}}"\n', "A story.", "Beware of the lift."),
        ('summary: "{{% ref x %}}"\n', "A story about a lift.", "A story about a lift."),
        ("", "{% include a.html %} A story about a lift.", "A story about a lift."),
    ],
)
def test_a_shortcode_does_not_come_into_the_summary_and_is_told(site: Site, head: str, body: str, summary: str) -> None:
    """Mails and indexes would print it, and no old tool is there to read it."""
    site.write("old/lift.md", f"---\ntitle: T\ndate: 2019-01-02\n{head}---\n{body}\n")
    told = site.must("import", "old", "--tlp", "CLEAR", "--write")
    assert f'summary: "{summary}"\n' in (site.folder / "articles/2019/lift.en.md").read_text(encoding="utf-8")
    assert "note: left out of the summary, since only its old tool understood it: {" in told


def test_links_of_a_page_that_would_run_or_lie_on_a_disk_are_told() -> None:
    found = page(
        f"<title>A title</title><p>{PROSE} <a href='javascript:x()'>open</a> <a href='file:///c/x'>disk</a>"
        " <a href='#top'>up</a></p>"
    )
    assert found.remarks == (
        "link left out, its words stay: javascript:x()",
        "link left out, its words stay: file:///c/x",
        "link left out, its words stay: #top",
    )


# --- feeds ------------------------------------------------------------------------------------------------------


def test_a_feed_gives_an_article_for_every_entry_with_full_text() -> None:
    path = SAMPLES / "feed.xml"
    full, teaser = read_feed_file(File(path, path.parent, "feed.xml", Kind.FEED), path.read_bytes())
    assert isinstance(full, Found)
    assert (full.title, str(full.day), full.authors) == ("Passwords & other pets", "2015-03-03", ("Ada Example",))
    assert full.body.startswith("The dog was called *Rex*")
    assert full.summary == "Names of pets make poor passwords."
    assert not isinstance(teaser, Found)
    assert "only a teaser" in str(teaser[1])


ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="fr"><entry><title>T</title>
<link rel="self" href="https://e.org/self"/><link href="https://e.org/a/usb/"/><published>2015-03-03T10:00:00Z</published>
<author><name>Ada</name></author><category term="devices"/><content type="{kind}">{content}</content></entry></feed>"""


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("html", f"&lt;p&gt;{PROSE}&lt;/p&gt;&lt;p&gt;{PROSE}{PROSE}&lt;/p&gt;"),
        ("xhtml", f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{PROSE}</p><p>{PROSE}{PROSE}</p></div>'),
        ("text", f"{PROSE}\n\n{PROSE}{PROSE}"),
    ],
)
def test_atom_says_what_kind_of_text_it_holds(kind: str, content: str) -> None:
    data = ATOM.format(kind=kind, content=content).encode()
    (found,) = read_feed_file(File(Path("f.xml"), Path(), "f.xml", Kind.FEED), data)
    assert isinstance(found, Found)
    assert found.body == f"{PROSE}\n\n{PROSE}{PROSE}"
    assert (found.language, found.address, found.name, found.themes) == (
        "fr",
        "https://e.org/a/usb/",
        "usb",
        ("devices",),
    )


def test_a_short_text_is_full_where_full_texts_stand_unless_it_is_no_text() -> None:
    """RSS descriptions of this length are teasers; Atom's content and content:encoded are what the author wrote."""
    for content, is_taken in (
        ("Take the stairs, and lock the door behind you.", True),
        ("Read on ...", False),
        ("Take the stairs, and lock the door behind you. Read more", False),
        ("The lift stood still for a whole day and \u2026", False),
    ):
        data = ATOM.format(kind="html", content=content).encode()
        (one,) = read_feed_file(File(Path("f.xml"), Path(), "f.xml", Kind.FEED), data)
        assert isinstance(one, Found) == is_taken


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<rss><channel><item><title>x", "no whole feed"),
        (
            b'<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss><item><title>&a;</title></item></rss>',
            "entities of its own",
        ),
        (b"<svg/>", "no RSS or Atom feed"),
        (b"<rss><channel/></rss>", "no entries"),
        (b"<rss>" + b"<item/>" * 2_001 + b"</rss>", "2,001 entries, 2,000 are the limit"),
    ],
)
def test_a_file_that_is_no_whole_feed_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(RefusedSource, match=message):
        read_feed_file(File(Path("f.xml"), Path(), "f.xml", Kind.FEED), data)


# --- finding ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<!DOCTYPE html><html>", Kind.PAGE),
        (b'<?xml version="1.0"?>\n<rss version="2.0">', Kind.FEED),
        (b'<?xml version="1.0"?><!-- x --><feed>', Kind.FEED),
        (b'\xef\xbb\xbf<?xml version="1.0"?><html xmlns="x">', Kind.PAGE),
        (b"---\ntitle: x\n---\n", Kind.MARKDOWN),
        (b"From: a\nTo: b\nSubject: c\n\nd", Kind.REPORT),
        (b"Subject: a title\n\nText", None),
        (b"A title\n\nText", None),
    ],
)
def test_a_file_is_recognised_by_its_first_bytes(data: bytes, kind: Kind | None) -> None:
    assert sniffed(data) is kind


def test_a_folder_is_searched_for_articles_alone(tmp_path: Path) -> None:
    """Companions of saved pages, hidden files, section pages and other endings are no articles; links are told."""
    for name in ("a.txt", "b.css", ".hidden.txt", "x_files/c.html", "_index.md", "sub/d.md", "robots.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    found = [one.shown if isinstance(one, File) else one[0] for one in files_of([tmp_path], None)]
    assert found == ["a.txt", "link.txt", "sub/d.md"]
    told = [str(one[1]) for one in files_of([tmp_path], None) if isinstance(one, tuple)]
    assert "links are not followed" in told[0]


def test_what_may_be_an_article_and_is_not_read_is_counted_or_told(tmp_path: Path) -> None:
    """Documents of other kinds are counted by ending; folders that are links, or too deep, are named."""
    deep = tmp_path / "/".join("d" * 22)
    deep.mkdir(parents=True)
    for name in ("a.docx", "b.RST", "d/c.docx", "d/pic.png", ".hidden.pdf", "x_files/e.pdf"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "elsewhere").symlink_to(tmp_path)
    assert passed_over([tmp_path, tmp_path / "a.docx"]) == {".docx": 2, ".rst": 1}
    told = dict(one for one in files_of([tmp_path], None) if isinstance(one, tuple))
    assert list(told) == ["elsewhere", "/".join("d" * 21)]
    assert "links are not followed" in str(told["elsewhere"])
    assert "import this one by itself" in str(told["/".join("d" * 21)])


def test_what_is_named_is_read_whatever_its_ending_and_kind_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "article.dat"
    path.write_text("T\n\nSome text.")
    (file,) = files_of([path], None)
    assert isinstance(file, File)
    assert file.kind is Kind.TEXT
    (as_page,) = files_of([path], Kind.PAGE)
    assert isinstance(as_page, File)
    assert as_page.kind is Kind.PAGE
    (gone,) = files_of([tmp_path / "gone"], None)
    assert not isinstance(gone, File)
    assert "cannot be read" in str(gone[1])


def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (file,) = files_of([tmp_path], None)
    assert isinstance(file, File)
    ((_, reason),) = read(file)  # type: ignore[misc]
    assert "no regular file" in str(reason)


def test_hreflang_pairs_pages_with_other_names(site: Site) -> None:
    """Two pages that name each other as translations become one article in two languages."""
    for name, language, other, title in (("stick", "en", "cle", "The stick"), ("cle", "fr", "stick", "La clé")):
        site.write(
            f"old/{name}.html",
            f'<html lang="{language}"><link rel="canonical" href="https://e.org/{name}">'
            f'<link rel="alternate" hreflang="x" href="https://e.org/{other}"><meta name="date" content="2019-01-02">'
            f"<h1>{title}</h1><p>{PROSE}</p></html>",
        )
    site.must("import", "old", "--tlp", "CLEAR", "--write")
    assert sorted(path.name for path in (site.folder / "articles/2019").iterdir()) == ["stick.en.md", "stick.fr.md"]
    assert [f for f in site.json("check")["findings"] if "stick" in f["path"]] == []
