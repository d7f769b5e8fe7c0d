"""A whole report, as compose would make it: for tests of mail, archive, delivery and for the preview."""

# ruff: noqa: RUF001 -- French has typographic apostrophes

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

from newsletter.model import (
    Action,
    ArticleItem,
    Count,
    ElsewhereItem,
    Extent,
    Figures,
    IncidentItem,
    IncidentStatus,
    Language,
    Month,
    Precision,
    Publication,
    Report,
    Restatement,
    RsitClass,
    Severity,
    Tlp,
    When,
)

EN = Language("en")
FR = Language("fr")
OCTOBER = Month(2026, 10)


def sample_publication() -> Publication:
    """Meridian Laboratory, in two languages."""
    return Publication(
        name="Monthly Security Report",
        organisation="Meridian Laboratory",
        team={EN: "the Computer Security Team", FR: "l’équipe de sécurité informatique"},
        base_url="https://security.meridian.example",
        website="https://security.meridian.example/",
        contact="Computer.Security@meridian.example",
        from_address="report@security.meridian.example",
        reply_to="Computer.Security@meridian.example",
        languages=(EN, FR),
        description={
            EN: "What happened, what it taught us, and what you can do about it.",
            FR: "Ce qui s’est passé, ce que nous en avons appris et ce que vous pouvez faire.",
        },
        license="CC BY 4.0",
        list_id="monthly-report.security.meridian.example",
        zone="Europe/Zurich",
        has_forms=True,
        themes={
            "accounts": {EN: "Accounts", FR: "Comptes"},
            "phishing": {EN: "Phishing", FR: "Hameçonnage"},
            "social-media": {EN: "Social media", FR: "Réseaux sociaux"},
        },
        verify={
            EN: "The digest of every edition is on our verification page. A report that asks you to sign in is forged.",
            FR: "L’empreinte de chaque édition figure sur notre page de vérification. "
            "Un rapport qui vous demande de vous connecter est un faux.",
        },
    )


def sample_report(*, language: Language = EN, quiet: bool = False) -> Report:
    """October 2026. In French one incident exists in English only; a quiet one has no incident and no note."""
    report = _french(_english()) if language == FR else replace(_english(), language=language)
    return _quiet(report) if quiet else report


def _quiet(report: Report) -> Report:
    nothing = tuple(replace(c, now=0) for c in report.figures.by_class if c.before)
    return replace(
        report,
        title=None,
        note="",
        note_authors=(),
        in_brief=(),
        action=None,
        incidents=(),
        figures=Figures(
            total=replace(report.figures.total, now=0),
            by_class=nothing,
            by_severity=tuple(replace(c, now=0) for c in report.figures.by_severity),
            history=(*report.figures.history[:-1], (OCTOBER, 0)),
        ),
        elsewhere=(),
        corrections=(),
        restatements=(),
        entry_keys=(),
    )


# --- English -----------------------------------------------------------------


def _english() -> Report:
    return Report(
        month=OCTOBER,
        language=EN,
        audience="public",
        tlp=Tlp.CLEAR,
        title="A voice is a credential too",
        note=NOTE,
        note_language=EN,
        note_authors=("Computer Security Team",),
        in_brief=(
            "Twelve incidents in October, against ten in September and a mean of nine.",
            "A telephone call in a copied voice opened one account for 54 minutes; its owner read our notice.",
            "Of 240 people who received a false invoice, 31 reported it, the first 15 minutes before our alarm.",
        ),
        action=Action(
            "Check where your account is signed in",
            "Open your account page, choose *Devices and sessions*, and read the list as you would read a bank "
            "statement. Sign out everything that you do not recognise. If a line surprises you, write to "
            "[Computer.Security@meridian.example](mailto:Computer.Security@meridian.example) before you tidy it away.",
        ),
        incidents=_incidents(),
        figures=_figures(),
        articles=_articles(),
        elsewhere=_elsewhere(),
        corrections=(
            "Our September report said that the badge readers were replaced in May. They were replaced in *June*.",
        ),
        restatements=(Restatement(Month(2026, 9), was=9, now=10),),
        entry_keys=(("coordination-centre", "voice-cloning"),),
    )


