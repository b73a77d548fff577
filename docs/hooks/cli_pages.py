"""Pages of the command line, made from the commands themselves when the site is built."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import typer

from docs.hooks import links
from microinterp.cli import app

FOLDER = "reference/cli"
_NAMED = re.compile(r"\b(docs|schemas)/([\w/-]+)\.md\b")


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that is not a group, with the words that call it."""
    for name, command in top():
        yield from _leaves((name,), command)


def top() -> list[tuple[str, Any]]:
    """The commands right below `microinterp`."""
    group: Any = typer.main.get_command(app)
    return [(name, group.get_command(None, name)) for name in group.list_commands(None)]


def navigation() -> list[tuple[str, str]]:
    """Title and path of each page, the overview first."""
    return [
        ("Overview", f"{FOLDER}/index.md"),
        *((name, f"{FOLDER}/{name}.md") for name, _ in top()),
    ]


def pages() -> dict[str, str]:
    """Path on the site to text, for all pages."""
    found = {f"{FOLDER}/{name}.md": _page(name, command) for name, command in top()}
    return {f"{FOLDER}/index.md": _overview(), **found}


def _leaves(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "list_commands"):
        yield words, command
        return
    for name in command.list_commands(None):
        yield from _leaves((*words, name), command.get_command(None, name))


def _overview() -> str:
    rows = []
    for words, command in commands():
        page = f"{words[0]}.md"
        anchor = "" if len(words) == 1 else "#" + "-".join(("microinterp", *words))
        summary = _linked(_paragraphs(command.help)[0])
        rows.append(f"| [`{' '.join(words)}`]({page}{anchor}) | {_cell(summary)} |")
    return "\n".join(
        [
            "# Command line",
            "",
            "`microinterp COMMAND --help` prints the same. Exit status: 0 good, 1 the answer is no"
            " (outputs differ, a model has errors), 2 bad use or a file that cannot be used.",
            "",
            "| command | what it does |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def _page(name: str, command: Any) -> str:
    lines = [f"# microinterp {name}", ""]
    if hasattr(command, "list_commands"):
        lines += [_body(_paragraphs(command.help)), ""]
        for words, leaf in _leaves((name,), command):
            lines += [f"## microinterp {' '.join(words)}", "", *_described(words, leaf)]
    else:
        lines += _described((name,), command)
    return "\n".join(lines)


def _described(words: tuple[str, ...], command: Any) -> list[str]:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [
        each
        for each in command.params
        if each.param_type_name == "option" and not getattr(each, "hidden", False)
    ]
    usage = " ".join(["microinterp", *words, *(["[OPTIONS]"] if options else [])])
    usage = " ".join([usage, *(_argument_form(each) for each in arguments)])
    lines = [f"`{usage}`", "", _body(_paragraphs(command.help)), ""]
    if arguments:
        rows = [f"| `{_argument_form(each)}` | {_meaning(each)} |" for each in arguments]
        lines += ["| argument | what it is |", "|---|---|", *rows, ""]
    if options:
        rows = [f"| {_option_form(each)} | {_meaning(each)} |" for each in options]
        lines += ["| option | what it does |", "|---|---|", *rows, ""]
    return lines


def _paragraphs(text: str | None) -> list[str]:
    return re.split(r"\n\s*\n", (text or "").strip())


def _body(paragraphs: list[str]) -> str:
    return _linked("\n\n".join(paragraphs))


def _linked(text: str) -> str:
    """Pages that a help text names become links."""

    def replace(found: re.Match[str]) -> str:
        page = links.page_of(found[0])
        return found[0] if page is None else f"[{links.title_of(found[0])}](../../{page})"

    return _NAMED.sub(replace, text)


def _argument_form(argument: Any) -> str:
    name = (argument.metavar or argument.name.upper()).strip("[]").removesuffix("...")
    name = f"{name}..." if argument.nargs == -1 else name
    return name if argument.required else f"[{name}]"


def _option_form(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if option.is_flag:
        return names
    return f"{names} `{option.metavar or _type_form(option)}`"


def _type_form(option: Any) -> str:
    """What to write for a value where the option itself does not say."""
    kind = option.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(str(member.value) for member in kind)
    if get_args(kind) and all(isinstance(choice, str) for choice in get_args(kind)):
        return "|".join(get_args(kind))
    return {int: "N", float: "X", Path: "FILE"}.get(kind, str(option.name).upper())


def _meaning(parameter: Any) -> str:
    parts = [_linked(parameter.help or "")]
    low, high = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if low is not None and high is not None:
        parts.append(f"From {low:,} to {high:,}.")
    elif low is not None:
        parts.append(f"At least {low:,}.")
    default = None if callable(parameter.default) else parameter.default
    is_told = default not in (None, "", (), []) and default is not False
    if is_told and not getattr(parameter, "is_flag", False):
        parts.append(f"Default: `{default}`.")
    if parameter.param_type_name == "option" and parameter.required:
        parts.append("Required.")
    return _cell(" ".join(part for part in parts if part))


def _cell(text: str) -> str:
    """A text for a table's cell; in code nothing is escaped, Python-Markdown takes it as it is."""
    parts = " ".join(text.split()).split("`")
    parts[::2] = [part.replace("|", "\\|").replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)
