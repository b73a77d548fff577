"""The playground in a browser, driven from Python: what a user does, and what the page then has."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from microinterp_boards.expected import Samples, expectations
from microinterp_boards.packing import BoardModel

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "docs" / "playground"
BUILT = ROOT / "build" / "playground" / "index.html"
NODE_FOLDER = ROOT / "build" / "playground-src"
PATIENCE = 60.0
Strokes = Sequence[Sequence[tuple[float, float]]]


class Browser:
    """Chromium, through tests/playground/driver.mjs."""

    def __init__(self, node: str, chromium: str) -> None:
        driver = Path(__file__).with_name("driver.mjs")
        self._process = subprocess.Popen(
            [node, driver, NODE_FOLDER, chromium],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, action: str, **rest: Any) -> Any:
        """One of the driver's actions; an AssertionError with its text where it fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"action": action, **rest}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the driver has ended"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        finally:
            self._process.kill()


class Page:
    """The page, open in a window of its own; `is_late`: MicroPython starts a second after it."""

    def __init__(
        self, browser: Browser, url: str, width: int = 1280, height: int = 900,
        scheme: str = "light", is_phone: bool = False, is_late: bool = False,
    ) -> None:  # fmt: skip
        self._browser = browser
        window = {"width": width, "height": height, "scheme": scheme, "isPhone": is_phone}
        self._window = browser.do("open", url=url, **window, isLate=is_late)
        if not is_late:
            self.wait()

    def do(self, action: str, **rest: Any) -> Any:
        """One of the driver's actions, in this window."""
        return self._browser.do(action, window=self._window, **rest)

    def close(self) -> None:
        """It must have asked for nothing but itself, and its console must be empty."""
        seen = self.do("seen")
        self.do("close")
        asked = {each for each in seen["requests"] if not each.startswith("blob:")}
        assert len(asked) == 1
        assert seen["console"] == []

    def js(self, code: str) -> Any:
        return self.do("evaluate", code=code)

    def text(self, element: str) -> str:
        return str(self.js(f"document.getElementById('{element}').innerText"))

    def is_shown(self, element: str) -> bool:
        return bool(self.js(f"document.getElementById('{element}').checkVisibility()"))

    def wait(self) -> None:
        """Until nothing runs any more."""
        self.until("globalThis.playground?.state === 'ready' && !playground.engine.isBusy")

    def until(self, condition: str) -> None:
        end = time.monotonic() + PATIENCE
        while not self.js(f"Boolean({condition})"):
            assert time.monotonic() < end, f"in vain: {condition}"
            time.sleep(0.02)

    def click(self, element: str) -> None:
        self.do("click", selector=f"#{element}")
        self.wait()

    def draw(self, strokes: Strokes) -> None:
        """Clear the canvas and draw, perhaps while what there was before still runs."""
        self.do("click", selector="#clear")
        self.do("draw", selector="#canvas", strokes=strokes)
        self.wait()

    def example(self, number: int) -> None:
        self.do("fill", selector="#example", value=str(number))
        self.do("press", key="Enter")
        self.wait()

    def take(self, path: Path, field: str = "model-file") -> None:
        """Choose a file in one of the page's file fields."""
        before = self.js("playground.files")
        self.do("files", selector=f"#{field}", files=[str(path)])
        self.until(f"playground.files > {before}")
        self.wait()

    def inputs(self) -> list[bytes]:
        """Bytes of each input of the last run."""
        return [bytes.fromhex(each) for each in self.js("playground.input")]

    def outputs(self) -> list[bytes]:
        return [bytes.fromhex(each) for each in self.js("playground.result.outputs")]

    def crcs(self) -> dict[tuple[int, int], tuple[int, ...]]:
        """CRC32s by (subgraph, op), those of pieces one after the other."""
        found: dict[tuple[int, int], tuple[int, ...]] = {}
        for op in self.js("playground.result.ops"):
            key = op["subgraph"], op["op"]
            sums = (crc % (1 << 32) for _, crc in op["written"])
            found[key] = (*found.get(key, ()), *sums)
        return found


def require_equal_to_host(page: Page, model: BoardModel) -> int:
    """What the page has run last, on the host: outputs and every op's CRC32; how many of these."""
    tensors = model.prepared.graph.main.inputs
    given = tuple(
        np.frombuffer(data, tensor.dtype).reshape(tensor.shape)
        for data, tensor in zip(page.inputs(), tensors, strict=True)
    )
    samples = Samples(1, "host", lambda: iter([(given, None)]))
    (expected,) = expectations(model, samples, per_op=True)
    assert page.outputs() == list(expected.outputs)
    assert page.crcs() == expected.crcs
    return sum(map(len, expected.crcs.values()))
