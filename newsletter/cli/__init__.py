"""The command line: a group that imports a command only when it is asked for, so that ``--help`` is quick."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from newsletter import __version__
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from collections.abc import Sequence

# name -> (module, attribute, one line for --help). The line stands here so that --help imports none of them.
COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "demo": ("demo", "demo", "Show everything on sample content: report, archive, mailbox."),
    "init": ("site", "init", "Make a new site."),
    "new": ("site", "new", "Start an article, an incident summary or an editor's note."),
    "check": ("site", "check", "Find every fault in the content."),
    "report": ("month", "report", "Compose and render one month into files; send and store nothing."),
    "publish": ("month", "publish", "Build the archive; mail nothing."),
    "approve": ("month", "approve", "Approve exactly these bytes of a month's report."),
    "send": ("month", "send", "Release a month's report and deliver it."),
    "status": ("month", "status", "Tell where a month stands."),
    "feeds": ("feeds", "feeds", "Fetch and list what the team follows elsewhere."),
    "subscribers": ("people", "subscribers", "List, add, import and export subscribers."),
    "serve": ("serve", "serve", "Serve the archive and the unsubscribe page, and run the scheduler."),
    "db": ("operate", "database", "Make or upgrade the database."),
    "config": ("operate", "config", "Show the settings and where each comes from."),
}


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
    sys.exit(run(args))


def run(args: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code (design section 8)."""
    try:
        result: Any = cli.main(args=list(args) if args is not None else None, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except NewsletterError as error:
        click.echo(click.style("error: ", fg="red", bold=True) + str(error), err=True)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output is gone, as with `| head`: nothing is wrong
        return 0
    return result if isinstance(result, int) else 0
