"""What stands beside the picture is about the picture: no verdict of an earlier state, and the shown file's first."""

from __future__ import annotations

import asyncio
import signal

from newsletter.preview.judge import MAX_TOLD, Verdict
from newsletter.preview.studio import Studio
from newsletter.preview.subject import Subject
from tests.support.content import EN
from tests.support.sites import Site


def test_a_verdict_about_an_earlier_state_is_not_shown_beside_a_later_one(site: Site) -> None:
    """Judging takes seconds in a large archive: a file that was saved meanwhile is still to be judged."""
    subject = Subject("articles/2026/first.en.md", "articles", "first", EN)

    async def run() -> list[object]:
        studio = Studio(site.folder, "/p")
        news = studio.follow(subject)
        showing = await anext(news)
        assert showing is not None
        seen: list[object] = []
        studio._changed(set())  # saved while the first state is judged
        later = await anext(news)
        assert later is not None
        for version in (showing.version, later.version):  # type: ignore[union-attr]
            studio._verdicts[showing.month] = (version, Verdict(waived=version))  # type: ignore[union-attr,index]
            waiting = asyncio.ensure_future(anext(news))
            await asyncio.sleep(0)
            studio._tell()
            seen.append(await waiting)
        await news.aclose()  # type: ignore[attr-defined]
        return seen

    early, late = asyncio.run(run())
    assert early is None
    assert isinstance(late, Verdict)


def test_a_save_ends_the_judging_of_what_was_before(site: Site) -> None:
    """On a busy machine judging takes long: the newest state does not wait for an answer that nobody will be told."""
    subject = Subject("articles/2026/first.en.md", "articles", "first", EN)

    async def run() -> tuple[int, Verdict]:
        studio = Studio(site.folder, "/p")
        judging = asyncio.create_task(studio._keep_judging())
        news = studio.follow(subject)
        await anext(news)
        while (asked := studio._judge._asking) is None:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
        studio._changed(set())
        ended = await asked.wait()
        told = await anext(news)
        while not isinstance(told, Verdict):
            told = await anext(news)
        studio.stop()
        await judging
        await news.aclose()  # type: ignore[attr-defined]
        return ended, told

    ended, told = asyncio.run(run())
    assert ended == -signal.SIGKILL
    assert not told.failure


def test_what_is_said_of_the_shown_file_is_told_before_what_is_cut_off() -> None:
    """In an archive with more advice than a browser is sent, the writer's own file stands last by name."""
    many = [{"path": f"articles/2008/{n}.md", "severity": "advise"} for n in range(MAX_TOLD)]
    mine = {"path": "articles/2026/mine.md", "severity": "advise"}
    block = {"path": "articles/2026/other.md", "severity": "block"}
    told = Verdict((*many, mine, block), waived=3).told("articles/2026/mine.md")
    assert told.findings[:2] == (mine, block)
    assert (len(told.findings), told.more, told.waived) == (MAX_TOLD, 2, 3)
    assert Verdict((mine,)).told("").findings == (mine,)
