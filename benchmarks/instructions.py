"""Counts instructions of layers and models on boards under QEMU, and writes docs/instructions.md.

    python -m benchmarks.instructions [--layers TEXT ...] [--models NAME ...] [--json PATH]

Each layer and model is deployed to each board with each set of kernels, its outputs are compared
with the host's byte for byte, and an invoke's instructions are counted; counts do not depend on the
PC. A run of everything replaces benchmarks/instructions.json and the tables of the page. With
--layers or --models, which choose some by a part of the name, or where models are missing, it
prints its tables and leaves these two alone. Exit status 1: a byte differs.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import instructions_page as page
from benchmarks.child import ROOT
from benchmarks.instructions_layers import Layer, layers
from microinterp.errors import MicrointerpError
from microinterp_boards import Board, runtime, virtual_board

STORED = ROOT / "benchmarks" / "instructions.json"
LATEST = ROOT / "build" / "bench" / "instructions.json"
SHARED = ROOT.parent / "shared" / "models"
HEAP = 2 << 20  # enough for all; how much there is does not change a count
LAYER_RUNS, MODEL_RUNS = 1, 3
"""Random inputs: what some kernels do depends on the numbers. Those of layers take long to send."""

LAYER_SETS: Mapping[str, Sequence[str]] = {
    "m4": ("armv7em", "armv7m", "armv6m", "viper-armv7m", "bytecode"),
    "m3": ("armv7m", "armv6m", "viper-armv6m"),
    "m7": ("armv7em",),
}
"""The sets of kernels that layers are counted with on each board."""
MODEL_SETS: Mapping[str, Sequence[str]] = {
    "m4": ("armv7em", "viper-armv7m"),
    "m3": ("armv7m", "armv6m"),
}
MODELS = ("kws_int8", "ic_resnet8_int8", "vww_96_int8", "ad01_int8")
BYTECODE_LIMIT = 100_000
"""Multiplications, or outputs, above which bytecode takes minutes."""
Row = dict[str, Any]


def count(board: Board, cpu: str, mpy_set: str, name: str, data: bytes, runs: int) -> Row:
    """Deploy, compare and count one model."""
    deployed = board.deploy(data, name, mpy_set=mpy_set)
    compared = board.validate(data, samples=runs, name=name)
    found = board.bench(data, runs=runs, name=name)
    told = found["instructions"]
    return {
        "cpu": cpu,
        "set": mpy_set,
        "kernels": deployed.kernels,
        "instructions": told["whole"],
        "in_kernels": told["in_kernels"],
        "outside": told["outside"],
        "compared_bytes": compared.compared_bytes,
        "differing_bytes": compared.differing_bytes,
        "ops": found["ops"],
        "macs": found["model"]["macs"],
        "firmware": found["board"]["version"],
    }


@contextmanager
def _board(cpu: str, mpy_set: str) -> Iterator[Board]:
    """The runtime lies in its memory, where `deploy` finds it: sending it takes longest."""
    files = [(f"lib/microinterp/{name}", data) for name, data in runtime.shipped(mpy_set).items()]
    with virtual_board("qemu", cpu=cpu, heap=HEAP, preload=files) as port, Board(port) as board:
        yield board


def count_layers(wanted: Sequence[Layer], say: Callable[[str], None]) -> list[Row]:
    """Each layer with each set of kernels that there is."""
    rows: list[Row] = [
        {
            "name": layer.name,
            "units": layer.units,
            "count": layer.count,
            "cmsis_nn": dict(layer.cmsis_nn),
            "runs": [],
        }
        for layer in wanted
    ]
    for cpu, mpy_set in _boards(LAYER_SETS if wanted else {}):
        with _board(cpu, mpy_set) as board:
            for layer, row in zip(wanted, rows, strict=True):
                if mpy_set == "bytecode" and layer.count > BYTECODE_LIMIT:
                    continue
                say(f"{layer.name}: {cpu}, {mpy_set}")
                found = count(board, cpu, mpy_set, "layer", layer.data, LAYER_RUNS)
                assert found["macs"] == (layer.count if layer.units == "MAC" else 0), layer.name
                row["runs"].append({key: found[key] for key in found if key not in ("ops", "macs")})
    return rows


def count_models(names: Sequence[str], say: Callable[[str], None]) -> list[Row]:
    """Each model, op by op, with each set of kernels that there is; or why it was left out."""
    rows: list[Row] = []
    for name in names:
        path = SHARED / f"{name}.tflite"
        if not path.exists():
            rows.append({"name": name, "skipped": f"there is no {path.name} in ../shared/models"})
            continue
        row: Row = {"name": name, "macs": 0, "ops": [], "runs": []}
        data = path.read_bytes()
        for cpu, mpy_set in _boards(MODEL_SETS):
            say(f"{name}: {cpu}, {mpy_set}")
            with _board(cpu, mpy_set) as board:
                found = count(board, cpu, mpy_set, name, data, MODEL_RUNS)
            ops = found.pop("ops")
            row["macs"] = found.pop("macs")
            row["ops"] = [{key: op[key] for key in ("index", "name", "macs")} for op in ops]
            found["ops"] = [{key: op[key] for key in ("time", "in_kernels")} for op in ops]
            row["runs"].append(found)
        rows.append(row)
    return rows


def _boards(wanted: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Processors and sets of kernels, as far as this build has the sets."""
    there = runtime.manifest()["sets"]
    return ((cpu, each) for cpu, sets in wanted.items() for each in sets if each in there)


