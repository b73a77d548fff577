"""The command line: one file per sub-command, and `output` for what they share.

Exit status: 0 good, 1 the answer is no (outputs differ, a model has errors), 2 bad use or a file
that cannot be used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import microinterp
from microinterp.cli import eval as evaluation
from microinterp.cli import compare, explain, inspect, ops, output, pack, plan, report, run, verify
from microinterp.cli.golden import app as golden_app
from microinterp.errors import MicrointerpError

_FOR_BOARDS = {"board": "cli", "fit": "cli_fit"}
"""Commands of the package microinterp_boards, and their modules."""
_INTERRUPTED, _BROKEN_PIPE = 130, 141  # as shells report SIGINT and SIGPIPE


class _Commands(TyperGroup):
    """Turns the package's errors into one message and an exit status.

    The commands for boards come from a package of their own and are loaded only when asked for.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Names for the help text."""
        more = _FOR_BOARDS if find_spec("microinterp_boards") else ()
        return [*super().list_commands(ctx), *more]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, None if there is none."""
        if cmd_name in _FOR_BOARDS and find_spec("microinterp_boards"):
            module = import_module(f"microinterp_boards.{_FOR_BOARDS[cmd_name]}")
            return typer.main.get_command(module.app)
        return super().get_command(ctx, cmd_name)

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
        except KeyboardInterrupt:
            raise typer.Exit(_INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands,
    name="microinterp",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # of the two modes the one that joins lines of a paragraph
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

    Exit status: 0 good, 1 the answer is no (outputs differ, a model has errors), 2 bad use or a
    file that cannot be used.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


app.command("inspect")(inspect.command)
app.command("run")(run.command)
app.command("verify")(verify.command)
app.command("ops")(ops.command)
app.command("plan")(plan.command)
app.command("compare")(compare.command)
app.command("explain")(explain.command)
app.command("eval")(evaluation.command)
app.command("pack")(pack.command)
app.command("report")(report.command)
app.add_typer(golden_app, name="golden")


def main() -> None:
    """Entry point of the `microinterp` command."""
    output.escape_what_cannot_be_encoded()
    app(prog_name="microinterp")
