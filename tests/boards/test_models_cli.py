"""`board models`, and what `board deploy` says of slots, versions, signatures and self-tests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from microinterp_boards import virtual_board
from tests.boards.model_boards import LARGE_HEAP, MODEL, NAME, needs_viper
from tests.cli import call, good, good_json, refused

pytestmark = [pytest.mark.usefixtures("interpreter"), needs_viper]


@pytest.fixture(scope="module")
def large(interpreter: None) -> Iterator[str]:
    """The port of a board that all tests here share; each leaves it without its models."""
    with virtual_board("unix", heap=LARGE_HEAP) as port:
        yield port


def rows(port: str) -> list[list[str]]:
    return [re.split(r"  +", line.strip()) for line in good("board", "models", port).splitlines()]


def models(port: str) -> dict[str, Any]:
    found = good_json("board", "models", port)
    assert found["port"] == port
    return {each["name"]: each for each in found["models"]}


def test_a_model_is_listed_taken_back_and_removed(large: str) -> None:
    assert "no models in slots" in call("board", "models", large).stderr
    assert models(large) == {}
    said = good("board", "deploy", MODEL, "--port", large)
    assert f"in use     models/{NAME}.a\n" in said
    assert "test       4 samples on the board" in said
    assert "copied" not in said
    done = good_json("board", "deploy", MODEL, "--port", large, "--passes", "auto", "--version", 7)
    assert (done["path"], done["tested_samples"], done["breaks"]) == (f"models/{NAME}.b", 4, 0)
    assert done["copied_bytes"] > 0
    assert done["resumed_bytes"] == 0
    kept = models(large)[NAME]
    assert (kept["generation"], kept["slot"], kept["part_bytes"]) == (2, "b", None)
    assert [kept["slots"][letter]["version"] for letter in "ab"] == [0, 7]
    digests = [kept["slots"][letter]["sha256"] for letter in "ab"]
    sizes = [f"{kept['slots'][letter]['size']:,}" for letter in "ab"]
    head, *lines = rows(large)
    assert head[:4] == ["model", "generation", "slot", "state"]
    assert lines == [
        [NAME, "-", "a", "before", sizes[0], "0", digests[0][:12], "-"],
        [NAME, "2", "b", "in use", sizes[1], "7", digests[1][:12], "-"],
    ]
    assert "slot a is in use again, version 0, generation 3" in good(
        "board", "models", large, "--back", NAME
    )
    back = good_json("board", "models", large, "--back", NAME)["model"]
    assert (back["slot"], back["generation"]) == ("b", 4)
    wrong = refused("board", "models", large, "--back", NAME[:-1])
    assert f"there is no model '{NAME[:-1]}' in slots" in wrong
    assert f"perhaps {NAME}; there are: {NAME}" in wrong
    assert "both slots" in good("board", "models", large, "--remove", NAME)
    assert "it has none" in refused("board", "models", large, "--remove", NAME)


def test_a_first_model_has_nothing_to_go_back_to(large: str) -> None:
    good("board", "deploy", MODEL, "--port", large, "--name", "one")
    told = refused("board", "models", large, "--back", "one")
    assert "'one' stays what it is: there is no other model to go back to" in told
    assert good_json("board", "models", large, "--remove", "one") == {
        "port": large,
        "removed": "one",
    }


def test_unfinished_and_strange_files_are_told(tmp_path: Path) -> None:
    with virtual_board("unix", folder=tmp_path, heap=LARGE_HEAP) as port:
        good("board", "deploy", MODEL, "--port", port)
        folder = tmp_path / "models"
        (folder / "new.part").write_bytes(bytes(1234))
        (folder / "half.a").write_bytes(bytes(10))
        (folder / "readme").write_text("mine")
        (folder / f"{NAME}.a").unlink()
        found = {line[0]: line[1:] for line in rows(port)[1:]}
    assert found["new"] == ["-", "-", "not there", "-", "-", "-", "1,234"]
    assert found["half"] == ["-", "a", "not tested", "10", "-", "-", "-"]
    assert found[NAME][:3] == ["1", "a", "lost"]
    assert set(found) == {"new", "half", NAME}


def test_a_key(tmp_path: Path) -> None:
    key, other, short = (tmp_path / name for name in ("key", "other", "short"))
    key.write_bytes(bytes(range(32)))
    other.write_bytes(bytes(32))
    short.write_bytes(bytes(15))
    with virtual_board("unix", heap=LARGE_HEAP) as port:
        deploy = ("board", "deploy", MODEL, "--port", port)
        assert "has 15 bytes, wanted 16 to 256" in refused(
            "board", "models", port, "--set-key", short
        )
        said = call("board", "models", port, "--set-key", key, "--json")
        assert json.loads(said.stdout) == {"port": port, "key_bytes": 32}
        assert "whoever has its prompt or its flash can read and replace it" in said.stderr
        assert "takes only signed models" in refused(*deploy)
        assert "give the board's key with --key" in refused(*deploy)
        assert "is it this key?" in refused(*deploy, "--key", other)
        good(*deploy, "--key", key, "--version", 5)
        older = refused(*deploy, "--key", key, "--version", 4, "--passes", "overlap")
        assert "does not go back to an older" in older
        assert "give a higher --version" in older
        assert models(port)[NAME]["slots"]["a"]["version"] == 5


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    told = refused("board", "models", "--back", "a", "--remove", "b")
    assert "--back, --remove and --set-key do not go together" in told
    missing = tmp_path / "nokey"
    assert "cannot read the key" in refused("board", "deploy", MODEL, "--key", missing)
    assert "cannot read the key" in refused("board", "models", "--set-key", missing)
    assert call("board", "deploy", MODEL, "--version", -1).exit_code == 2
    assert call("board", "deploy", MODEL, "--version", 1 << 32).exit_code == 2


@pytest.mark.slow
@pytest.mark.usefixtures("microbit")
def test_boards_that_have_no_slots() -> None:
    with virtual_board("microbit") as port:
        assert "its models are modules, and have no slots" in refused("board", "models", port)
