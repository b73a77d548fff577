"""What goes wrong around models on boards: each is one clear error, and the board works after."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board, virtual_board
from microinterp_boards.virtual.registry import running_boards
from tests.boards.model_boards import MODEL, NAME, board_with, change_byte, model_in_use, weight_of
from tests.conftest import shared_model
from tests.marks import slow
from tests.processes import command

pytestmark = pytest.mark.usefixtures("interpreter")


def deploy(board: Board, **options: Any) -> None:
    board.deploy(MODEL, "another", **options)


def validate(board: Board, **options: Any) -> None:
    board.validate(MODEL, **options)


def validate_ops(board: Board, **options: Any) -> None:
    board.validate(MODEL, per_op=True, **options)


def bench(board: Board, **options: Any) -> None:
    board.bench(MODEL, **options)


@pytest.mark.parametrize("act", [deploy, validate_ops, slow(validate), slow(bench)])
def test_board_unplugged_in_the_middle(act: Callable[..., None]) -> None:
    calls = []

    def unplug(done: int, of: int) -> None:
        calls.append(done)
        if len(calls) == 2:
            assert done < of
            os.kill(running_boards()[0].pid, signal.SIGKILL)

    with virtual_board() as port, Board(port, patience=5) as board:
        board.deploy(MODEL)
        with pytest.raises(DeviceError, match=f"{port}: the port is gone") as caught:
            act(board, progress=unplug)
        assert "was the board unplugged" in caught.value.hint


@pytest.mark.parametrize("act", [deploy, validate_ops, slow(validate), slow(bench)])
def test_host_interrupted_in_the_middle(act: Callable[..., None]) -> None:
    """Ctrl-C at the host: whatever the board was doing, the next command finds it well."""

    def interrupt(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with virtual_board() as port:
        with Board(port, patience=5) as board:
            board.deploy(MODEL)
            with pytest.raises(KeyboardInterrupt):
                act(board, progress=interrupt)
        with Board(port, patience=8) as board:
            assert board.validate(MODEL, samples=2).equal
            board.deploy(MODEL, "another")


def test_port_busy_and_wrong_port() -> None:
    with virtual_board() as port:
        with Board(port):
            done = command("board", "validate", str(MODEL), "--port", port)
            assert done.returncode == 2
            assert f"error: {port}: the port is busy" in done.stderr
        done = command("board", "deploy", str(MODEL), "--port", "/dev/nowhere")
        assert done.returncode == 2
        assert "there is no such port" in done.stderr


def test_filesystem_full() -> None:
    data = shared_model("kws_int8.tflite")
    with board_with(flash=232 * 1024) as board:
        board.deploy(MODEL)
        with pytest.raises(DeviceError, match="no room for 'kws'") as caught:
            board.deploy(data, "kws")
        assert "remove files" in caught.value.hint
        assert board.validate(MODEL, samples=2).equal  # nothing was harmed
        assert f"models/{NAME}.a" in board.uninstall()


def test_filesystem_that_fills_up_on_the_way() -> None:
    """What a filesystem needs for itself is not foreseen; sizes around the limit are all clear."""
    sizes = (64, 136, 160, 164, 168, 172, 176, 180, 240)
    refusals = [_deploy_into(kilobytes) for kilobytes in sizes]
    assert refusals[0]
    assert not refusals[-1]
    for refusal in refusals:
        assert refusal is None or ("no room for" in refusal.message and refusal.hint)


def _deploy_into(kilobytes: int) -> DeviceError | None:
    with board_with(flash=kilobytes * 1024) as board:
        try:
            board.deploy(MODEL)
        except DeviceError as error:
            return error
        assert board.validate(MODEL, samples=1).equal
        return None


def test_heap_too_small_by_far() -> None:
    data = shared_model("kws_int8.tflite")
    with virtual_board(heap=49152) as port, Board(port) as board:
        with pytest.raises(DeviceError, match="does not fit into the board's heap") as caught:
            board.deploy(data, "kws")
        numbers = re.search(r"are (\d+) bytes more than the (\d+) that are free", str(caught.value))
        assert numbers is not None
        assert 0 < int(numbers[1]) < 32656 + 16064
        assert board.files.list() == []


def test_heap_too_small_by_little() -> None:
    """The runtime's own needs decide on the board, which tells how much is short."""
    data = shared_model("kws_int8.tflite")
    with virtual_board(heap=57344) as port, Board(port) as board:
        with pytest.raises(
            DeviceError, match=r"'kws' does not fit into the heap: .*MemoryError: "
        ) as caught:
            board.deploy(data, "kws")
        assert "more memory" in caught.value.hint
        assert board.exec("print(1)") == "1\n"


@pytest.mark.slow
def test_commands(tmp_path: Path) -> None:
    with virtual_board() as port:
        done = command("board", "deploy", str(MODEL), "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["name"] == NAME
        assert command("board", "deploy", str(MODEL)).stdout.startswith(f"model      {NAME}: ")
        done = command("board", "validate", str(MODEL), "--per-op", "--samples", "3")
        assert done.returncode == 0
        assert done.stdout.startswith("equal: 3 samples, 30 bytes of outputs, 30 CRC32s of")
        assert json.loads(command("board", "bench", str(MODEL), "--json").stdout)["runs"] == 20
        assert "CONV_2D" in command("board", "bench", str(MODEL), "--runs", "2").stdout
        with Board(port) as board:
            change_byte(board, weight_of(model_in_use(board), 5))
        done = command("board", "validate", str(MODEL))
        assert done.returncode == 1
        assert "first: sample 0, op 5 CONV_2D, tensor" in done.stdout
        done = command("board", "validate", str(MODEL), "--json")
        assert done.returncode == 1
        facts = json.loads(done.stdout)
        assert facts["equal"] is False
        assert facts["first_difference"]["op_index"] == 5
        removed = json.loads(command("board", "uninstall", "--json").stdout)["removed"]
        assert f"models/{NAME}.a" in removed
        assert command("board", "uninstall").stdout == "0 files removed\n"
        done = command("board", "validate", str(MODEL))
        assert done.returncode == 2
        assert "there is no runtime on the board" in done.stderr
    packed = tmp_path / "digits.mipk"
    report = json.loads(command("pack", str(MODEL), "-o", str(packed), "--json").stdout)
    assert report["file_bytes"] == packed.stat().st_size
    parts = ("weights_bytes", "steps_bytes", "text_bytes", "structure_bytes")
    assert report["file_bytes"] == sum(report[part] for part in parts)
    assert "FULLY_CONNECTED" in command("pack", str(MODEL), "-o", str(packed)).stdout
