"""The main job on one page: run a real int8 model, prove it equal to TFLM, show what it did.

    python examples/digits/demo.py [unix|qemu]

Then the same on a virtual MicroPython board: deploy, validate, bench. unix is MicroPython's unix
port; qemu is a Cortex-M4 under QEMU, which counts instructions. Exit status 1 if anything differs
from TFLM.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.text import Text

from microinterp import Interpreter, golden
from microinterp.arena.report import arena_map
from microinterp.cli.model_text import op_table
from microinterp.cli.output import console, show_error, table
from microinterp.errors import DeviceError, MicrointerpError, RuntimeUnavailableError
from microinterp.inspect_model import inspect_model
from microinterp.runtimes.tflm import TflmRuntime, version
from microinterp.trace import Timer
from microinterp_boards import Board, virtual_board
from microinterp_boards.virtual.unix import interpreter_library

HERE = Path(__file__).parent
MODEL = HERE / "digits_int8.tflite"
GOLDEN = HERE / "digits_tflm.golden"
LIVE_IMAGES = 50
SHOWN = 4
NUMBERS = ("an image takes", "bytes compared", "differing")
KINDS = ("unix", "qemu")
INKS = " .:-=+*#%@"


def quantised_images(interpreter: Interpreter, images: np.ndarray) -> np.ndarray:
    """Pixels 0..16 as the model's int8: the real value is pixel / 16."""
    parameters = interpreter.get_input_details(0)["quantization_parameters"]
    steps = np.rint(images / 16 / parameters["scales"][0]) + parameters["zero_points"][0]
    return np.clip(steps, -128, 127).astype(np.int8)


