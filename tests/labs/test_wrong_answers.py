"""Wrong answers that students give: each check notices them, and says so by NotYet.

A row is a task, and what of its solution becomes what.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import pytest

from tests.labs.labs import LABS, module

matplotlib = pytest.importorskip("matplotlib")
pairs, run = module("pairs"), module("run")

WRONG = {
    "01": (
        ("real-of", "codes.astype(np.float64) - zero_point", "codes - np.int8(zero_point)"),
        ("round-half", "whole + (size - whole >= 0.5)", "np.floor(size + 0.5)"),
        ("round-half", "np.sign(x) * (whole + (size - whole >= 0.5))", "np.rint(x)"),
        ("quantise", "round_half_away(x / scale)", "np.rint(x / scale)"),
        ("quantise", "np.clip(", "("),
        ("quantise", " + zero_point, -128, 127)", ", -128, 127)"),
        ("error", "/ 2", "/ 1"),
        ("error", "10 - largest", "largest"),
        ("range", "min(low, 0.0), max(high, 0.0)", "low, high"),
        ("range", "/ 255", "/ 256"),
        ("range", "round(-128 - low / scale)", "-128 - low / scale"),
        ("cut", "np.minimum(x, high)", "x"),
        ("cut", "codes - 1", "codes"),
        ("channels", "if per_channel else None", ""),
        ("channels", "range(weights.ndim - 1)", "range(weights.ndim)"),
        ("channels", "np.abs(weights)", "weights"),
        ("channels", "/ 127", "/ 128"),
        ("channels", "times_larger = _error", "times_larger = 1 / _error"),
        ("multiplier", "if multiplier == 2**31", "if False"),
        ("multiplier", " + 0.5", ""),
    ),
    "02": (
        ("number", '"little"', '"big"'),
        ("number", "signed=signed", "signed=False"),
        ("field", "4, signed=True", "4"),
        ("field", "table + offset if offset else None", "table + offset"),
        ("field", "if entry >= number(vtable, 2)", "if False"),
        ("names", "field(tensor, 3)", "field(tensor, 2)"),
        ("ops", "number(old, 1) if old else 0", "0"),
        ("ops", "number(new) if new else 0", "0"),
        ("ops", "index = field(operator, 0)", "index = None"),
        ("weights", "return first, size", "return size, first"),
        ("build", 'padding="SAME"', 'padding="VALID"'),
        ("build", "[[-1, 0, 1]] * 3", "[[-1] * 3, [0] * 3, [1] * 3]"),
        ("build", "scale=1 / 40", "scale=1 / 20"),
        ("damage", "refused = 0", "refused = 8"),
        ("damage", " + 3", ""),
    ),
    "03": (
        ("taps", "0 <= r < x.shape[0] and 0 <= c < x.shape[1]", "r < 8 and c < 8"),
        ("taps", " - zero_point", ""),
        (
            "factor",
            "float(image.scale) * float(s) / float(out.scale)",
            "image.scale * s / out.scale",
        ),
        ("high-mul", " + (1 << 30)", ""),
        ("high-mul", "(a * b + (1 << 30)) >> 31", "round(a * b / 2**31)"),
        ("divide", "size if x >= 0 else -size", "(x + (1 << n >> 1)) >> n"),
        ("divide", "(1 << n >> 1)", "(1 << n - 1)"),
        ("layer", "total += int(bias.data[channel])", "pass"),
        ("layer", "min(127, max(-128, steps + out.zero_point))", "(steps + 128) % 256 - 128"),
        ("once-or-twice", "sum(", "1 + sum("),
        ("kernel", "x.astype(np.int32) - p.input_zero_point", "x.astype(np.int32)"),
        ("kernel", "x.shape[-3]", "x.shape[1]"),
        ("kernel", "p.low", "-127"),
    ),
    "04": (
        ("lifetimes", "{model_input: (-1, -1)}", "{model_input: (0, 0)}"),
        ("lifetimes", "len(ops) - 1)", "0)"),
        ("peak", "-(-size[t] // 16) * 16", "size[t]"),
        ("greedy", "-tensor)", "tensor)"),
        ("greedy", "sorted(neighbours, key=lambda t: offsets[t])", "neighbours"),
        ("greedy", "                break", "                pass"),
        ("greedy", "<= last and first <=", "< last and first <"),
        ("better-order", "min(permutations(camera_size), key=end_of)", "greedy_order(camera_size)"),
        ("pad", "- 16 * 16 * 8", ""),
        ("tail", "on_chip.used_bytes - on_chip.head_bytes", "on_chip.used_bytes"),
        ("tail", '"op data"', '"activations"'),
    ),
}


@pytest.fixture(autouse=True)
def _no_window(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(LABS)
    matplotlib.use("Agg")
    yield
    matplotlib.pyplot.close("all")


def answer_to(number: str, task: str, right: str, wrong: str) -> str | None:
    """What the task's check raises when `right` becomes `wrong` in its solution."""
    (source,) = (lab for lab in pairs.sources() if lab.name.startswith(number))
    solutions = pairs.solutions_of(source)
    assert right in solutions[task]
    solutions[task] = solutions[task].replace(right, wrong)
    notebook = pairs.notebook_of(source)
    run.solve(notebook, solutions)
    names: dict[str, object] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                exec(cell.source, names)
            except Exception as error:
                assert pairs.check_of(cell) == task, cell.source
                return type(error).__name__
        if pairs.check_of(cell) == task:
            return None
    raise AssertionError(f"no check of {task}")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", WRONG)
def test_wrong_answers_are_noticed(number: str) -> None:
    for task, right, wrong in WRONG[number]:
        assert answer_to(number, task, right, wrong) == "NotYet", (task, wrong)
        matplotlib.pyplot.close("all")
