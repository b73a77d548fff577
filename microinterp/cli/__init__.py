"""The command line: one file per sub-command, and `output` for what they share.

Exit status: 0 good, 1 the answer is no (outputs differ, a model has errors), 2 bad use or a file
that cannot be used.
"""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

import microinterp
from microinterp.cli import output
from microinterp.errors import InputError, MicrointerpError, printable, printable_path

_MARKUP: Final = "markdown"  # of the two modes of rich the one that joins lines of a paragraph
_COMMANDS = (
    "example", "inspect", "run", "verify", "ops", "plan", "golden", "compare", "explain", "report",
    "eval", "pack",
)  # fmt: skip
"""Each one is a module of this package, loaded when it is asked for: `command`, or an `app`."""
_FOR_BOARDS = {"board": "cli", "fit": "cli_fit"}
"""Commands of the package microinterp_boards, and their modules."""
_INTERRUPTED, _BROKEN_PIPE = 130, 141  # as shells report SIGINT and SIGPIPE


class _Commands(TyperGroup):
    """Turns the package's errors into one message and an exit status.

    Commands are loaded only when asked for; those for boards come from a package of their own.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Names for the help text."""
        return [*_COMMANDS, *(_FOR_BOARDS if find_spec("microinterp_boards") else ())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, None if there is none."""
        if cmd_name in _FOR_BOARDS and find_spec("microinterp_boards"):
            module = import_module(f"microinterp_boards.{_FOR_BOARDS[cmd_name]}")
            return typer.main.get_command(module.app)
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"microinterp.cli.{cmd_name}")
        app = getattr(module, "app", None)
        if app is None:
            app = typer.Typer(add_completion=False, rich_markup_mode=_MARKUP)
            app.command()(module.command)
        command = typer.main.get_command(app)
        command.name = cmd_name
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the arguments begin with; one that is only nearly there is named."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = get_close_matches(name, self.list_commands(ctx), n=1)
            ctx.fail(
                f"No such command '{printable(name)}'."
                + "".join(f" Did you mean '{each}'?" for each in near)
            )
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # a broken pipe shows here, not at the interpreter's end
            return result
        except MicrointerpError as error:
            output.show_error(error)
            raise typer.Exit(output.BAD_USE) from None
        except BrokenPipeError:
            output.give_up_stdout()
            raise typer.Exit(_BROKEN_PIPE) from None
        except OSError as error:  # a full disk behind stdout; a file that nothing else has caught
            if error.filename is None:
                output.give_up_stdout()
            what = (
                f"use '{printable_path(error.filename)}'" if error.filename else "write the output"
            )
            output.show_error(InputError(f"cannot {what}: {error.strerror or error}"))
            raise typer.Exit(output.BAD_USE) from None
        except KeyboardInterrupt:
            raise typer.Exit(_INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands,
    name="microinterp",
    pretty_exceptions_enable=False,
    rich_markup_mode=_MARKUP,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(microinterp.__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Run .tflite models bit for bit as TensorFlow Lite Micro runs them on the chip.

    No model at hand? `microinterp example` writes one, with data, and tells what to try.

    Exit status: 0 good, 1 the answer is no (outputs differ, a model has errors), 2 bad use or a
    file that cannot be used.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """Entry point of the `microinterp` command."""
    output.escape_what_cannot_be_encoded()
    app(prog_name="microinterp")
