"""Pictures: read beside the article that names them, freed of what they tell about people, shown on its page alone."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.checks import check_content
from newsletter.checks.house import House
from newsletter.collect import pictures
from newsletter.collect.metadata import kind_of, without_metadata
from newsletter.collect.pictures import MAX_PICTURE_BYTES, MAX_PICTURES_PER_ARTICLE, read_pictures
from newsletter.model import Article, Collected, Gravity
from newsletter.parsing import DOOR_RULES
from newsletter.render.press import POLICY
from newsletter.render.prose import mail_html
from tests.support.archive import build, sample_site, text_of
from tests.support.content import EN, FR, article, incident, note, publication
from tests.support.pictures import SECRET, chunk, exif, gif, jpeg, png, riff, segment, webp
from tests.support.sites import ARTICLE, Site

# --- metadata -----------------------------------------------------------------------------------


TELLING = {
    "png texts, time, Exif, earlier versions": (
        png(
            chunk(b"tEXt", SECRET),
            chunk(b"zTXt", SECRET),
            chunk(b"iTXt", SECRET),
            chunk(b"eXIf", SECRET),
            chunk(b"tIME", SECRET),
            chunk(b"caBX", SECRET),
            tail=SECRET,
        ),
        png(),
    ),
    "jpeg Exif, XMP, IPTC, a comment, a film behind it": (
        jpeg(
            exif(1),
            segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SECRET),
            segment(0xE2, b"MPF\0" + SECRET),
            segment(0xED, b"Photoshop 3.0\0" + SECRET),
            segment(0xFE, SECRET),
            tail=SECRET,
        ),
        jpeg(),
    ),
    "gif comments and XMP": (
        gif(
            b"!\xfe" + bytes([len(SECRET)]) + SECRET + b"\0",
            b"!\xff\x0bXMP DataXMP" + bytes([len(SECRET)]) + SECRET + b"\0",
            tail=SECRET,
        ),
        gif(),
    ),
    "webp Exif and XMP": (webp(riff(b"EXIF", SECRET), riff(b"XMP ", SECRET + b"!"), tail=SECRET), webp(flags=0x10)),
}


@pytest.mark.parametrize(("told", "kept"), TELLING.values(), ids=TELLING.keys())
def test_nothing_is_published_about_where_and_by_whom_a_picture_was_made(told: bytes, kept: bytes) -> None:
    """What is left is the very picture without them."""
    assert SECRET in told
    assert without_metadata(told) == kept


SEEN = {
    "png": png(chunk(b"gAMA", b"\0\0\xb1\x8f"), chunk(b"iCCP", b"p\0\0x"), chunk(b"tRNS", b"\0\1")),
    "jpeg": jpeg(segment(0xE2, b"ICC_PROFILE\0\1\1..."), segment(0xEE, b"Adobe\0\x64\0\0\0\0\1"), b"\xff"),
    "gif": gif(b"!\xf9\x04\0\0\0\0\0", b"!\xff\x0bNETSCAPE2.0\x03\1\0\0\0"),
    "webp": webp(riff(b"ICCP", b"..."), riff(b"ALPH", b".."), flags=0x30),
}


@pytest.mark.parametrize("data", SEEN.values(), ids=SEEN.keys())
def test_what_a_browser_shows_stays(data: bytes) -> None:
    """Colours, transparency, movement: but for bytes that fill up, the same bytes."""
    assert without_metadata(data) == data.replace(b"\xff\xff\xdb", b"\xff\xdb")


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_photo_taken_with_the_phone_upright_stays_upright(order: str) -> None:
    """Its pixels lie on their side, and Exif alone says so: that one number stays, the place goes."""
    cleaned = without_metadata(jpeg(exif(6, order)))
    assert SECRET not in cleaned
    assert b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0" in cleaned
    assert without_metadata(cleaned) == cleaned


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_there_is_not_is_none(orientation: int) -> None:
    assert without_metadata(jpeg(exif(orientation))) == jpeg()


@pytest.mark.parametrize("whole", [png(), jpeg(exif(6)), gif(), webp()], ids=["png", "jpeg", "gif", "webp"])
def test_half_a_picture_is_none(whole: bytes) -> None:
    """Wherever it breaks off."""
    for length in range(len(whole)):
        with pytest.raises(ValueError, match=r"no PNG|ends too early|follow each other"):
            without_metadata(whole[:length])


@given(st.sampled_from([png(), jpeg(exif(6)), gif(), webp()]), st.data())
def test_any_bytes_are_cleaned_or_refused(whole: bytes, data: st.DataObject) -> None:
    """Never another error; cleaned once is clean."""
    at = data.draw(st.integers(0, len(whole)))
    changed = whole[:at] + data.draw(st.binary(max_size=8)) + whole[at + data.draw(st.integers(0, 8)) :]
    try:
        cleaned = without_metadata(changed)
    except ValueError:
        return
    assert kind_of(cleaned) == kind_of(changed)
    assert without_metadata(cleaned) == cleaned


# --- beside the article --------------------------------------------------------------------------


def beside(root: Path, name: str, data: bytes) -> Path:
    path = root / "articles" / "2026" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def with_body(body: str, **changes: object) -> Article:
    return article(body=body, lines={"image": 7, "body": 10}, **changes)


def faults(root: Path, *articles: Article) -> list[tuple[str, int, str]]:
    """Rule, line and message of what keeps these articles out; each blocks, and says how to mend it."""
    _, findings = read_pictures(root, articles)
    assert all(f.gravity is Gravity.BLOCK and f.fix and f.place.path.startswith("articles/") for f in findings)
    assert all(f.rule in DOOR_RULES for f in findings)
    return [(f.rule, f.place.line, f.message) for f in findings]


def test_pictures_are_those_that_an_article_names(tmp_path: Path) -> None:
    """In its front matter or in its body, once each; what nobody names stays where it is."""
    for name, data in {
        "a.png": png(),
        "b.jpeg": jpeg(exif(1)),
        "c.gif": gif(),
        "d.webp": webp(),
        "e.png": png(),
    }.items():
        beside(tmp_path, name, data)
    shown = with_body("![b](b.jpeg) ![c](c.gif)\n\n![d][1] ![a](a.png)\n\n[1]: d.webp", image="a.png", image_alt="A")
    found, findings = read_pictures(tmp_path, [shown])
    assert findings == ()
    assert found == {
        ("passwords", "a.png"): png(),
        ("passwords", "b.jpeg"): jpeg(),
        ("passwords", "c.gif"): gif(),
        ("passwords", "d.webp"): without_metadata(webp()),
    }


BAD = {
    "an SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image-kind", "is no picture, whatever its name says"),
    "another kind": (jpeg(), "image-kind", "is a jpeg picture under another name"),
    "half of one": (png()[:-9], "image-kind", "is damaged: it ends too early"),
    "too large": (png(tail=b"." * MAX_PICTURE_BYTES), "image-size", "has more than 3,000,000 bytes"),
}


@pytest.mark.parametrize(("data", "rule", "message"), BAD.values(), ids=BAD.keys())
def test_what_is_no_picture_is_refused(tmp_path: Path, data: bytes, rule: str, message: str) -> None:
    """By its bytes, whatever its name, in the line that names it."""
    beside(tmp_path, "a.png", data)
    shown = with_body("One.\n\n![a](a.png)\n")
    assert faults(tmp_path, shown) == [(rule, 12, f"the picture a.png {message}")]


def test_a_missing_picture_is_named_where_the_article_names_it(tmp_path: Path) -> None:
    shown = with_body("One.\n\n![b](b.png)", image="a.png", image_alt="A")
    assert [(rule, line) for rule, line, _ in faults(tmp_path, shown)] == [("image-missing", 7), ("image-missing", 12)]


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    """No link out of the site, no pipe that would keep us waiting."""
    beside(tmp_path, "real.png", png())
    (tmp_path / "articles/2026/a.png").symlink_to("real.png")
    os.mkfifo(tmp_path / "articles/2026/b.png")
    found = faults(tmp_path, with_body("![a](a.png) ![b](b.png)"))
    assert [rule for rule, _, _ in found] == ["image-missing", "file-kind"]


@pytest.mark.parametrize("target", ["../a.png", "/a.png", "x/a.png", ".a.png", "%2e%2e%2fa.png", "a.svg", "a.png?x"])
def test_images_are_named_as_files_beside_the_article(tmp_path: Path, target: str) -> None:
    """No other folder, nothing hidden, no kind that can carry scripts."""
    beside(tmp_path, "a.png", png())
    ((rule, line, message),) = faults(tmp_path, with_body(f"![a]({target})"))
    assert (rule, line) == ("image-name", 10)
    assert message == f'the image is "{target}", no picture beside the article'


def test_an_article_has_so_many_pictures_and_no_more(tmp_path: Path) -> None:
    beside(tmp_path, "a.png", png())
    names = [f"{number}.png" for number in range(MAX_PICTURES_PER_ARTICLE + 1)]
    for name in names:
        beside(tmp_path, name, png())
    lines = "\n".join(f"![a]({name})" for name in names)
    found = faults(tmp_path, with_body(lines))
    assert found == [("image-too-many", 10 + MAX_PICTURES_PER_ARTICLE, "the article has 21 pictures, 20 are the limit")]
    assert faults(tmp_path, with_body(lines.rpartition("\n")[0])) == []


def test_language_versions_in_two_folders_share_their_pictures(tmp_path: Path) -> None:
    """Their pages lie at addresses with the same slug, so one name is one picture."""
    beside(tmp_path, "a.png", png())
    other = tmp_path / "articles/2025/a.png"
    other.parent.mkdir()
    other.write_bytes(png(chunk(b"gAMA", b"\0\0\xb1\x8f")))
    versions = (with_body("![a](a.png)"), with_body("![a](a.png)", language=FR, path="articles/2025/passwords.fr.md"))
    assert [rule for rule, _, _ in faults(tmp_path, *versions)] == ["image-differs"]
    other.write_bytes(png(chunk(b"tEXt", SECRET)))
    assert faults(tmp_path, *versions) == []


def test_the_endings_that_are_read_are_those_that_may_be_named() -> None:
    """The door's list and the reader's are the same."""
    endings = [ending for known in pictures.ENDINGS.values() for ending in known]
    assert endings == ["png", "jpg", "jpeg", "gif", "webp"]
    assert all(pictures.picture(f"a.{ending}") for ending in endings)


# --- on pages, in letters --------------------------------------------------------------------------


def shown_site(base: str = "https://security.meridian.example") -> dict[str, bytes]:
    one = with_body("See ![A *red* stick](stick.png).", image="label.png", image_alt='A "label"', summary="S.")
    site = sample_site(
        publication=publication(base_url=base, languages=(EN, FR)),
        articles=(one,),
        editions=(),
        pictures={
            ("passwords", "stick.png"): b"stick",
            ("passwords", "label.png"): b"label",
            ("hidden", "x.png"): b"x",
        },
    )
    return build(site)


@pytest.mark.parametrize("base", ["", "/security"])
def test_a_page_shows_its_pictures_in_every_language(base: str) -> None:
    """Where a text falls back too; pictures come before the pages, and those of no shown article not at all."""
    pages = shown_site("https://www.meridian.example" + base)
    order = list(pages)
    for language in ("en", "fr"):
        folder = f"{language}/articles/passwords"
        assert (pages[f"{folder}/stick.png"], pages[f"{folder}/label.png"]) == (b"stick", b"label")
        assert order.index(f"{folder}/stick.png") < order.index(f"{folder}/index.html")
        html = text_of(pages, f"{folder}/index.html")
        assert re.findall(r"<img [^>]*>", html) == [
            f'<img src="{base}/{folder}/label.png" alt="A &#34;label&#34;">',
            f'<img src="{base}/{folder}/stick.png" alt="A red stick">',
        ]
        assert "style=" not in html
    assert not [path for path in pages if path.endswith("x.png")]
    assert "img-src 'self'" in POLICY


def test_the_feed_shows_pictures_by_their_full_address() -> None:
    """A feed reader does not know where the text came from."""
    address = "https://www.meridian.example/security/en/articles/passwords/stick.png"
    feed = text_of(shown_site("https://www.meridian.example/security"), "en/feed.xml")
    assert f'img src="{address}" alt="A red stick"'.replace('"', "&#34;") in feed


def test_a_report_tells_the_words_of_a_picture() -> None:
    """On its page and in the feed: what stood beside the article may have changed since."""
    site = sample_site()
    edition = site.editions[-1]
    body = 'See ![A <b> "stick"](stick.png "T").\n\n![](rule.png)\n\n![gone](https://elsewhere.example/x.png)'
    report = edition.reports[EN]
    told = replace(report, articles=(replace(report.articles[0], body=body), *report.articles[1:]))
    pages = build(sample_site(editions=(replace(edition, reports={EN: told}),)))
    html = text_of(pages, "en/reports/2026-10/index.html")
    assert "<img" not in html
    assert "See <em>[A &lt;b&gt; &#34;stick&#34;]</em>." in html
    assert "<em>[gone]</em>" in html
    assert "stick.png" not in text_of(pages, "en/feed.xml")


def test_letters_carry_words_instead_of_pictures() -> None:
    """No file, no address: its words, and nothing where it has none."""
    html = mail_html(
        "See ![A stick](stick.png). ![](rule.png)", publication(), page="https://x.example/", heading_shift=0
    )
    assert html.strip() == "<p>See <em>[A stick]</em>. </p>"


# --- for editors -----------------------------------------------------------------------------------


def test_an_image_without_words_and_one_that_nobody_shows_are_worth_a_word() -> None:
    """Advice: an image may be mere ornament."""
    items = Collected(
        articles=(with_body("One.\n\n![](a.png) ![A key](b.png)"),),
        notes=(note(body="![ ](c.png)", lines={"body": 4}),),
        incidents=(incident(advice="![A door](d.png)"),),
    )
    found = check_content(items, House(publication(languages=(EN,))))
    assert {finding.gravity for finding in found} == {Gravity.ADVISE}
    assert sorted((f.rule, f.place.line, f.message.split()[2]) for f in found) == [
        ("image-not-shown", 1, "d.png"),
        ("image-not-shown", 4, "c.png"),
        ("image-words-missing", 4, "c.png"),
        ("image-words-missing", 12, "a.png"),
    ]


def test_a_picture_goes_from_the_folder_to_the_archive(site: Site) -> None:
    """Published without its metadata, refused before that while anything is wrong with it."""
    path = site.folder / "articles/2026/first.en.md"
    text = path.read_text()
    path.write_text(text.replace("tlp:", "image: a.png\ntlp:") + "\n![A stick](b.jpg)\n")
    assert site.newsletter("check") == 1
    assert "[image-alt-missing]" in site.out
    path.write_text(path.read_text().replace("tlp:", "image_alt: A\ntlp:"))
    assert site.newsletter("check") == 1
    assert site.out.count("[image-missing]") == 2
    assert site.newsletter("publish") != 0
    assert not (site.folder / "archive").exists()
    beside(site.folder, "a.png", png(chunk(b"tEXt", SECRET)))
    beside(site.folder, "b.jpg", jpeg(exif(1)))
    site.must("check")
    site.must("publish")
    assert (site.folder / "archive/en/articles/first/a.png").read_bytes() == png()
    assert (site.folder / "archive/en/articles/first/b.jpg").read_bytes() == jpeg()


def test_a_picture_of_an_article_that_is_not_public_stays_inside(site: Site) -> None:
    """Neither a stricter label nor a draft shows its pictures."""
    text = (site.folder / "articles/2026/first.en.md").read_text()
    inside = ARTICLE.format(title="What stays inside", tlp="GREEN")
    site.write("articles/2026/inside.en.md", inside + "\n![a](a.png)\n")
    site.write("articles/2026/later.en.md", text.replace("---\n", "---\nstatus: draft\n", 1) + "\n![a](a.png)\n")
    beside(site.folder, "a.png", png())
    site.must("publish")
    assert (site.folder / "archive/en/articles/first/index.html").exists()
    assert list((site.folder / "archive").rglob("*.png")) == []
