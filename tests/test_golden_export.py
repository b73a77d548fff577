"""Exports of golden bundles: a C header that compiles and holds the same bytes, .npz, JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp import golden
from microinterp.errors import InputError
from microinterp.golden.c_header import c_name
from microinterp.golden.numbers import from_plain, plain
from microinterp.golden_bundle import (
    BundleHeader,
    BundleTensor,
    BundleWriter,
    Check,
    read_bundle,
)
from tests.c_programs import COMPILERS, printed
from tests.cli import HOSTILE

CODES = {
    "float32": 0,
    "float16": 1,
    "int32": 2,
    "uint8": 3,
    "int64": 4,
    "bool": 6,
    "int16": 7,
    "complex64": 8,
    "int8": 9,
    "float64": 10,
    "uint32": 15,
}
COUNT = 3


def array_of(dtype: str, shape: tuple[int, ...], seed: int = 1) -> Any:
    """Random bytes, which are floats of every kind too; the first are the ends of the range."""
    kind = np.dtype(dtype)
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    array = np.frombuffer(rng.bytes(size * kind.itemsize), kind).copy()
    if kind.kind in "iu" and size > 1:
        array[:2] = np.iinfo(kind).min, np.iinfo(kind).max
    if kind.kind == "f" and size > 3:
        array[:4] = np.nan, -np.inf, np.inf, -0.0
    return array.reshape(shape)


def written(path: Path, text: str = "tensor", count: int = COUNT) -> Any:
    """A bundle with inputs of every type, an empty one and a scalar; every name is `text`."""
    shapes = {"float32": (2, 5), "int8": (1, 7), "complex64": (2,), "bool": (3,), "int32": ()}
    inputs = tuple(
        BundleTensor(text, number, code, shape, int(np.prod(shape)) * np.dtype(dtype).itemsize)
        for number, (dtype, code) in enumerate(CODES.items())
        for shape in [shapes.get(dtype, (4,))]
    )
    empty = BundleTensor(text, 40, CODES["int8"], (0, 3), 0)
    checks = (
        Check(0, 3, text, 40, CODES["float32"], (2,), 8),
        Check(1, 0, text, 2, CODES["int8"], (5,), 5),
    )
    header = BundleHeader(
        "ab" * 32,
        text,
        text,
        text,
        (*inputs, empty),
        inputs[:2],
        checks,
        has_tensors=True,
        tool=text,
    )
    arrays = [array_of(d, (count, *t.shape)) for d, t in zip(CODES, inputs, strict=True)]
    tensors = [array_of("float32", (count, 2)), array_of("int8", (count, 5))]
    crcs = np.random.default_rng(3).integers(0, 2**32, (count, 2), dtype=np.uint32)
    with BundleWriter(path, header) as bundle:
        bundle.add([*arrays, np.zeros((count, 0, 3), np.int8)], arrays[:2], crcs, tensors)
    return read_bundle(path)


def arrays_of(bundle: Any, part: slice = slice(None)) -> dict[str, Any]:
    found = {f"input_{i}": array for i, array in enumerate(bundle.inputs)}
    found |= {f"output_{i}": array for i, array in enumerate(bundle.outputs)}
    found |= {"crcs": bundle.crcs}
    found |= {f"tensor_{i}": array for i, array in enumerate(bundle.tensors)}
    return {name: array[part] for name, array in found.items()}


def dump_of(names: list[str], prefix: str) -> str:
    """A program that writes all arrays to stdout, and fails if one is not aligned."""
    writes = "\n".join(
        f"  if ((uintptr_t){prefix}_{name} % 16) return 1;\n"
        f"  fwrite({prefix}_{name}, {prefix.upper()}_{name.upper()}_BYTES, "
        f"{prefix.upper()}_SAMPLES, stdout);"
        for name in names
    )
    checks = (
        f'  for (i = 0; i < {prefix.upper()}_CHECKS; i++) printf("%ld %ld %ld %ld %s\\n",'
        f" (long){prefix}_checks[i].subgraph, (long){prefix}_checks[i].op,"
        f" (long){prefix}_checks[i].tensor, (long){prefix}_checks[i].bytes,"
        f" {prefix}_checks[i].op_name);"
    )
    return (
        f'#include <stdio.h>\n#include "{prefix}.h"\n#include "{prefix}.h"\n'
        f"int main(void) {{\n  int i;\n{writes}\n{checks}\n  return 0;\n}}\n"
    )


@pytest.mark.parametrize("standard", COMPILERS)
def test_a_c_header_holds_the_same_bytes(tmp_path: Path, standard: str) -> None:
    bundle = written(tmp_path / "a.golden")
    assert golden.export(tmp_path / "a.golden", tmp_path / "g.h") == COUNT
    wanted = {name: array for name, array in arrays_of(bundle).items() if array.size}
    assert len(wanted) == len(CODES) + 5
    told = printed(tmp_path, dump_of(list(wanted), "g"), standard=standard)
    lines = b"0 3 40 8 tensor\n1 0 2 5 tensor\n"
    assert told == b"".join(array.tobytes() for array in wanted.values()) + lines


@pytest.mark.parametrize("kind", [*HOSTILE, "comment", "trigraph", "quotes"])
def test_names_cannot_leave_comments_and_strings(tmp_path: Path, kind: str) -> None:
    more = {
        "comment": "*/ #error /* // \\",
        "trigraph": "??/\n??=error ??' 8",
        "quotes": '"; int main(void) {return 1;} \\" %s %n',
    }
    text = {**HOSTILE, **more}[kind].encode(errors="backslashreplace").decode()
    bundle = written(tmp_path / "a.golden", text)
    golden.export(tmp_path / "a.golden", tmp_path / "g.h")
    for standard in ("c99", "c++11"):
        told = printed(tmp_path, dump_of(["crcs"], "g"), standard=standard)
        assert told.startswith(bundle.crcs.tobytes())
        op_name = told[bundle.crcs.nbytes :].split(b" ", 4)[4]
        assert op_name.startswith(text.encode().split(b"\0")[0][:40])
    assert (tmp_path / "g.h").read_text(encoding="ascii").count("*/") == len(CODES) + 9


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("digits", "digits"),
        ("My Model-v2", "my_model_v2"),
        ("2nd__try_", "golden_2nd_try"),
        ("_x", "x"),
        ("", "golden"),
        ("\u00e4\u00f6", "golden"),
    ],
)
def test_c_names(text: str, name: str) -> None:
    assert c_name(text) == name


def test_a_name_of_its_own(tmp_path: Path) -> None:
    written(tmp_path / "a.golden")
    golden.export(tmp_path / "a.golden", tmp_path / "weird name.h")
    assert "weird_name_input_0[" in (tmp_path / "weird name.h").read_text()
    golden.export(tmp_path / "a.golden", tmp_path / "x.h", name="K-1")
    assert "#define K_1_SAMPLES 3\n" in (tmp_path / "x.h").read_text()


@pytest.mark.parametrize(("first", "stop"), [(0, None), (1, 3), (2, 3), (0, 1)])
def test_npz(tmp_path: Path, first: int, stop: int | None) -> None:
    bundle = written(tmp_path / "a.golden")
    golden.export(tmp_path / "a.golden", tmp_path / "a.npz", first, stop)
    wanted = arrays_of(bundle, slice(first, stop))
    with np.load(tmp_path / "a.npz") as loaded:
        assert set(loaded.files) == {"header", *wanted}
        for name, array in wanted.items():
            assert loaded[name].dtype == array.dtype
            assert loaded[name].shape == array.shape
            assert loaded[name].tobytes() == array.tobytes()
        header = json.loads(loaded["header"].tobytes())
    assert header["model_sha256"] == "ab" * 32
    assert (header["first"], header["samples"]) == (first, len(wanted["crcs"]))


def test_json(tmp_path: Path) -> None:
    bundle = written(tmp_path / "a.golden")
    golden.export(tmp_path / "a.golden", tmp_path / "a.json", 1)
    text = (tmp_path / "a.json").read_text()
    document = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert len(document["samples"]) == 2
    assert document["header"]["checks"][1]["op_name"] == "tensor"
    for at, sample in enumerate(document["samples"], 1):
        for role in ("inputs", "outputs", "tensors"):
            for values, array in zip(sample[role], getattr(bundle, role), strict=True):
                got = from_plain(values, array.dtype, array.shape[1:])
                assert got.tobytes() == array[at].tobytes()
        assert sample["crcs"] == bundle.crcs[at].tolist()


def test_every_float_survives() -> None:
    bits = np.random.default_rng(1).integers(0, 2**32, 20_000, dtype=np.uint32)
    bits[:5] = 0x7FC00001, 0x7F800001, 0x80000000, 1, 0xFFFFFFFF  # NaNs, -0.0, denormal
    for dtype in (np.float32, np.float16, np.float64):
        values = bits.view(dtype)
        text = json.dumps(plain(values), allow_nan=False)
        assert from_plain(json.loads(text), dtype, values.shape).tobytes() == values.tobytes()


def test_a_large_c_header_is_refused(tmp_path: Path) -> None:
    x = BundleTensor("x", 0, CODES["int8"], (1 << 20,), 1 << 20)
    path = tmp_path / "a.golden"
    with BundleWriter(path, BundleHeader("ab" * 32, "tflm", "host", "1", (x,), ())) as bundle:
        for _ in range(17):
            bundle.add([np.zeros((1, 1 << 20), np.int8)], [])
    with pytest.raises(InputError, match="a C header of 17825792 bytes: at most 16777216") as e:
        golden.export(path, tmp_path / "a.h")
    assert "export 16 or fewer, by --samples A:B" in e.value.hint
    assert [each.name for each in tmp_path.iterdir()] == ["a.golden"]
    assert golden.export(path, tmp_path / "a.h", 16) == 1


def test_refusals(tmp_path: Path) -> None:
    written(tmp_path / "a.golden")
    for first, stop in ((0, 4), (3, 3), (2, 1), (-1, 2), (5, None)):
        with pytest.raises(InputError, match=r"no samples .*: the bundle has 3"):
            golden.export(tmp_path / "a.golden", tmp_path / "a.npz", first, stop)
    with pytest.raises(InputError, match="of no kind"):
        golden.export(tmp_path / "a.golden", tmp_path / "a.txt")
    with pytest.raises(InputError, match="cannot write"):
        golden.export(tmp_path / "a.golden", tmp_path / "none" / "a.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InputError, match=r"cannot write .*: it is a folder"):
        golden.export(tmp_path / "a.golden", tmp_path / "folder.json")
    with pytest.raises(InputError, match="cannot read"):
        golden.export(tmp_path / "none", tmp_path / "a.json")
    data = bytearray((tmp_path / "a.golden").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "a.golden").write_bytes(data)
    (tmp_path / "a.npz").write_bytes(b"before")
    with pytest.raises(InputError, match="damaged"):
        golden.export(tmp_path / "a.golden", tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == b"before"
    assert not re.findall(r"\.part", " ".join(p.name for p in tmp_path.iterdir()))


def test_a_bundle_without_samples(tmp_path: Path) -> None:
    written(tmp_path / "a.golden", count=0)
    for kind in golden.KINDS:
        assert golden.export(tmp_path / "a.golden", tmp_path / f"g{kind}") == 0
    assert printed(tmp_path, dump_of([], "g"))