def tools() -> dict[str, str]:
    """Versions of what has a part in a count."""
    return {
        "microinterp": runtime.manifest()["version"],
        "mpy_cross": _version(runtime.manifest()["compiler"]),
        "qemu": _version(_told("qemu-system-arm", "--version")),
        "gcc": _told("arm-none-eabi-gcc", "-dumpfullversion"),
    }


def _told(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _version(text: str) -> str:
    found = re.search(r"\d+(\.\d+)+", text)
    return found[0] if found else ""


def differences(found: Row) -> list[str]:
    """Runs whose outputs are not the host's."""
    return [
        f"{row['name']}: {run['cpu']}, {run['set']}: {run['differing_bytes']} bytes"
        for row in (*found["layers"], *found["models"])
        for run in row.get("runs", ())
        if run["differing_bytes"]
    ]


def _chosen(names: Sequence[str], parts: Sequence[str] | None, other: object) -> list[str]:
    """Names with one of the parts; all where neither kind was asked for."""
    if parts is None:
        return [] if other is not None else list(names)
    return [name for name in names if any(part in name for part in parts)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", nargs="+", metavar="TEXT")
    parser.add_argument("--models", nargs="+", metavar="NAME")
    parser.add_argument("--json", type=Path, default=LATEST)
    given = parser.parse_args(arguments)
    known = {layer.name: layer for layer in layers()}
    wanted = [known[name] for name in _chosen(list(known), given.layers, given.models)]
    names = _chosen(MODELS, given.models, given.layers)
    try:
        found: Row = {"tools": tools(), "layers": count_layers(wanted, _say)}
        found["models"] = count_models(names, _say)
    except MicrointerpError as error:
        print(error, file=sys.stderr)
        return 2
    for text in page.sections(found).values():
        print(text, end="\n\n")
    wrong = differences(found)
    is_whole = len(wanted) == len(known) and is_complete(found)
    for path in (given.json, STORED) if is_whole and not wrong else (given.json,):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {path}")
    if is_whole and not wrong:
        page.write(found)
        print(f"wrote {page.PAGE}")
    print("DIFFERENT outputs: " + "; ".join(wrong) if wrong else "no byte of an output differs")
    return 1 if wrong else 0


def is_complete(found: Row) -> bool:
    """Whether every model was there."""
    return [row["name"] for row in found["models"] if "runs" in row] == list(MODELS)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
