"""For every rule over texts, what it finds and what it leaves alone. A mark stands before what is to be found."""

from __future__ import annotations

import string
from dataclasses import dataclass

from newsletter.model import Standards
from tests.support.content import EN, FR
from tests.support.marked import Case, body, head, noted, told


@dataclass(frozen=True)
class Example:
    """Files in which a rule finds every marked place, and files in which no rule finds anything."""

    bad: tuple[Case, ...]
    good: tuple[Case, ...]


# Put together here, so that no scanner takes this file for a leak.
ALPHABET = string.ascii_letters + string.digits
AMAZON = "AKIA" + "QYLPMN5HHHFPZAM2"
GITHUB = "ghp_" + ALPHABET[:36]
PASSWORD = "vT9" + "#kq2Lw!7"
KEY_BEGINS = "-----BEGIN RSA " + "PRIVATE KEY-----"
JWT = ".".join(("eyJ" + "hbGciOiJIUzI1NiJ9", "eyJ" + "zdWIiOiIxMjM0In0", "c2lnbmF0dXJlLWhlcmU"))

HARD = (
    "Organisational accountability necessitates comprehensive documentation of administrative responsibilities, "
    "interdepartmental communication procedures, contractual obligations and technological vulnerabilities. "
)
DUR = (
    "L\u2019organisation administrative nécessite une documentation complète des responsabilités interdépartementales, "
    "des obligations contractuelles, des vulnérabilités technologiques et des procédures organisationnelles. "
)
EASY = "The cat sat on the mat and saw the dog. It ran up a tree and did not come down. "
FACILE = "Le chat dort sur le lit et voit le chien. Il monte sur le toit et ne descend plus. "
FORTY = "Words " + " ".join(["word"] * 38)

ANY_GRADE = Standards(max_grade={EN: 99.0})

