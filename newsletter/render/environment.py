"""One environment for all templates, mail and web: strict, escaped, sandboxed, the same on every machine.

    templates = Templates([site / "templates"])
    html = templates.render(Language("en"), "web/article.html", article=article)

Templates print; what they print is decided in Python. They have ``_``/``{% trans %}`` (new style: values by
name, ``%%`` for a percent sign), ``words`` (words.py) and the filters ``markdown(heading_shift, id_prefix)``,
``tlp_colour`` and those of ``WORD_FILTERS`` below. Names ending in ``.txt`` are not escaped, all others are.
"""

from __future__ import annotations

from collections import defaultdict
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, Final

from jinja2 import (
    BytecodeCache,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    UndefinedError,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from newsletter.errors import ConfigError
from newsletter.html import to_html
from newsletter.render.colours import tlp_colour
from newsletter.render.words import words
from newsletter.resources import packaged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import CodeType

    from jinja2 import Environment
    from jinja2.bccache import Bucket

    from newsletter.model import Language

WORD_FILTERS: Final = (
    "date",
    "month",
    "short_month",
    "moment",
    "when",
    "number",
    "mean",
    "percent",
    "extent",
    "severity",
    "rsit",
    "language_name",
    "sentence",
)
# Chance has no place where the same input must give the same bytes.
RANDOM_GLOBALS: Final = ("lipsum",)
RANDOM_FILTERS: Final = ("random",)


class _Compiled(BytecodeCache):
    """What a template became, for every ``Templates`` of this process.

    The preview makes those anew when settings or templates change. Kept by language: the compiler prints constants that
    go through a filter, in that filter's language. Of each file the last text only.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, CodeType]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        checksum, code = self._kept.get(bucket.key, (None, None))
        bucket.code = code if checksum == bucket.checksum else None

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._kept[bucket.key] = (bucket.checksum, bucket.code)


_COMPILED: defaultdict[Language, _Compiled] = defaultdict(_Compiled)


class Templates:
    """The site's own templates first, then the packaged ones."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Look into ``folders`` in this order; the packaged templates always come last."""
        self._folders = tuple(dict.fromkeys([*folders, packaged("templates")]))
        self._loader = FileSystemLoader(self._folders)
        self._environments: dict[Language, Environment] = {}

    def environment(self, language: Language) -> Environment:
        """The environment of a language, made once. ConfigError if the language has no catalogue."""
        if language not in self._environments:
            self._environments[language] = _environment(self._loader, language)
        return self._environments[language]

    def render(self, language: Language, name: str, /, **values: Any) -> str:
        """One template with these values; ConfigError with file, line and variable where the template is wrong."""
        environment = self.environment(language)
        try:
            return environment.get_template(name).render(values)
        except TemplateError as error:
            raise ConfigError(self._fault(error, name)) from error

    def has(self, language: Language, name: str) -> bool:
        """Whether there is such a template."""
        try:
            self.environment(language).get_template(name)
        except TemplateNotFound as error:
            return error.name != name  # one that it includes is missing: rendering will say so
        except TemplateError:
            return True  # broken, and rendering will say where
        return True

    def _fault(self, error: TemplateError, name: str) -> str:
        if isinstance(error, TemplateNotFound):
            return f"{name}: there is no template {error.name!r}; the packaged templates are in {packaged('templates')}"
        if isinstance(error, TemplateSyntaxError):
            return f"{error.filename or error.name}:{error.lineno}: {error.message}"
        roots = tuple(f"{folder}/" for folder in self._folders)
        frames = [frame for frame in extract_tb(error.__traceback__) if frame.filename.startswith(roots)]
        place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else name
        return f"{place}: {error.message}; compare with the packaged template of that name"


def _environment(loader: FileSystemLoader, language: Language) -> Environment:
    speech = words(language)
    environment = ImmutableSandboxedEnvironment(
        loader=loader,
        bytecode_cache=_COMPILED[language],
        extensions=["jinja2.ext.i18n"],
        autoescape=_escaped,
        undefined=StrictUndefined,
        finalize=_something,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(speech.catalogue, newstyle=True)  # type: ignore[attr-defined]
    for name in RANDOM_GLOBALS:
        del environment.globals[name]
    for name in RANDOM_FILTERS:
        del environment.filters[name]
    environment.globals["words"] = speech
    environment.filters |= {name: getattr(speech, name) for name in WORD_FILTERS}
    environment.filters |= {"markdown": _markdown, "tlp_colour": tlp_colour}
    return environment


def _escaped(name: str | None) -> bool:
    """Everything is escaped but plain text."""
    return name is None or not name.endswith(".txt")


def _something(value: Any) -> Any:
    """Nothing prints as the word None: who has nothing to say prints the empty string."""
    if value is None:
        raise UndefinedError("a value is None, which is nothing to print")
    return value


def _markdown(text: str, heading_shift: int = 0, id_prefix: str = "") -> Markup:
    # to_html has parsed in safe mode and cleaned with nh3, so this is the one place where markup is trusted.
    return Markup(to_html(text, heading_shift=heading_shift, id_prefix=id_prefix))  # noqa: S704
