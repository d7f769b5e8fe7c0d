"""What commands share: finding the site, building the App, months as arguments, JSON on stdout."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from newsletter.errors import UsageError
from newsletter.model import Month

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.app import App
    from newsletter.config import Settings
    from newsletter.model import Address


class MonthType(click.ParamType[Month]):
    """A month as an argument: 2026-10."""

    name = "month"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Month:
        """Read it, or say how to write it."""
        if isinstance(value, Month):
            return value
        try:
            return Month.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


MONTH = MonthType()
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


def site_settings() -> Settings:
    """The settings of the site around the current folder."""
    from newsletter.config import find_site, load_settings  # noqa: PLC0415  # pydantic costs 0.1 s

    return load_settings(find_site(Path.cwd()))


@contextmanager
def opened_app(*, database: bool = True) -> Iterator[App]:
    """The site's App, closed at the end; ``database``: make sure that it is there and of our version."""
    from newsletter.app import build_app  # noqa: PLC0415  # SQLAlchemy and Jinja2 cost 0.4 s

    set_up_logging()
    app = build_app(site_settings())
    try:
        if database:
            app.ready_store()
        yield app
    finally:
        app.close()


def parsed_address(typed: str) -> Address:
    """A mail address as an argument; UsageError says what is wrong with it."""
    from newsletter.parsing import parse_address  # noqa: PLC0415  # Pydantic again

    try:
        return parse_address(typed)
    except ValueError as error:
        raise UsageError(str(error)) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Whatever the system refuses inside this block is told as about ``path``: a full disk names no file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def set_up_logging() -> None:
    """Logs on stderr; quiet unless ``newsletter --verbose``."""
    from newsletter.app import set_up_logging  # noqa: PLC0415

    context = click.get_current_context(silent=True)
    set_up_logging(verbose=bool(context and context.find_root().obj and context.find_root().obj["verbose"]))


def print_json(value: object) -> None:
    """One object, one line, on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))
