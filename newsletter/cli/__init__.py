"""The command line: a group that imports a command only when it is asked for, so that ``--help`` is quick."""

from __future__ import annotations

import errno
import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from newsletter import __version__
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from collections.abc import Sequence

GARBAGE: Final = 20_000

# name -> (module, attribute, one line for --help). The line stands here so that --help imports none of them.
COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "demo": ("demo", "demo", "Show everything on sample content: report, archive, mailbox."),
    "init": ("site", "init", "Make a new site."),
    "new": ("site", "new", "Start an article, an incident summary or an editor's note."),
    "import": ("importing", "import_", "Bring in articles and reports that exist; look first."),
    "check": ("checks", "check", "Find every fault in content, mails and pages."),
    "preview": ("preview", "preview", "See mail, page and findings live while you write."),
    "report": ("month", "report", "Compose and render one month into files; send and store nothing."),
    "publish": ("month", "publish", "Build the archive; mail nothing."),
    "approve": ("month", "approve", "Approve exactly these bytes of a month's report."),
    "send": ("month", "send", "Release a month's report and deliver it."),
    "pause": ("control", "pause", "Let nothing more of a month leave for now."),
    "resume": ("control", "resume", "Let a paused month go on."),
    "cancel": ("control", "cancel", "Send nothing more of a month, ever."),
    "sign": ("control", "sign", "Make a released month's signatures ahead of sending."),
    "settle": ("control", "settle", "Decide about letters that are held because nobody knows."),
    "status": ("month", "status", "Tell where a month stands."),
    "feeds": ("feeds", "feeds", "Fetch and list what the team follows elsewhere."),
    "subscribers": ("people", "subscribers", "Add, import, sync, export, erase and suppress subscribers."),
    "portals": ("portals", "portals", "Let an organisation's own portal use the JSON API."),
    "serve": ("serve", "serve", "Serve the archive and the pages of subscribers, and run the scheduler."),
    "keys": ("keys", "keys", "Make the keys that letters are signed with."),
    "db": ("operate", "database", "Make or upgrade the database."),
    "config": ("operate", "config", "Show the settings and where each comes from."),
}


# What the system refuses with these can only have been a writing.
WRITING: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
SYSTEM_REFUSED: Final = 5
OUR_MISTAKE: Final = 1


class LazyGroup(click.Group):
    """A group whose commands live in modules that are imported when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """In the order of a month's work, not of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command's module; click itself says 'did you mean' when there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"newsletter.cli.{module}"), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name for a typing mistake."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches  # noqa: PLC0415  # only after a mistake

            near = get_close_matches(args[0], COMMANDS, 1)
            ctx.fail(f"No such command '{args[0]}'." + (f" Did you mean '{near[0]}'?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list, without importing a single command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Begin with: newsletter demo",
)
@click.version_option(__version__, prog_name="newsletter")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens, on stderr.")
@click.pass_context
def cli(ctx: click.Context, *, verbose: bool) -> None:
    """A folder of Markdown becomes a monthly security report, and an archive that lasts."""
    ctx.obj = {"verbose": verbose}


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run a command; the text of a NewsletterError is all that a person sees of it, the exit code says which."""
    gc.set_threshold(GARBAGE)  # after so many new objects: nearly all that a command makes is needed to its end
    code = run(args)
    try:
        sys.stdout.flush()
    except OSError:  # told already; Python would tell it again while it ends, with an exit code of its own
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(args: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code (design section 8)."""
    try:
        result: Any = cli.main(args=list(args) if args is not None else None, standalone_mode=False)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output is gone, as with `| head`: nothing is wrong
        return 0
    except Exception as error:  # noqa: BLE001  # a person at a terminal reads sentences, not traces
        return _tell(error)
    return result if isinstance(result, int) else 0


def _tell(error: Exception) -> int:
    """Say what stopped the command; the exit code says it to programs."""
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, NewsletterError):
        _complain(str(error))
        return error.exit_code
    if isinstance(error, OSError):
        _complain(_refusal(error))
        return SYSTEM_REFUSED
    _confess(error)
    return OUR_MISTAKE


def _complain(text: str) -> None:
    click.echo(click.style("error: ", fg="red", bold=True) + text, err=True)


def _refusal(error: OSError) -> str:
    """Which file the system refuses, and why; it does not say whether we wanted to read or to write."""
    reason = error.strerror or str(error)
    path = error.filename2 or error.filename
    deed = "write" if error.errno in WRITING else "read or write"
    return f"cannot {deed}{'' if path is None else f' {path}'}: {reason}"


def _confess(bug: Exception) -> None:
    """What we did not think of: whoever reports it needs every line, and a reference to find it by in a log.

    Local variables are no part of it, since those hold addresses.
    """
    from secrets import token_hex  # noqa: PLC0415  # only after a mistake
    from traceback import format_exception  # noqa: PLC0415

    reference = token_hex(4)
    click.echo(f"{reference} failed unexpectedly\n{''.join(format_exception(bug))}", err=True, nl=False)
    _complain(f"this is a mistake in newsletter, not yours; please report the lines above (reference {reference})")
