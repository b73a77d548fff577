"""Runs the blocks of a page: Python in one namespace, commands in one folder, one virtual board."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from docs.hooks.cli_pages import commands
from microinterp_boards import Board
from tests.cli import call
from tests.docs.blocks import ROOT, Block, shown_matches

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SECONDS = 120.0


class PageRun:
    """What running a page's blocks leaves behind: names, files in a folder, a board."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.printed: str | None = None  # by the last block that ran
        self.ran = 0
        self._board: subprocess.Popen[str] | None = None
        self._port = ""

    def run(self, block: Block) -> None:
        """Run a block, or hold the reason why not to what a reason must be."""
        if block.language in ("sh", "console"):
            for line in lines_of(block):
                require_real_command(line, block.where)
        for note in block.notes:
            if note.kind == "not run":
                require_files(note.value, block.where)
        if block.note("not run"):
            self.printed = None
        elif (runner := block.note("run by")) is not None:
            require_runner(block, runner)
            self.printed = None
        elif (name := block.note("file")) is not None:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        else:
            self._run(block)
            self.ran += 1

    def _run(self, block: Block) -> None:
        if block.language == "python":
            self.printed = self._python(block)
        elif block.language == "console":
            self._console(block)
        elif block.language == "sh":
            for line in (block.note("given") or "").splitlines():
                self._command(line, block)
            self.printed = "".join(self._command(line, block) for line in lines_of(block))
        elif block.language == "text":
            assert self.printed is not None, f"{block.where}: nothing before it has printed this"
            assert shown_matches(_versionless(block.text), _versionless(self.printed)), (
                f"{block.where} shows\n{block.text}\nand what is printed is\n{self.printed}"
            )
        elif block.language in _READERS:
            _READERS[block.language](block.text)
        else:
            raise AssertionError(
                f"{block.where}: nothing here runs '{block.language}': "
                "say in a comment before it why it is not run"
            )

    def _python(self, block: Block) -> str:
        text = f"{block.note('given') or ''}\n{block.text}"
        if block.note("on") == "board":
            with Board(self._port, patience=5) as board:
                return board.exec(text, _SECONDS)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(text, block.where, "exec", dont_inherit=True), self.names)
        return printed.getvalue()

    def _console(self, block: Block) -> None:
        """Commands behind a `$`, and what each prints."""
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, shown = part.replace("\\\n", " ").partition("\n")
            printed = self._command(command, block)
            if shown.strip():
                assert shown_matches(_versionless(shown), _versionless(printed)), (
                    f"{block.where}: {command}\nshows\n{shown}\nand prints\n{printed}"
                )
        self.printed = None

    def _command(self, line: str, block: Block) -> str:
        """Run one command, and return what it prints."""
        if block.note_of("not run", line):
            return ""
        words = shlex.split(re.sub(r"\bPORT\b", self._port, line), comments=True)
        wanted = int(block.note_of("status", line) or 0)
        if words[:3] == ["microinterp", "board", "virtual"]:
            self._start([word for word in words[1:] if word != "&"])
            return ""
        if words[0] != "microinterp":
            return self._program(shlex.join(words).replace("'>'", ">"), wanted, block)
        to = None
        if ">" in words:
            *words, _, to = words
        result = call(*words[1:])
        assert result.exit_code == wanted, (
            f"{block.where}: {line}: status {result.exit_code}, wanted {wanted}\n"
            f"{result.stdout}{result.stderr}"
        )
        if to is None:
            return result.stdout
        (self.folder / to).write_text(result.stdout)
        return ""

    def _program(self, command: str, wanted: int, block: Block) -> str:
        command = re.sub(r"^(?:\.venv/bin/)?python ", f"{sys.executable} ", command)
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        assert done.returncode == wanted, f"{block.where}: {command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _start(self, words: list[str]) -> None:
        """A virtual board in the background, in place of the one that ran before."""
        self.close()
        self._board = subprocess.Popen(
            [sys.executable, "-m", "microinterp", *words],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._board.stdout is not None
        self._port = self._board.stdout.readline().strip()
        assert self._port, f"{shlex.join(words)} has ended"

    def close(self) -> None:
        """End the board."""
        if self._board is not None:
            self._board.terminate()
            self._board.communicate(timeout=20)
            self._board = None


_READERS = {"toml": tomllib.loads, "yaml": yaml.safe_load, "json": json.loads}


def _versionless(text: str) -> str:
    """A text in which this package's version is none: pages need not change with each release."""
    return re.sub(r"(microinterp) \d+\.\d+\.\d+", r"\1 0.0.0", text)


def lines_of(block: Block) -> list[str]:
    """The commands of a block."""
    text = block.text.replace("\\\n", " ")
    if block.language == "console":
        return re.findall(r"^\$ (.*)$", text, re.MULTILINE)
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def require_files(reason: str, where: str) -> None:
    """The tests and pages that a reason names are there."""
    for name in re.findall(r"\b(?:tests|docs|benchmarks)/[\w/]+\.\w+", reason):
        assert (ROOT / name).is_file(), f"{where}: there is no {name}"


def require_runner(block: Block, test: str) -> None:
    """The test that is said to run a block is there and reads the page."""
    path = ROOT / test
    assert path.is_file(), f"{block.where}: there is no {test}"
    assert Path(block.page).name in path.read_text(), f"{test} does not read {block.page}"


def require_real_command(line: str, where: str) -> None:
    """A command of ours, or a make target, is one that there is, with options that there are."""
    words = shlex.split(line, comments=True)
    if words and words[0] == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        asked = {word for word in words[1:] if "=" not in word}
        assert asked <= targets, f"{where}: make has no target {asked - targets}"
    if not words or words[0] != "microinterp":
        return
    known = dict(commands())
    path = next((tuple(words[1:n]) for n in (4, 3, 2) if tuple(words[1:n]) in known), None)
    assert path is not None or words[1:] in ([], ["--help"], ["--version"]), (
        f"{where}: there is no command `{line}`"
    )
    if path is not None:
        options = {
            name for each in known[path].params for name in (*each.opts, *each.secondary_opts)
        } | {"--help", "-h"}
        asked = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert asked <= options, f"{where}: `{line}` has no option {asked - options}"
