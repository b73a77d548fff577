"""Starts the relay of a virtual board, and ends it however the program that wanted it goes on."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from microinterp.errors import DeviceError, printable
from microinterp_boards.virtual import registry

_START_LIMIT = 15.0  # seconds for the relay to answer
_END_LIMIT = 3.0  # seconds for it to clean up


_relays: dict[str, subprocess.Popen[bytes]] = {}  # of the boards that this process runs, by port


class NotStartedError(Exception):
    """What a board said in place of coming up."""


@contextmanager
def board_process(
    kind: str, config: dict[str, Any], *, heap: int = 0, folder: str = "", cpu: str = ""
) -> Iterator[str]:
    """Run the relay with `config` (see relay.py) and announce the board; gives its port.

    With "faults" in `config` that is faulty_relay.py. Raises NotStartedError with the board's own
    words if it does not come up.
    """
    entry = {"kind": kind, "heap": heap, "folder": folder, "cpu": cpu}
    file = registry.directory() / f"{secrets.token_hex(8)}.json"
    whole = {"entry": entry, "registry": str(file), "temporary": "", **config}
    program = Path(__file__).with_name("faulty_relay.py" if "faults" in config else "relay.py")
    relay = subprocess.Popen(
        [sys.executable, "-I", "-S", str(program), json.dumps(whole)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C in the terminal is for the host program
    )
    port = ""
    try:
        port = _port(relay)
        _relays[port] = relay
        yield port
    finally:
        _relays.pop(port, None)
        _end(relay)


def wait_for_end(port: str) -> str:
    """Wait until the virtual board of this process at `port` ends by itself; gives its last words.

    They are empty where it said nothing, or its relay was killed.
    """
    said = _relays[port].stdout
    assert said is not None
    try:
        last: dict[str, str] = json.loads(said.readline())
    except ValueError:
        return ""
    return last.get("ended") or last.get("error") or ""


def require_posix(kind: str) -> None:
    """Raise DeviceError where there are no pseudo-terminals."""
    if os.name != "posix":
        raise DeviceError(
            f"the virtual board '{kind}' needs Linux or macOS, this is {platform.system()}"
            f" {platform.machine()}",
            hint="use a real board",
        )


def _port(relay: subprocess.Popen[bytes]) -> str:
    assert relay.stdout is not None
    answer = b""
    if select.select([relay.stdout], [], [], _START_LIMIT)[0]:
        answer = relay.stdout.readline()
    try:
        said: dict[str, str] = json.loads(answer)
    except ValueError:
        said = {"error": f"its process said '{printable(repr(answer))}'"}
    if "port" in said:
        return said["port"]
    raise NotStartedError(said.get("error") or "no reason given")


def _end(relay: subprocess.Popen[bytes]) -> None:
    """Let the relay clean up; kill it if it does not (what it started then gets a hang-up)."""
    assert relay.stdin is not None
    assert relay.stdout is not None
    with contextlib.suppress(OSError):
        relay.stdin.close()
    try:
        relay.wait(_END_LIMIT)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(relay.pid, signal.SIGKILL)
        relay.wait()
    relay.stdout.close()