def _incidents() -> tuple[IncidentItem, ...]:
    return (
        IncidentItem(
            id="INC-2026-051",
            title="A familiar voice on the telephone",
            rsit=RsitClass("intrusions", "unprivileged-account-compromise"),
            severity=Severity.HIGH,
            tlp=Tlp.CLEAR,
            detected=When(datetime(2026, 10, 13, 14, 2), Precision.MINUTE),
            status=IncidentStatus.CLOSED,
            summary=VOICE,
            language=EN,
            lessons="- A voice is no proof of identity any more, and neither is knowing what stands on a public page.\n"
            "- The dull notice about a changed second factor was read at once, and that ended the matter.",
            advice="If you receive a notice about a change that **you did not make**, call us first and read it "
            "again afterwards.",
            users_affected=Extent(1, 1),
        ),
        IncidentItem(
            id="INC-2026-050",
            title="A false invoice in 240 mailboxes",
            rsit=RsitClass("fraud", "phishing"),
            severity=Severity.MEDIUM,
            tlp=Tlp.CLEAR,
            detected=When(datetime(2026, 10, 2, 9, 40), Precision.MINUTE),
            status=IncidentStatus.CLOSED,
            summary=INVOICE,
            language=EN,
            lessons="The first report was 15 minutes ahead of our own alarm. Readers are our quickest sensor.",
            advice="Open the purchasing system from your own bookmark, never from the button of a message.",
            users_affected=Extent(9, 9),
            cves=(),
        ),
        IncidentItem(
            id="INC-2026-047",
            title="A forgotten test server answers the Internet",
            rsit=RsitClass("vulnerable", "vulnerable-system"),
            severity=Severity.LOW,
            tlp=Tlp.CLEAR,
            detected=When(datetime(2026, 9, 1), Precision.MONTH),
            status=IncidentStatus.CONTAINED,
            summary="A test server from 2019 still ran a version with a known flaw. Nobody had used it, inside or out.",
            language=EN,
            assets_affected=Extent(1, 3),
            cves=("CVE-2024-99901", "CVE-2025-99902"),
            late=True,
        ),
        IncidentItem(
            id="INC-2026-053",
            title="The day the data centre was pretend-flooded",
            rsit=RsitClass("availability"),
            severity=Severity.CRITICAL,
            tlp=Tlp.CLEAR,
            detected=When(datetime(2026, 10, 22), Precision.DAY),
            status=IncidentStatus.CLOSED,
            summary="For one morning thirty colleagues worked as if the cooling had burst. It had not.",
            language=EN,
            is_exercise=True,
        ),
    )


def _figures() -> Figures:
    history = (9, 7, 4, 8, 11, 9, 6, 12, 10, 8, 13, 10, 12)
    return Figures(
        total=Count("total", now=12, before=10, mean=8.9167, months=12),
        by_class=(
            Count("fraud", now=5, before=4, mean=3.25, months=12),
            Count("intrusion-attempts", now=3, before=1, mean=1.5, months=12),
            Count("information-content-security", now=2, before=0, mean=0.8333, months=12),
            Count("intrusions", now=1, before=1, mean=0.5, months=12),
            Count("malicious-code", now=1, before=2, mean=1.6667, months=12),
            Count("vulnerable", now=0, before=2, mean=1.1667, months=12),
        ),
        by_severity=(
            Count("4", now=0, before=0, mean=0.0833, months=12),
            Count("3", now=2, before=1, mean=0.9167, months=12),
            Count("2", now=4, before=3, mean=3.0833, months=12),
            Count("1", now=6, before=6, mean=4.8333, months=12),
        ),
        history=tuple((OCTOBER.shift(n - 12), count) for n, count in enumerate(history)),
    )


