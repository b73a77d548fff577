"""One thing has one name: in the command line, in Python, in JSON, on boards and in the glossary.

Where two surfaces name a thing differently, a table below says so and why.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from docs.hooks.cli_pages import commands
from microinterp import Interpreter, golden
from microinterp.compare import Comparison
from microinterp.evaluation import Settings
from microinterp.evaluation.runners import AGAINST
from microinterp.explain import Explanation, explain
from microinterp.inputs import Reading
from microinterp.packed.tiers import TIERS
from microinterp.passes import run_passes
from microinterp.quant.profile import PROFILES
from microinterp.sides.choice import NAMES as RUNTIMES
from microinterp.testing.settings import RUNTIMES as PLUGIN_RUNTIMES
from microinterp_boards import Board, virtual_board
from microinterp_boards.runtime import manifest
from microinterp_boards.validate import Validation
from tests.cli import good_json
from tests.eval_data import DIGITS_MODEL

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {" ".join(words): command for words, command in commands()}

SEVERAL_MEANINGS: Mapping[str, str] = {
    "--all": "everything there is: ops, rows, boards",
    "--back": "models have names, there is one program",
    "--baud": "flash opens a port only after its work, and needs a number",
    "--board": "one of the table of boards; in results the text of any board's name",
    "--heap": "a size to make, a size to take in place of the table's",
    "--image-range": "run tells what the words mean; the others name it",
    "--input": "explain takes one for each input of the model, report one for each file",
    "--frontend": "run tells what it is; eval names it",
    "--json": "report has a page, too",
    "--label": "to give, and to look for",
    "--labels": "run tells what it is; eval names it",
    "--name": "of C's names; of the model on a board",
    "--output-index": "of the model; of an op",
    "--output": "each command writes its own kind of file",
    "--per-op": "run times ops, validate compares them",
    "--plot": "of two runs; of all of them",
    "--port": "flash has boards that are not in the inventory",
    "--profile": "check takes the bundle's unless told",
    "--remove": "as --back",
    "--results": "bench writes there; the others read it",
    "--sample": "golden show and explain show it in their own ways",
    "--samples": "to make, to take at most, or which: the help text says it",
    "--stride": "run tells what it is; eval names it",
    "--tensors": "inspect lists them, golden record keeps them",
    "--top": "run shows as many, eval counts within as many",
    "--wait": "for a port that is in use; for a bootloader",
    "--with": "report names what compare tells",
}
"""Options that are not worded alike in all commands that have them, with the reason."""


def options(command: str) -> dict[str, Any]:
    """The options of a command, by their first long name."""
    return {
        next(name for name in each.opts if name.startswith("--")): each
        for each in COMMANDS[command].params
        if each.param_type_name == "option"
    }


def spelled(parameter: str) -> str:
    return "--" + parameter.replace("_", "-")


def parameters(of: Callable[..., Any]) -> dict[str, Any]:
    """Names and defaults of what a user may give; Ellipsis where there is no default."""
    return {
        each.name: ... if each.default is each.empty else each.default
        for each in inspect.signature(of).parameters.values()
        if each.name not in ("self", "cls", "progress")
    }


def test_an_option_is_worded_alike_in_every_command() -> None:
    wordings: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    for name in COMMANDS:
        for option, each in options(name).items():
            default = None if callable(each.default) else each.default
            shape = (tuple(each.opts), each.metavar, bool(each.is_flag), str(default))
            wordings[option].add((*shape, " ".join((each.help or "").split())))
    several = {option for option, found in wordings.items() if len(found) > 1}
    assert several - SEVERAL_MEANINGS.keys() == set()
    assert SEVERAL_MEANINGS.keys() - several == set(), "one wording by now: take it off the list"


def test_every_option_says_what_it_takes_and_does() -> None:
    for name in COMMANDS:
        for option, each in options(name).items():
            assert each.help, (name, option)
            assert each.is_flag or each.metavar or each.type_descriptor, (name, option)
            assert re.search(r"[.\])]$", each.help), (name, option, each.help)
            assert each.help[0].isupper() or ":" in each.help, (name, option, each.help)


PASSES = {"ram_limit": "--ram"}  # takes 64K; Python takes bytes
PYTHON: tuple[tuple[str, Callable[..., Any], Mapping[str, str]], ...] = (
    ("plan", Interpreter.__init__, PASSES),
    ("plan", run_passes, PASSES),
    ("run", Reading, {}),
    ("golden record", golden.record, {"path": "--output"}),  # -o is a file in every command
    ("golden check", golden.check, {"path": "bundle"}),
    ("explain", explain, {"inputs": "--input", "output": "--output-index"}),  # --output: a file
    ("eval", Settings, {"output": "--output-index", "k": "--top", "names": "--labels"}),
    ("board deploy", Board.deploy, {"mpy_set": "--set", **PASSES}),  # `set` is Python's
    ("board validate", Board.validate, PASSES),
    ("board bench", Board.bench, PASSES),
    ("board mlperf", Board.mlperf, PASSES),
    ("board virtual", virtual_board, {}),
)
"""Command, what does it in Python, and parameters whose option has another name, with the reason
beside it."""
PYTHON_ALONE: Mapping[str, str] = {
    "arena_size": "a bytearray to run in: the command line shows sizes",
    "exact": "the command line is exact",
    "given": "words for whoever reads the explanation",
    "kernels": "same bytes; eval alone is asked for time",
    "prepared": "what a model file has become",
    "preserve_all_tensors": "`--planner linear` shows its arena",
    "profile": "plan looks at the profile tflm",
    "reading": "of options of its own: see `run`",
    "registry": "operators in Python",
    "strips": "boards' form of patches, which `pack` takes by itself",
}
OTHER_DEFAULTS: Mapping[tuple[str, str], str] = {
    ("explain", "sample"): "in Python the last of a sequence",
    ("explain", "index"): "a scalar's index is left out on the command line",
    ("golden record", "seed"): "None where inputs are the caller's",
    ("run", "image_range"): "a word is parsed",
    ("eval", "names"): "a file of names, else that beside the model",
}


@pytest.mark.parametrize("row", PYTHON, ids=lambda row: f"{row[0]}-{row[1].__qualname__}")
def test_a_parameter_has_its_options_name_and_default(
    row: tuple[str, Callable[..., Any], Mapping[str, str]],
) -> None:
    command, function, renamed = row
    arguments = {e.name for e in COMMANDS[command].params if e.param_type_name == "argument"}
    there = options(command)
    for name, default in parameters(function).items():
        option = renamed.get(name, spelled(name))
        if name in arguments or option in arguments:
            assert name not in renamed or spelled(name) not in there
            continue
        if name in PYTHON_ALONE and option not in there:
            continue
        assert option in there, f"{command} has no {option} for {name}"
        assert name not in renamed or spelled(name) not in there, f"{command} has {name} too"
        if (command, name) in OTHER_DEFAULTS or default is ...:
            continue
        told = there[option].default
        assert told == (None if default == () else default), (command, name)


def test_every_exception_is_needed() -> None:
    names = {name for _, function, _ in PYTHON for name in parameters(function)}
    assert PYTHON_ALONE.keys() <= names
    assert {name for _, _, renamed in PYTHON for name in renamed} <= names
    assert {name for _, name in OTHER_DEFAULTS} <= names


def test_the_board_has_the_hosts_names() -> None:
    text = (ROOT / "firmware" / "microinterp" / "__init__.py").read_text(encoding="utf-8")
    (made,) = (each for each in ast.parse(text).body if getattr(each, "name", "") == "Interpreter")
    assert isinstance(made, ast.ClassDef)
    methods = [each for each in made.body if isinstance(each, ast.FunctionDef)]
    there = {each.name: each for each in methods if not each.name.startswith("_")}
    alone = {"input_view", "output_view", "invoke_ops"}  # memory itself; a trace without classes
    assert there.keys() - alone <= vars(Interpreter).keys()
    assert not alone & vars(Interpreter).keys()
    for name in ("set_input", "get_output"):
        host = inspect.signature(vars(Interpreter)[name]).parameters["index"]
        assert there[name].args.args[-1].arg == "index"
        assert [ast.literal_eval(each) for each in there[name].args.defaults] == [host.default]


def test_json_has_the_attributes_names(tmp_path: Path) -> None:
    explained = good_json("explain", DIGITS_MODEL, "--op", 0, "--index", "0,0,0,0")
    own = {*(each.name for each in fields(Explanation)), "real"} - {"node"}
    assert own - {"given"} <= explained.keys()  # "input", what was given
    bundle = tmp_path / "d.golden"
    good_json("golden", "record", DIGITS_MODEL, "--samples", 2, "-o", bundle)
    checked = good_json("golden", "check", DIGITS_MODEL, bundle)
    assert checked.keys() == {each.name for each in fields(golden.CheckResult)}
    compared = good_json("compare", DIGITS_MODEL, "--with", "host", "--other-profile", "tflm")
    # a row is a tensor that an op writes; DESIGN's word for the list is "ops"
    assert compared.keys() == {e.name for e in fields(Comparison)} - {"rows"} | {"ops"}
    told = " ".join(COMMANDS["board validate"].help.split())
    assert "the fields of microinterp_boards.validate.Validation" in told
    assert {"differing_bytes", "first_difference"} <= {each.name for each in fields(Validation)}


def test_choices_are_the_same_everywhere() -> None:
    for name in COMMANDS:
        for option, each in options(name).items():
            if option in ("--profile", "--other-profile"):
                assert each.metavar.split("|") == list(PROFILES), name
            if option == "--runtime":
                assert each.metavar.split("|") == list(RUNTIMES), name
    plain_only = {"plain"}  # kernels of the host, which are no runtime
    assert set(AGAINST) - plain_only <= set(RUNTIMES)
    assert RUNTIMES == PLUGIN_RUNTIMES


def test_the_glossary_names_every_choice() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+) \| (.+) \|$", text, re.MULTILINE))
    named = {word: set(re.findall(r"`([\w:-]+)`", row)) for word, row in rows.items()}
    assert set(PROFILES) <= named["profile"]
    assert set(RUNTIMES) - {"board:PORT"} <= named["runtime"]
    assert set(TIERS) <= named["tier"]
    assert set(manifest()["sets"]) <= named["set"]
