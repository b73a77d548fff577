"""Bootloaders that tests imitate: volumes in folders, and programs that talk to boards."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

PICO = "UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n"
PICO2 = "UF2 Bootloader v1.0\r\nModel: Raspberry Pi RP2350\r\nBoard-ID: RP2350\r\n"
METRO = "UF2 Bootloader v3.13.0 SFHWRO\nModel: Metro M4 Express\nBoard-ID: SAMD51J19A-Metro-v0\n"
UNKNOWN = "UF2 Bootloader 0.9\nModel: HT-n5262G\nBoard-ID: HT-n5262G\n"


def uf2_volume(path: Path, info: str = PICO) -> Path:
    path.mkdir(parents=True)
    (path / "INFO_UF2.TXT").write_bytes(info.encode())
    (path / "INDEX.HTM").write_text("<html></html>")
    return path


def microbit_volume(path: Path, board: str = "9903", remounts: int | None = 0) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    count = "" if remounts is None else f"Remount count: {remounts}\r\n"
    (path / "DETAILS.TXT").write_bytes(
        f"# DAPLink Firmware - see https://daplink.io\r\n"
        f"Unique ID: {board}360200052820f988c7fc2ec74011000000006e052820\r\n"
        f"HIC ID: 6e052820\r\nDaplink Mode: Interface\r\nInterface Version: 0257\r\n{count}"
        f"URL: https://microbit.org/device/?id={board}&v=0257\r\n".encode()
    )
    return path


class Bootloader(threading.Thread):
    """Does something when a file of a volume has a given size, as a bootloader does."""

    def __init__(self, file: Path, size: int, then: Callable[[bytes], None]) -> None:
        super().__init__(daemon=True)
        self.file, self.size, self.then = file, size, then
        self.taken: bytes | None = None
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.is_set():
            try:
                data = self.file.read_bytes()
            except OSError:
                data = b""
            if len(data) >= self.size:
                self.taken = data
                self.then(data)
                return
            time.sleep(0.005)

    def stop(self) -> None:
        self._end.set()
        self.join(5)


def leaves(volume: Path) -> Callable[[bytes], None]:
    """The volume goes away, as UF2 volumes do."""
    return lambda _: shutil.rmtree(volume)


_FAKE = """\
#!{python}
import json, os, sys
folder = {folder!r}
plan = json.load(open(os.path.join(folder, "plan.json")))
with open(os.path.join(folder, "calls.jsonl"), "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
for step in plan:
    if all(word in sys.argv for word in step["words"]):
        for name, text in step.get("files", {{}}).items():
            path = sys.argv[sys.argv.index(name) + 1]
            open(path, "xb").write(bytes.fromhex(text))
        sys.stdout.write(step.get("says", ""))
        sys.stderr.write(step.get("complains", ""))
        sys.exit(step.get("status", 0))
sys.exit("no such command: " + " ".join(sys.argv[1:]))
"""


class Program:
    """A program in PATH that records its arguments and does what its steps say.

    The first step of which all `words` are arguments counts: what it `says`, `complains`, writes to
    `files` (after an option, in hex), and its exit `status`.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder / f"{name}.state"
        self._folder.mkdir(parents=True)
        self.path = folder / name
        self.path.write_text(_FAKE.format(python=sys.executable, folder=str(self._folder)))
        self.path.chmod(0o755)
        self.steps: list[dict[str, object]] = []
        self.save()

    def on(self, *words: str, **what: object) -> Program:
        self.steps.append({"words": list(words), **what})
        self.save()
        return self

    def save(self) -> None:
        """Let runs from now on follow the steps as they are."""
        new = self._folder / "plan.new"
        new.write_text(json.dumps(self.steps))
        new.replace(self._folder / "plan.json")

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each run so far."""
        file = self._folder / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