def _articles() -> tuple[ArticleItem, ...]:
    return (
        ArticleItem(
            slug="social-media-dos-and-donts",
            title="Social media: your voice, our name",
            date=date(2026, 10, 6),
            summary="A birthday cake, a whiteboard and a result that nobody was to see yet.",
            tlp=Tlp.CLEAR,
            language=EN,
            authors=("Computer Security Team",),
            themes=("social-media",),
            body=ARTICLE,
        ),
        ArticleItem(
            slug="the-sign-in-you-did-not-start",
            title="The sign-in you did not start",
            date=date(2026, 10, 1),
            summary="The page was genuine, the padlock was real and the security key did its job. "
            "A stranger was let in all the same.",
            tlp=Tlp.CLEAR,
            language=EN,
            authors=("Computer Security Team", "Service Desk"),
            themes=("phishing", "accounts"),
        ),
        ArticleItem(
            slug="six-random-words",
            title="Six random words",
            date=date(2026, 10, 20),
            summary="Why a sentence that means nothing to anybody is the best password you will ever remember.",
            tlp=Tlp.CLEAR,
            language=EN,
            themes=("accounts",),
        ),
    )


def _elsewhere() -> tuple[ElsewhereItem, ...]:
    return (
        ElsewhereItem(
            title="Voice cloning and the help desk: what held up",
            link="https://coordination-centre.example/guidance/voice-cloning-help-desks",
            source="European Coordination Centre",
            summary="Three ways to verify a caller, tried at eleven organisations.",
            language=EN,
            why="Our Service Desk has adopted the first of the three, the call back, after the case of 13 October.",
            also=("National Cyber Office", "Example CERT"),
        ),
        ElsewhereItem(
            title="Mail gateway: remote code execution without sign-in",
            link="https://advisories.example.org/2026/10/mail-gateway",
            source="Example Advisories",
            summary="Versions before 8.4.2 run what a crafted attachment tells them to run.",
            language=EN,
            why="Our mail passes through this product; the correction was installed here on 6 October.",
        ),
        ElsewhereItem(
            title="Les voleurs d’informations, un an après",
            link="https://cert.example.net/avis/voleurs-d-informations",
            source="CERT Exemple",
            summary="Bilan des logiciels qui copient les sessions ouvertes d’un navigateur.",
            language=FR,
        ),
    )


NOTE = """\
October is the month in which everybody talks about computer security. This year somebody talked to our
Service Desk, in a voice that was not their own, and for 54 minutes that was enough. We do not blame the
colleague who took the call: between people who know each other a voice has always been proof, and it has only
just ceased to be one.

Now the good news. Three of this month's incidents came to light because somebody wrote or called. Please remain
curious. We like to be kept busy.
"""

VOICE = """\
At 13:08 on Tuesday a caller who sounded exactly like one of our group leaders asked the Service Desk for a new
second factor: the old telephone lay at the bottom of a lake. The story matched a public post about a holiday. At
13:31 the new factor was active, at 14:02 its owner, quite dry, read our automatic notice and called us.

By 14:25 all sessions were closed. One mailbox had been open for **54 minutes**; nothing was sent from it.
"""

INVOICE = """\
On Friday morning 240 of our 20 000 mailboxes received a message about an unpaid conference invoice. The button
led to a copy of our sign-in page, `hxxps://meridian-billing[.]example/invoice`. 31 people forwarded it to us, 27
opened the page and 9 typed a password. All nine passwords were changed on the same day.
"""

ARTICLE = """\
Last spring a researcher in one of our collaborations posted a photograph of a birthday cake. Behind the cake
stood a whiteboard; on the whiteboard was the plot that her colleagues had taken care not to mention for two years.

Nobody had been hacked and nobody meant any harm. The cake, we hear, was delicious.

## Who is speaking?

You have a right to a private life, to opinions and to a dog, and nothing forbids you to write about them. Trouble
starts when your readers cannot tell whether they hear your voice or the Laboratory's.

> Keep two voices apart. The private one says "I"; the professional one is agreed with the Press Office.

## Dos and don'ts

| Do | Don't |
| --- | --- |
| Say whether you speak for yourself or for your team. | Put the logo on a private account. |
| Look at the background first: badges, screens, boards. | Show your brand-new badge. |
| Tell about a journey once you are back. | Announce who leaves, where to and until when. |

## When it goes wrong

1. **Keep a trace.** Take a screenshot that shows address and time.
2. **Limit the damage.** Take the post down if it is yours, and close all other sessions.
3. **Tell us.** If an approval request comes out of nowhere, read about
   [the sign-in you did not start](/en/articles/the-sign-in-you-did-not-start/) before you touch it.

The published method[^1] has a section on precisely this, and the [labels](https://www.first.org/tlp/) say who
may read what.

[^1]: [RFC 8628](https://www.rfc-editor.org/rfc/rfc8628), section 5.4.
"""


