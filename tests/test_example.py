"""The example that comes with the package: what is copied, and what is not overwritten."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from microinterp import examples
from microinterp.errors import InputError
from tests.cli import call, good, refused
from tests.digits import DIGITS


def test_it_is_written_once_and_never_over_something_else(tmp_path: Path) -> None:
    new, there = examples.copy_digits(tmp_path / "a" / "b")
    assert (sorted(new), there) == (sorted(examples.DIGITS), [])
    for name in new:
        assert (tmp_path / "a" / "b" / name).read_bytes() == (DIGITS / name).read_bytes()
    (tmp_path / "a" / "b" / "README.md").unlink()
    assert examples.copy_digits(tmp_path / "a" / "b")[0] == ["README.md"]

    own = tmp_path / "c"
    own.mkdir()
    (own / "digits.npz").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"digits\.npz' is there already, and is another file"):
        examples.copy_digits(own)
    assert [path.name for path in own.iterdir()] == ["digits.npz"]
    assert (own / "digits.npz").read_bytes() == b"mine"


def test_a_package_without_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(examples, "_HERE", tmp_path / "microinterp")
    with pytest.raises(InputError, match="the example is missing"):
        examples.digits_folder()


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    assert "cannot" in refused("example", tmp_path / "x")


def test_every_command_that_it_names_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = [line for line in good("example").splitlines() if line.startswith("microinterp ")]
    assert len(told) == 5
    for line in told:
        result = call(*shlex.split(line)[1:])
        wanted = (0, 1) if " fit " in line else (0,)  # some boards are too small
        assert result.exit_code in wanted, line
