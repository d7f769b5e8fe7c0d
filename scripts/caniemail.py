"""Make the compact data that the rule ``mail-css-unsupported`` reads, from the npm package caniemail (MIT).

npm pack caniemail@2.0.2 && tar xzf caniemail-2.0.2.tgz && python scripts/caniemail.py package

For each name of CSS: the mail programs whose newest tested version does not know it. The names are read out of the
titles of caniemail.com, as the package itself does.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "newsletter" / "checks" / "mails" / "data"
PROPERTIES = {
    "left, right, top, bottom": ["left", "right", "top", "bottom"],
    "gap, column-gap, row-gap": ["gap", "column-gap", "row-gap"],
    "background shorthand": ["background"],
    "font shorthand": ["font"],
    "color-scheme CSS property": ["color-scheme"],
    "block-size & inline-size": ["block-size", "inline-size"],
    "margin-inline & margin-block": ["margin-inline", "margin-block"],
    "padding-inline & padding-block": ["padding-inline", "padding-block"],
    "border-inline & border-block": ["border-inline", "border-block"],
    "grid-template-* properties": ["grid-template-columns", "grid-template-rows", "grid-template-areas"],
    "css column properties": ["column-width", "column-rule", "column-span", "column-fill"],
}
SELECTORS = {
    "Adjacent sibling combinator": "+",
    "General sibling combinator": "~",
    "Child combinator": ">",
    "Descendant combinator": " ",
    "Attribute selector": "[]",
    "Universal selector *": "*",
    "Chaining selectors": ".a.b",
    "ID selector": "#",
}


def main() -> None:
    """Write caniemail.json and the licence beside it."""
    package = Path(sys.argv[1])
    source = json.loads((package / "data" / "caniemail.json").read_text(encoding="utf-8"))
    version = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    made: dict[str, Any] = {
        "source": f"npm caniemail {version}, data of caniemail.com as of {source['last_update_date'][:10]}",
        "license": "MIT, see LICENSE beside this file",
    }
    for feature in source["data"]:
        if feature["category"] == "css":
            for kind, name in named(feature["title"].strip()):
                made.setdefault(kind, {})[name] = unsupporting(feature["stats"])
    TARGET.mkdir(parents=True, exist_ok=True)
    (TARGET / "caniemail.json").write_text(json.dumps(made, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    (TARGET / "LICENSE").write_bytes((package / "LICENSE").read_bytes())
    print({kind: len(names) for kind, names in made.items() if isinstance(names, dict)})


def named(title: str) -> list[tuple[str, str]]:  # noqa: C901, PLR0911 -- one line for each kind of title
    """What a title speaks of: (kind, name) pairs; none for what no style can be searched for."""
    if title in PROPERTIES:
        return [("properties", name) for name in PROPERTIES[title]]
    if title == "!important keyword":
        return [("keywords", "important")]
    if title in SELECTORS:
        return [("selectors", SELECTORS[title])]
    if title.startswith("@media ("):
        return [("media", name) for name in re.findall(r"\(([a-z-]+)\)", title)]
    if title.startswith("@"):
        return [("at-rules", title.removeprefix("@"))]
    if title.startswith(":") or title == "lang()":
        return [("pseudo", ":" + title.lstrip(":").removesuffix("()"))]
    if title == "CSS Variables (Custom Properties)":
        return [("functions", "var")]
    if pair := re.fullmatch(r"([a-z-]+):\s*([a-z-]+)", title):
        return [("values", f"{pair[1]}:{pair[2]}")]
    if found := re.findall(r"([a-z-]+)\(\)", title):
        return [("functions", name) for name in found]
    if title.endswith(" unit"):
        return [("units", title.removesuffix(" unit"))]
    bare = re.sub(r" (?:property|shorthand)$", "", title)
    if re.fullmatch(r"[a-z-]+(?: & [a-z-]+)*", bare):
        return [("properties", name) for name in bare.split(" & ")]
    return []


def unsupporting(stats: dict[str, dict[str, dict[str, str]]]) -> str:
    """The programs (family.platform) whose newest version has an "n"."""
    found = sorted(
        f"{family}.{platform}"
        for family, platforms in stats.items()
        for platform, versions in platforms.items()
        if list(versions.values())[-1].startswith("n")
    )
    return " ".join(found)


if __name__ == "__main__":
    main()