# --- French -----------------------------------------------------------------


def _french(report: Report) -> Report:
    voices, gateway, stealers = report.elsewhere
    return replace(
        report,
        language=FR,
        title="La voix aussi est un mot de passe",
        note="En octobre, tout le monde parle de sécurité informatique. Cette année, quelqu’un en a parlé à notre "
        "centre de services, avec une voix qui n’était pas la sienne, et cela a suffi pendant 54 minutes.\n",
        note_language=FR,
        note_authors=("équipe de sécurité informatique",),
        in_brief=(
            "Douze incidents en octobre, contre dix en septembre et neuf en moyenne.",
            "Un appel passé avec une voix copiée a ouvert un compte pendant 54 minutes.",
            "Sur les 240 destinataires d’une fausse facture, 31 l’ont signalée.",
        ),
        action=Action(
            "Vérifiez où votre compte est connecté",
            "Ouvrez la page de votre compte, choisissez *Appareils et sessions* et lisez la liste comme vous liriez "
            "un relevé bancaire.",
        ),
        incidents=_french_incidents(*report.incidents),
        articles=_french_articles(*report.articles),
        elsewhere=(
            replace(voices, why="Notre centre de services a adopté la première des trois méthodes, le rappel."),
            replace(
                gateway, why="Notre courrier passe par ce produit ; le correctif est installé depuis le 6 octobre."
            ),
            stealers,
        ),
        corrections=("Les lecteurs de badges ont été remplacés en *juin*, et non en mai.",),
    )


def _french_incidents(
    voice: IncidentItem, invoice: IncidentItem, late: IncidentItem, exercise: IncidentItem
) -> tuple[IncidentItem, ...]:
    return (
        replace(
            voice,
            language=FR,
            title="Une voix familière au téléphone",
            summary="Mardi à 13 h 08, une personne dont la voix était celle d’un chef de groupe a demandé au "
            "centre de services un nouveau second facteur. À 14 h 02, le titulaire lisait notre avis.",
            lessons="Une voix ne prouve plus l’identité de personne.",
            advice="Si un avis annonce un changement que vous n’avez pas fait, appelez-nous d’abord.",
        ),
        replace(
            invoice,
            language=FR,
            title="Une fausse facture dans 240 boîtes aux lettres",
            summary="Le bouton menait à `hxxps://meridian-billing[.]example/invoice`. Neuf mots de passe ont "
            "été saisis, puis changés le jour même.",
            lessons="Le premier signalement a devancé notre propre alarme de 15 minutes.",
            advice="Ouvrez le système d’achats depuis votre propre signet.",
        ),
        late,
        exercise,
    )


def _french_articles(lead: ArticleItem, sign_in: ArticleItem, words: ArticleItem) -> tuple[ArticleItem, ...]:
    return (
        replace(
            lead,
            language=FR,
            title="Réseaux sociaux : votre voix, notre nom",
            summary="Un gâteau d’anniversaire, un tableau blanc et un résultat que personne ne devait encore voir.",
            body="Au printemps dernier, une chercheuse a publié la photo d’un gâteau d’anniversaire. Derrière le "
            "gâteau, un tableau blanc.\n\n## Qui parle ?\n\nGardez deux voix distinctes.\n",
        ),
        replace(
            sign_in,
            language=FR,
            title="La connexion que vous n’avez pas demandée",
            summary="La page était la vraie, le cadenas aussi. Un inconnu est entré quand même.",
        ),
        words,
    )
