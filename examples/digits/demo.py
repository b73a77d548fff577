"""The main job on one page: run a real int8 model, prove it equal to TFLM, show what it did.

    python examples/digits/demo.py

Exit status 1 if anything differs from TFLM.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from rich.text import Text

from microinterp import Interpreter, golden
from microinterp.arena.report import arena_map
from microinterp.cli.output import console, op_table
from microinterp.errors import RuntimeUnavailableError
from microinterp.inspect_model import inspect_model
from microinterp.runtimes.tflm import TflmRuntime, version
from microinterp.trace import Timer

HERE = Path(__file__).parent
MODEL = HERE / "digits_int8.tflite"
GOLDEN = HERE / "golden_tflm.npz"
LIVE_IMAGES = 50
SHOWN = 4
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


def main() -> int:
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

    bundle = golden.load(GOLDEN)
    checked = golden.check(bundle, data)
    good &= checked.equal
    verdict = "equal" if checked.equal else f"DIFFERENT in {checked.differing_samples} samples"
    screen.print(
        f"golden outputs of TFLM {bundle.header.version}: {checked.samples} images, "
        f"{checked.compared_bytes} bytes: {verdict}"
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
    screen.print(Text("\nall equal to TFLM" if good else "\nNOT EQUAL TO TFLM"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