def drawn(image: np.ndarray) -> list[str]:
    """An 8x8 image as text."""
    return ["".join(INKS[pixel * 9 // 16] * 2 for pixel in row) for row in image[..., 0]]


def differing_tensor_bytes(data: bytes, images: np.ndarray) -> tuple[int, int, int]:
    """Compare every tensor that an op writes with TFLM's: (tensors, bytes, differing bytes)."""
    ours = Interpreter.from_bytes(data, preserve_all_tensors=True)
    keys = [(0, t.index) for node in ours.graph.main.nodes for t in node.outputs]
    with TflmRuntime() as tflm:
        theirs = tflm.run(data, [[image] for image in images], keys)
    compared = differing = 0
    for image, tensors in zip(images, theirs.tensors, strict=True):
        ours.set_input(image, 0)
        ours.invoke()
        for key in keys:
            a, b = (x.view(np.uint8) for x in (ours.get_tensor(key[1]), tensors[key]))
            compared += a.size
            differing += int(np.count_nonzero(a != b))
    return len(keys), compared, differing


@dataclass(frozen=True)
class Row:
    """One line of the closing table: who ran the images, what one took, what differs."""

    who: str
    took: str
    compared: int
    differing: int
    equal: bool


def differing_bytes(outputs: np.ndarray, recorded: np.ndarray) -> int:
    return int(np.count_nonzero(outputs.view(np.uint8) != recorded.view(np.uint8)))


def in_us(seconds: list[float]) -> str:
    return f"{1e6 * statistics.median(seconds):,.0f} us"


def host_row(images: np.ndarray, recorded: np.ndarray) -> Row:
    interpreter = Interpreter.from_file(MODEL)
    seconds, outputs = [], []
    for image in images:
        start = time.perf_counter()
        interpreter.set_input(image, 0)
        interpreter.invoke()
        seconds.append(time.perf_counter() - start)
        outputs.append(interpreter.get_output(0))
    differing = differing_bytes(np.stack(outputs), recorded)
    return Row("host, NumPy", in_us(seconds), recorded.size, differing, not differing)


def tflm_row(images: np.ndarray, recorded: np.ndarray) -> Row:
    data = MODEL.read_bytes()
    with TflmRuntime() as tflm:
        run = tflm.run(data, [[image] for image in images])
        seconds = tflm.seconds_per_invoke(data, [images[0]], len(images))
    outputs = np.stack([each[0].reshape(recorded.shape[1:]) for each in run.outputs])
    differing = differing_bytes(outputs, recorded)
    return Row(
        f"TFLM {version()}",
        in_us(seconds),
        recorded.size,
        differing,
        not differing,
    )


def board_row(screen: Console, kind: str) -> Row:
    """Deploy, validate and bench on a virtual board of its own."""
    try:
        if kind == "unix":
            interpreter_library()
    except DeviceError as error:  # there is no such wheel for this machine; no failure
        raise RuntimeUnavailableError(error.message) from None
    with virtual_board(kind) as port, Board(port) as board:
        facts = board.probe()
        deployed = board.deploy(MODEL)
        screen.print(
            f"{facts.implementation} {facts.version} on {port}, {facts.cpu or facts.architecture},"
            f" {facts.int_bits} bits, {facts.heap_total:,} bytes of heap; sent"
            f" {len(deployed.files_sent)} files, {deployed.sent_bytes:,} bytes, in"
            f" {deployed.seconds:.1f} s"
        )
        screen.print(
            f"heap: {deployed.heap_start - deployed.heap_imported:,} bytes for the runtime, "
            f"{deployed.heap_imported - deployed.heap_loaded:,} for the loaded model (file "
            f"{deployed.model_bytes:,}, arena {deployed.arena_bytes:,}, kernels)"
        )
        done = board.validate(MODEL, samples=LIVE_IMAGES, per_op=True, golden=GOLDEN)
        verdict = "equal" if done.equal else f"DIFFERENT, first: {done.first_difference}"
        screen.print(
            f"{done.samples} real images: {done.compared_bytes} bytes against TFLM's recorded "
            f"outputs, {done.compared_crcs} CRC32s of what ops wrote against the host: {verdict}"
        )
        timed = board.bench(MODEL, runs=LIVE_IMAGES)
    slowest = sorted(timed["ops"], key=lambda op: -op["time"])[:3]
    unit = timed["clock_unit"]
    named = ", ".join(f"op {op['index']} {op['name']} {op['time']:,.0f} {unit}" for op in slowest)
    screen.print(f"slowest: {named}")
    who = f"board, {timed['runtime']['kernels']} kernels"
    took = f"{timed['median']:,.0f} {unit}"
    return Row(who, took, done.compared_bytes, done.differing_bytes, done.equal)


def closing_table(screen: Console, images: np.ndarray, kind: str) -> bool:
    """Host, TFLM's wheel and a board side by side, all measured now; whether nothing differs."""
    screen.rule("the same model on a MicroPython board (a virtual one)", align="left")
    bundle = golden.load(GOLDEN)
    images, recorded = images[:LIVE_IMAGES], bundle.outputs[0][:LIVE_IMAGES]
    assert np.array_equal(images, bundle.inputs[0][:LIVE_IMAGES])
    makers: tuple[Callable[[], Row], ...] = (
        lambda: host_row(images, recorded),
        lambda: tflm_row(images, recorded),
        lambda: board_row(screen, kind),
    )
    rows, missing = [], []
    for make in makers:
        try:
            rows.append(make())
        except RuntimeUnavailableError as error:
            missing.append(error.message)
    made = table("", *NUMBERS, right=NUMBERS)
    for row in rows:
        made.add_row(row.who, row.took, f"{row.compared:,}", f"{row.differing:,}")
    screen.print()
    screen.print(made)
    for text in missing:
        screen.print(Text(f"not in the table: {text}"))
    return all(row.equal for row in rows)


def main(kind: str) -> int:
    screen = console()
    data = MODEL.read_bytes()
    test = np.load(HERE / "test_images.npz")
    interpreter = Interpreter.from_file(MODEL)
    images = quantised_images(interpreter, test["images"])[:, None]
    good = True

    screen.rule("digits: an int8 model, run as the chip runs it", align="left")
    start = time.perf_counter()
    (scores,) = interpreter.run_batch(images)
    seconds = time.perf_counter() - start
    answers = scores.reshape(len(images), -1).argmax(axis=1)
    right = int((answers == test["labels"]).sum())
    pictures = map(drawn, test["images"][:SHOWN])
    screen.print("\n".join("   ".join(rows) for rows in zip(*pictures, strict=True)))
    said = zip(answers[:SHOWN], test["labels"][:SHOWN], strict=True)
    screen.print("   ".join(f"says {answer}, is {label:<6}" for answer, label in said))
    screen.print(
        f"\naccuracy: {right} of {len(images)} test images, {100 * right / len(images):.1f} % "
        f"({1e6 * seconds / len(images):.0f} us an image in a batch)"
    )

    checked = golden.check(data, GOLDEN)
    good &= checked.equal
    verdict = "equal" if checked.equal else f"DIFFERENT in {checked.differing_samples} samples"
    screen.print(
        f"golden outputs of {golden.load(GOLDEN).header.version}: {checked.samples} images, "
        f"{checked.compared_bytes} bytes, {checked.compared_crcs} CRC32s of tensors: {verdict}"
    )
    try:
        tensors, compared, differing = differing_tensor_bytes(data, images[:LIVE_IMAGES])
        good &= differing == 0
        screen.print(
            f"TFLM {version()} running beside it: {tensors} tensors, {LIVE_IMAGES} images, "
            f"{compared} bytes: {'equal' if not differing else f'{differing} bytes DIFFERENT'}"
        )
    except RuntimeUnavailableError as error:
        screen.print(f"TFLM itself is not compared here: {error.message}")

    interpreter.set_input(images[0], 0)
    interpreter.invoke()  # the first run pays for cold caches
    timer = Timer()
    interpreter.invoke(timer)
    times = {op: taken for (subgraph, op), taken in timer.seconds.items() if subgraph == 0}
    screen.print()
    screen.rule("each op: what it writes, how it is quantised, what it costs", align="left")
    screen.print(op_table(inspect_model(data).subgraphs[0], times))
    screen.print()
    screen.rule(f"the arena: {interpreter.arena.head_bytes} bytes, as TFLM plans it", align="left")
    screen.print(Text(arena_map(interpreter.prepared, interpreter.arena.plan, screen.width - 2)))
    screen.print()
    good &= closing_table(screen, images, kind)
    screen.print(Text("\nall equal to TFLM" if good else "\nNOT EQUAL TO TFLM"))
    return 0 if good else 1


if __name__ == "__main__":
    if sys.argv[2:] or not {*sys.argv[1:]} <= {*KINDS}:
        sys.exit(f"usage: demo.py [{'|'.join(KINDS)}]")
    try:
        sys.exit(main(*sys.argv[1:] or KINDS[:1]))
    except MicrointerpError as error:  # the board, or the line to it
        show_error(error)
        sys.exit(1)