EXAMPLES: dict[str, Example] = {
    "secret": Example(
        bad=(
            body(f"It began with\n\n    ¦{KEY_BEGINS}\n    MIIEpAIBAAKCAQEA\n"),
            body(f"- Somebody wrote `¦{AMAZON}` here."),
            body(f"See [there](https://git.example/?key=¦{GITHUB})."),
            body(f"```\nexport DB_PASSWORD='¦{PASSWORD}'\n```"),
            body(f"Der Token: ¦{PASSWORD} war es.\n\nEt le mot de passe\u00a0: ¦{PASSWORD}x"),
            body(f"`postgresql://app:¦{PASSWORD[:6]}x@db.meridian.example/app`"),
            body(f"It sent ¦{JWT} in the open."),
            body("`¦xoxb-" + "123456789012-abcdefABCDEF`, `¦glpat-" + ALPHABET[:20] + "`"),
            body("`¦AIza" + ALPHABET[:35] + "`, `¦npm_" + ALPHABET[:36] + "`"),
            body("`AccountKey=¦" + (ALPHABET * 2)[:86] + "==`, `¦sk_live_" + ALPHABET[:24] + "`"),
            body("`¦pypi-AgEIcHlwaS5vcmc" + ALPHABET + "`, `¦github_pat_" + ALPHABET[:40] + "`"),
            body("`¦sk-ant-" + ALPHABET[:40] + "`, `¦SG." + ALPHABET[:22] + "." + ALPHABET[:43] + "`"),
            body("`¦GOCSPX-" + ALPHABET[:28] + "`, [it](https://¦hooks.slack.com/services/T" + ALPHABET[:45] + ")"),
            told(internal=f"The intruder used the password: ¦{PASSWORD}", tlp="AMBER"),
            noted(f'in_brief: ["One", "The token=¦{PASSWORD} was found."]'),
        ),
        good=(
            body("The documented `AKIAIOSFODNN7EXAMPLE` and `password: changeme-now1` open nothing."),
            body('`password = os.environ["TOKEN_1"]`, `token: ${TOKEN_12345}`, `secret=xxxxxxxxxxxx1`'),
            body("The password: correct-horse-battery. A token: something. The secret: nothing at all."),
            body("His password was `Meridian2019!`, and `https://user:<password>@a.example/` is a pattern."),
            body("A digest: 0f343b0931126a20f133d67c2b018a3b, a commit b059705 and AKIA alone."),
        ),
    ),
    "personal-address": Example(
        bad=(
            body("Ask ¦jane.doe@meridian.lab or *¦jd@lab.ch*, in `¦code@lab.ch`.\n\nOr [Jane](mailto:¦jane@lab.ch)."),
            told(advice="- Write to ¦jane@lab.ch."),
            head(summary="Ask ¦jane@lab.ch for one."),
        ),
        good=(
            body("Write to Computer.Security@meridian.example, someone@example.org or a@b.test."),
            told(internal="jane@lab.ch reported it."),
            told("jane@lab.ch reported it.", tlp="GREEN"),
            head("status: draft", body="Ask jane@lab.ch."),
            body("Ask press@lab.ch, or jd[@]lab[.]ch.", house=Standards(public_addresses=("press@*",))),
            body("An @ alone, user@host and @handle@ are no mailboxes."),
        ),
    ),
    "personal-phone": Example(
        bad=(
            body("Call ¦+41 22 345 67 89, ¦+41 (0)22 345 67 89 or ¦0041 22 345 67 89."),
            body("Appelez le ¦01 42 68 53 00, ¦06.12.34.56.78 ou ¦0612345678.", language=FR),
            body("Call ¦022 345 67 89, ¦(212) 736-5000 or ¦212-736-5000."),
            told("They called from ¦+33 1 42 68 53 00."),
        ),
        good=(
            body(
                "On 2026-10-06, 06.10.2026 or 06/10/2026 at 12:30; CVE-2026-12345; version 10.0.19041.1; 192.0.2[.]10."
            ),
            body("ISBN 978-2-07-036822-8, ISSN 2049-3630, 10.1109/5.771073, INC-2026-0140, 35,000 of 1 000 000 000."),
            body("In films they call 212-555-0123, +1 212 555 0123, 01 99 00 12 34 or +44 20 7946 0123."),
            body("Call +41 22 345 67 89.", house=Standards(public_phones=("+41 (0)22 345 67 89",))),
            body("The digest 0612345678ab, `a0612345678` and 22/10 are none. See RFC 5737 and RFC 3849."),
        ),
    ),
    "private-name": Example(
        bad=(
            body("It ran on ¦Srv-Files01, as ¦jdoe.", house=Standards(private_names=("srv-*", "jdoe"))),
            told("See ¦db.int.meridian.example.", house=Standards(private_names=("*.int.meridian.example",))),
            body("In `¦jdoe`, and [there](https://git.example/¦jdoe).", house=Standards(private_names=("JDoe",))),
        ),
        good=(
            body("jdoes, a-jdoe and srv are other words.", house=Standards(private_names=("srv-*", "jdoe"))),
            told(internal="It ran as jdoe.", house=Standards(private_names=("jdoe",))),
        ),
    ),
    "live-indicator": Example(
        bad=(
            told("It led to ¦https://login.evil.top/a, and `¦http://evil.top`."),
            told("It came from ¦1.2.3.4 and ¦2606:4700:4700::1111.", advice="- Block ¦evil-login.com now."),
            told("They registered ¦meridian-example.com, and *¦cdn.evil.ru*."),
        ),
        good=(
            told("It led to hxxps://login.evil[.]top/a, from 1.2.3[.]4 to 192.0.2.7, 10.0.0.1 and 2001:db8::1."),
            told("See https://security.meridian.example/x, www.meridian.example and https://www.example.com/."),
            told("They stole setup.exe, notes.md and report.pdf from version 1.2.3.4, e.g. Mr.Doe, at 13:58:20."),
            told("[The vendor](https://vendor.com/advice) asks you to go to vendor.com. MAC 00:00:5e:00:53:01."),
            told(internal="It came from 1.2.3.4."),
            told("It came from 1.2.3.4.", tlp="AMBER"),
        ),
    ),
    "address-live": Example(
        bad=(
            body("Never open ¦http://evil.top, nor ¦1.2.3.4, nor `¦https://evil.top/x`."),
            noted('in_brief: ["Never open ¦https://evil.top."]'),
        ),
        good=(
            body(
                "Never open hxxp://evil[.]top. Do open <https://vendor.com/> and [this page of theirs](https://a.com)."
            ),
            body(
                "A name like evil.top is no address, and version 1.2.3.4 none either. `http://localhost:8080` is here."
            ),
            body("Read [their advice][1].\n\n[1]: https://vendor.com/"),
        ),
    ),
    "marker-left": Example(
        bad=(
            body("¦TODO: more. And ¦TK here, ¦FIXME, ¦XXX.\n\n¦Lorem ipsum."),
            body("Voir ¦[à compléter].\n\n¦À COMPLÉTER", language=FR),
            head(title="¦TBD in October"),
            told("It began ¦[to be completed] there."),
        ),
        good=(
            body("Grep for `TODO` or:\n\n    # FIXME\n\nThe atk-TK-1 is a model, todo lists are lists."),
            body("Un formulaire à compléter, que nous voulons traduire.", language=FR),
            head("status: draft", body="TODO"),
        ),
    ),
    "shortcode-left": Example(
        bad=(
            body('¦{{< figure src="a.png" >}}\n\nSee ¦{{% ref "b" %}} and *¦{% post_url 2019-05-12-b %}*.'),
            body("Ours is at ¦{{ site.url }}, and\n¦{{ site\n.title }}."),
            head(title="About ¦{{ page.title }}"),
            told("It began ¦{{ there }}."),
            noted("action:", '  title: "Now"', '  text: "Read ¦{{ this }}."'),
        ),
        good=(
            body("Write `{{ name }}`, ``{{< x >}}`` or:\n\n    {% if x %}\n\n```\n{{% y %}}\n```"),
            body("Sets {a}, {{b}, {% and}, a {{ that is never closed\n\nand }} in another paragraph, 5 %} off."),
            head("status: draft", body="{{ x }}"),
        ),
    ),
    "direction-turned": Example(
        bad=(
            body("It is ¦\u202etxt.exe¦\u202c, `if ¦\u2066x¦\u2069`."),
            body("```\n¦\u202aa\n```\n\nSee [it](/en/¦\u202da)."),
            head(title="A ¦\u202bstick", summary="What ¦\u2067everybody¦\u2069 knows."),
            head('authors: ["Jane", "John ¦\u2068Doe"]', "status: draft"),
            head("license: CC ¦\u202eBY", 'authors: ["Jane", John]'),
            noted("authors: [A, ¦\u202eB]"),
            told(internal="An ¦\u202eothers alone¦\u202c.", tlp="AMBER"),
        ),
        good=(
            body("\u05e9\u05dc\u05d5\u05dd is peace, \u0633\u0644\u0627\u0645\u200f too; `U+202E` turns."),
            head('authors: ["Ren\u00e9 D."]'),
        ),
    ),
    "word-banned": Example(
        bad=(
            body(
                "We ¦Leverage it in the ¦cyber\nspace.",
                house=Standards(banned_words={EN: {"leverage": "use", "cyber space": ""}}),
            ),
            told("Some ¦cyber thing.", house=Standards(banned_words={EN: {"cyber": ""}})),
        ),
        good=(
            body(
                "We leveraged it; `leverage` [x](https://a.example/leverage).",
                house=Standards(banned_words={EN: {"leverage": "use"}}),
            ),
            body("Leverage", house=Standards(banned_words={FR: {"leverage": ""}})),
        ),
    ),
    "link-text-lies": Example(
        bad=(
            body("Go to ¦[https://bank.example/](https://evil.example/)."),
            body("Go to ¦[bank.example](https://evil.example/) or ¦[www.bank.example/login](/en/)."),
            body("Ask ¦[a@meridian.example](mailto:b@meridian.example) or ¦[bank[.]example](https://evil.example)."),
            body("See ¦[https://bank.example/x](https://bank.example/y) or ¦[bank.example/x](https://bank.example/)."),
            body("Ask ¦[us at a@meridian.example](mailto:b@meridian.example) on ¦[our www.bank.example](/en/)."),
        ),
        good=(
            body("[https://bank.example/X/](https://www.bank.example/x), [bank.example](https://www.bank.example/y)"),
            body("[How bank.example was copied](https://a.example/), [mail of a@bank.example](https://a.example/m)"),
            body("[a@meridian.example](mailto:a@meridian.example), <https://bank.example/>, <a@meridian.example>"),
            body("[security.meridian.example](/en/), [setup.exe](https://a.example/), [e.g. this one](/en/)"),
        ),
    ),
    "link-shortener": Example(
        bad=(
            body("See ¦[the form](https://bit.ly/3abc) and ¦[a film](https://www.tinyurl.com/x)."),
            noted("elsewhere:", '  - link: "¦https://t.co/abc"', '    why: "It matters."'),
        ),
        good=(body("See [the form](https://habit.ly/3abc), [another](https://bit.ly.example/)."),),
    ),
    "link-text-vague": Example(
        bad=(
            body("Click ¦[here](https://a.example/), ¦[**Read more**](/en/) or ¦[this page »](https://b.example/)."),
            body("Cliquez ¦[ici](/fr/) pour ¦[en savoir plus…](https://a.example/).", language=FR),
        ),
        good=(body("Read [more about sticks](https://a.example/) [^1].\n\n[^1]: A note."),),
    ),
    "link-text-repeated": Example(
        bad=(body("See [the form](https://a.example/) and ¦[The form](https://b.example/)."),),
        good=(body("See [the form](https://a.example/), [the form](https://a.example/) and [another](/en/)."),),
    ),
    "reference-missing": Example(
        bad=(
            body("See [the minutes]¦[minutes] and the note.¦[^2]\n\n[^1]: Another one."),
            told("It is told elsewhere.¦[^a]"),
        ),
        good=(
            body("See [the minutes][Minutes] and the note.[^1]\n\n[minutes]: https://a.example/\n[^1]: This one."),
            body("In `[a][b]` and \\[^2], see [it](https://a.example/) or evil[.]example[.]com.\n\n    x[i][j]"),
        ),
    ),
    "link-long": Example(
        bad=(
            body(f"See ¦[the form](https://a.example/{'x' * 233})."),
            noted("elsewhere:", f'  - link: "¦https://a.example/{"x" * 233}"', '    why: "It matters."'),
        ),
        good=(body(f"See [the form](https://a.example/{'x' * 232})."),),
    ),
    "link-plain-http": Example(
        bad=(body("See ¦[the form](http://a.example/).\n\n> ¦<HTTP://b.example/>"),),
        good=(body("See [the form](https://a.example/http://x), [another](/en/), ![A cat](cat.png)."),),
    ),
    "heading-order": Example(
        bad=(
            body("Text.\n\n¦# One\n\n## Two\n\n¦#### Three"),
            body("¦### One\n\n## Two\n\n### Three"),
            told("Text.\n\n¦#### Deep"),
        ),
        good=(body("## One\n\n### Two\n\n## Three"), told("Text.\n\n### Fine\n\n#### Deeper"), noted(body="## One")),
    ),
    "heading-repeated": Example(
        bad=(body("## What to do\n\nThis.\n\n## Else\n\n¦## What to *do*."),),
        good=(body("## What to do\n\n## What to do next\n\n`## What to do`"),),
    ),
    "heading-empty": Example(bad=(body("## One\n\n¦##\n\nText."),), good=(body("## `#`\n\nText #."),)),
    "alt-weak": Example(
        bad=(
            body("¦![cat.JPG](cat.jpg) ¦![cat](cat.jpg) ¦![Image of a cat](a.png) ¦![photo d\u2019un chat](b.png)"),
            body(f"¦![{'x ' * 100}y](cat.png)"),
            head("image: stick.png", 'image_alt: "¦Photo"'),
        ),
        good=(
            body(f"![A cat asleep](cat.jpg) ![{'x ' * 99}yy](b.png) ![Imagery from above](c.png)"),
            head("image: stick.png", 'image_alt: "A stick with a label"'),
        ),
    ),
    "title-shouts": Example(
        bad=(head(title="¦A STICK WAS FOUND"), noted("action:", '  title: "¦CHECK YOUR PHONE"', '  text: "Now."')),
        good=(
            head(title="GDPR"),
            head(title="About TLS AND TCP"),
            head(title="CVE-2026-1234"),
            head(title="NIS2 DORA"),
        ),
    ),
    "title-ends": Example(
        bad=(head(title="A stick was found¦."),),
        good=(
            head(title="A stick..."),
            head(title="Sticks, cables, etc."),
            head(title="Found?"),
            head(title="In the U.S."),
        ),
    ),
    "summary-long": Example(
        bad=(head(summary="What now? " * 30 + "¦Ok?"),),
        good=(head(summary="What now? " * 29 + "What now?"),),
    ),
    "summary-is-title": Example(
        bad=(head(title="A stick was found", summary="¦A stick  was found."),),
        good=(head(title="A stick was found", summary="A stick was found on the stairs."),),
    ),
    "sentence-long": Example(
        bad=(body(f"Short.\n\n- ¦It {FORTY}\n  ends. Short."), body(f"One. ¦It {FORTY}, e.g. so.\nAnd two.")),
        good=(
            body(
                f"It {FORTY}. {FORTY}\n\n{FORTY}\n- {FORTY}\n\n## {FORTY}\n{FORTY}\n\n| {FORTY} | {FORTY} |\n|---|---|",
                house=ANY_GRADE,
            ),
            body(f"Note.[^1]\n\n[^1]: It {FORTY} {FORTY}."),
        ),
    ),
    "too-long": Example(
        bad=(body("¦One two three. Four.", house=Standards(max_words=3)),),
        good=(body("One two `and` 3.\n\n## Four", house=Standards(max_words=3)),),
    ),
    "reading-level": Example(
        bad=(
            body("¦" + HARD * 8),
            body("¦" + DUR * 8, language=FR),
            body("¦" + EASY * 6, house=Standards(max_grade={EN: -5.0})),
        ),
        good=(
            body(EASY * 6),
            body(FACILE * 6, language=FR),
            body(HARD * 2),
            body(HARD * 8, house=Standards(max_grade={EN: 50.0})),
        ),
    ),
}
