"""`microinterp golden show|export`: what they print, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from microinterp import __version__, golden
from microinterp.cli.golden_show import parse_samples
from microinterp.errors import InputError
from tests.cli import call, copying_model, good, good_json, refused, stored, sums_model

INPUTS = (np.int8([[[4, 3, 3, 3]], [[10, 5, 0, 0]], [[3, 3, 3, 9]]]),)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "g.golden"
    golden.record(sums_model(), INPUTS, path, tensors="bytes", seed=5)
    return path


def test_show(bundle: Path) -> None:
    lines = good("golden", "show", bundle).splitlines()
    with_samples = next(line for line in lines if line.startswith("samples"))
    size = bundle.stat().st_size
    assert with_samples == f"samples     3 of 12 bytes, {size:,} bytes in 1 chunk"
    assert f"computed by host microinterp {__version__}, profile tflm" in lines
    assert "inputs are  random, seed 5" in lines
    assert "CRC32 and bytes of 1 tensor of 1 op:" in lines
    (row,) = (line.split() for line in lines if "FULLY_CONNECTED" in line)
    assert row == ["0", "FULLY_CONNECTED", "2", "int8", "[1,", "2]", "2"]


def test_show_a_sample(bundle: Path) -> None:
    text = good("golden", "show", bundle, "--sample", 1)
    assert "sample 1\ninput 0: [10, 5, 0, 0]\noutput 0: [3, 5]\n" in text
    crc = golden.check(sums_model(), bundle).compared_crcs
    assert crc == 3
    assert "FULLY_CONNECTED 0:0, tensor 2 CRC32 " in text
    assert text.endswith(": [3, 5]\n")


def test_show_as_json(bundle: Path) -> None:
    document = good_json("golden", "show", bundle, "--sample", 2)
    assert document.keys() == {
        *("header", "samples", "chunks", "file_bytes", "sample_bytes", "values")
    }
    assert (document["samples"], document["chunks"], document["sample_bytes"]) == (3, 1, 12)
    assert document["header"]["seed"] == 5
    assert document["header"]["has_tensors"] is True
    assert document["header"]["checks"][0]["op_name"] == "FULLY_CONNECTED"
    values = document["values"]
    assert (values["sample"], values["inputs"], values["outputs"]) == (
        2,
        [[[3, 3, 3, 9]]],
        [[[6, 0]]],
    )
    assert values["tensors"] == values["outputs"]
    assert "values" not in good_json("golden", "show", bundle)


def test_long_tensors_are_cut_on_a_screen(tmp_path: Path) -> None:
    path = tmp_path / "a"
    x = np.arange(200).reshape(2, 1, 100).astype(np.int8)
    golden.record(copying_model((1, 100)), [x], path, tensors="bytes")
    lines = good("golden", "show", path, "--sample", 1).splitlines()
    assert sum(line.endswith(", -93, ... 36 more; --json has all]") for line in lines) == 3
    shown = good_json("golden", "show", path, "--sample", 1)["values"]["tensors"]
    assert shown == [x[1, 0].tolist()]


def test_export(tmp_path: Path, bundle: Path) -> None:
    for kind in golden.KINDS:
        out = tmp_path / f"x{kind}"
        assert good("golden", "export", bundle, "-o", out) == f"{out}: 3 samples\n"
        assert good_json("golden", "export", bundle, "-o", out, "--samples", "1:2") == {
            "path": str(out),
            "samples": 1,
        }
    assert json.loads((tmp_path / "x.json").read_text())["samples"][0]["outputs"] == [[[3, 5]]]
    with np.load(tmp_path / "x.npz") as loaded:
        assert loaded["tensor_0"].tolist() == [[[3, 5]]]
    assert "#define X_SAMPLES 1\n" in (tmp_path / "x.h").read_text()
    good("golden", "export", bundle, "-o", tmp_path / "x.h", "--name", "my-net")
    assert "my_net_output_0[6]" in (tmp_path / "x.h").read_text()


def test_refusals(tmp_path: Path, bundle: Path) -> None:
    out = tmp_path / "x.h"
    for text in ("3", "a:b", "-1:2", "1:2:3", "0x1:", "1" * 30 + ":", "\u0663:"):
        assert "wanted A:B" in refused("golden", "export", bundle, "-o", out, f"--samples={text}")
    assert "the bundle has 3" in refused("golden", "export", bundle, "-o", out, "--samples", "2:9")
    assert "the bundle has 3" in refused("golden", "show", bundle, "--sample", 3)
    assert "no kind" in refused("golden", "export", bundle, "-o", tmp_path / "x.txt")
    for data in (b"", b"garbage", bundle.read_bytes()[:-5]):
        damaged = stored(tmp_path, data, "d")
        assert "cannot read" in refused("golden", "show", damaged)
        assert "cannot read" in refused("golden", "export", damaged, "-o", out)
    assert call("golden", "show", bundle, "--sample", -1).exit_code == 2
    assert not out.exists()


def test_ranges() -> None:
    assert parse_samples("3:5") == (3, 5)
    assert parse_samples(":5") == (0, 5)
    assert parse_samples("3:") == (3, None)
    assert parse_samples(":") == (0, None)
    with pytest.raises(InputError):
        parse_samples("")
