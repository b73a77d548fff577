"""`microinterp plan --regions`: figures by hand, files with a plan, what does not fit, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from microinterp.arena.embed import embed
from microinterp.arena.regions import Region
from microinterp.cli.plan_regions import parse_bytes, parse_regions
from microinterp.errors import ArenaError
from microinterp.model import load
from tests.cli import HOSTILE, call, good, good_json, refused, stored
from tests.test_arena_report import doubling_model, mean_model


def test_json_by_hand(tmp_path: Path) -> None:
    path = stored(tmp_path, doubling_model())
    document = good_json("plan", path, "--regions", "fast=32,slow=1K")
    fast, slow = document["regions"]
    assert {key: fast[key] for key in list(fast)[:5]} == {
        "name": "fast",
        "size": 32,
        "head_bytes": 32,
        "short_bytes": 0,
        "traffic_bytes": 96,
    }
    assert [(t["name"], t["offset"], t["size"]) for t in fast["tensors"]] == [("a", 0, 32)]
    assert fast["tensors"][0]["first_op"] == {"subgraph": 0, "index": 0, "name": "RELU"}
    assert (slow["size"], slow["head_bytes"], slow["traffic_bytes"]) == (1024, 64, 96)
    assert [t["name"] for t in slow["tensors"]] == ["x", "b"]
    assert document["head_bytes"] == 96  # of one arena


def test_tables(tmp_path: Path) -> None:
    shown = good("plan", stored(tmp_path, doubling_model()), "--regions", "fast=32,slow=64")
    rows = [line.split() for line in shown.splitlines()]
    assert rows[:3] == [
        ["region", "size", "head", "free", "bytes", "moved", "share"],
        ["fast", "32", "32", "0", "96", "50.0%"],
        ["slow", "64", "64", "0", "96", "50.0%"],
    ]
    assert ["fast", "1", "0", "32", "96", "0", "1", "a"] in rows
    assert ["slow", "0", "0", "32", "32", "inputs", "0", "x"] in rows
    assert shown.count("kept for a later op") == 2
    short = good(
        *("plan", stored(tmp_path, doubling_model()), "--regions", "fast=32,slow=64"),
        *("--no-table", "--no-map"),
    )
    assert len(short.splitlines()) == 3


def test_scratch_has_a_region(tmp_path: Path) -> None:
    document = good_json("plan", stored(tmp_path, mean_model()), "--regions", "a=1M")
    assert document["regions"][0]["scratch"][0]["op"] == 0
    assert document["regions"][0]["head_bytes"] == document["lower_bound"]


def test_what_does_not_fit(tmp_path: Path) -> None:
    result = call("plan", stored(tmp_path, doubling_model()), "--regions", "fast=32,slow=48")
    assert result.exit_code == 1
    words = " ".join(result.stdout.split())  # a narrow screen breaks the line
    assert words.endswith(
        "does not fit: slow lacks 16 bytes (96 bytes are alive at once, the regions have 80)"
    )
    result = call(
        "plan", stored(tmp_path, doubling_model()), "--regions", "fast=32,slow=48", "--json"
    )
    assert result.exit_code == 1
    assert [r["short_bytes"] for r in json.loads(result.stdout)["regions"]] == [0, 16]


def test_a_plan_in_the_file_is_left_aside(tmp_path: Path) -> None:
    data = doubling_model()
    planned = embed(data, load(data), {(0, 0): 512, (0, 1): 64, (0, 2): 0})
    document = good_json("plan", stored(tmp_path, planned), "--regions", "fast=32,slow=64")
    assert [region["head_bytes"] for region in document["regions"]] == [32, 64]


def test_html_has_a_section_for_each(tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    path = stored(tmp_path, doubling_model())
    good("plan", path, "--regions", "fast <1>=32,slow=64", "--html", out)
    text = out.read_text()
    assert "<h2>Region fast &lt;1&gt;</h2>" in text
    assert "<h2>Region slow</h2>" in text
    assert "96 bytes per invoke, 50.0% of all" in text


def test_sizes() -> None:
    assert [parse_bytes(t) for t in ("0", "17", "64K", "64k", " 1M ")] == [
        *(0, 17, 65_536, 65_536, 1_048_576),
    ]
    for text in ("", "K", "-1", "1.5K", "64KB", "1G", "0x10", "1_000", "9" * 16, "\u0663"):
        with pytest.raises(ArenaError, match="is no number of bytes"):
            parse_bytes(text)
    assert parse_regions("a=1K, b = 2M") == (Region("a", 1024), Region("b", 2 * 1024**2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--regions: '' is not NAME=BYTES"),
        ("64K", "--regions: '64K' is not NAME=BYTES"),
        ("=64K", "--regions: '=64K' is not NAME=BYTES"),
        ("a=1,", "--regions: '' is not NAME=BYTES"),
        ("a=1=2", "'1=2' is no number of bytes"),
        ("a=12Q", "'12Q' is no number of bytes"),
        ("a=0", "region 'a' has 0 bytes"),
        ("a=1K,a=2K", "two regions have the name 'a'"),
    ],
)
def test_refusals(tmp_path: Path, text: str, message: str) -> None:
    path = stored(tmp_path, doubling_model())
    assert refused("plan", path, "--regions", text).startswith(message)


@pytest.mark.parametrize("name", ["ansi", "bidi", "newline", "long"])
def test_bad_names(tmp_path: Path, name: str) -> None:
    path = stored(tmp_path, doubling_model())
    shown = good("plan", path, "--regions", f"{HOSTILE[name]}=1K")
    assert all(c.isprintable() or c == "\n" for c in shown)


@pytest.mark.parametrize("option", ["--svg", "--embed"])
def test_options_of_one_arena(tmp_path: Path, option: str) -> None:
    path, out = stored(tmp_path, doubling_model()), tmp_path / "out"
    result = call("plan", path, "--regions", "a=1K", option, out)
    assert result.exit_code == 2
    assert "for one arena" in result.stderr
    assert not out.exists()
