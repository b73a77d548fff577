"""Kernel tiers on Cortex-M boards under QEMU: no DSP for an M3, and lower tiers than the board's.

QEMU's M3 executes DSP instructions, and firmware for it loads .mpy files that have them: that
nothing breaks proves nothing, so what is tested is the gate.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner

from microinterp.errors import DeviceError
from microinterp_boards import Board, virtual_board
from microinterp_boards.cli import app
from microinterp_boards.files import Files
from microinterp_boards.kernel_sets import kernels_of
from microinterp_boards.packing import pack_for_board
from microinterp_boards.probe import CEILING
from tests.boards.model_boards import MODEL
from tests.boards.qemu_port import ALL_CPUS, mapped_model, qemu_board, set_of
from tests.marks import slow_but

pytestmark = pytest.mark.usefixtures("qemu")


@contextmanager
def mapped(cpu: str, mpy_set: str) -> Iterator[Board]:
    """A board that has the digits model and a set of the runtime's files in mapped memory."""
    model = pack_for_board(MODEL.read_bytes(), "digits")
    with qemu_board(cpu, preload=mapped_model(model, cpu, mpy_set)) as board:
        yield board


@pytest.fixture(scope="module")
def m3() -> Iterator[Board]:
    with qemu_board("m3") as board:
        yield board


def test_an_m3_whose_firmware_claims_dsp_gets_none(m3: Board) -> None:
    about = m3.probe()
    assert about.architecture == "armv7em"
    assert (about.cpu, about.cpu_architecture, about.dsp) == ("Cortex-M3", "armv7m", False)
    assert (about.tier, about.mpy_set) == ("armv7m", "armv7m")
    assert about.reason == "Cortex-M3 without DSP instructions"


def test_dsp_kernels_for_an_m3_are_refused_before_anything_is_sent(m3: Board) -> None:
    with pytest.raises(DeviceError, match="'armv7em' is not for this board: Cortex-M3 with") as it:
        m3.deploy(MODEL, mpy_set="armv7em")
    assert it.value.hint == "it runs armv7m, armv6m, viper-armv7m, viper-armv6m, bytecode"
    assert Files(m3.link).list() == []


def test_a_ceiling_does_not_raise_an_m3(m3: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CEILING, "armv7em")
    assert m3.probe().tier == "armv7m"
    with pytest.raises(DeviceError, match="'armv7em' is not for this board"):
        m3.deploy(MODEL, mpy_set="armv7em")


@pytest.mark.parametrize("cpu", slow_but(ALL_CPUS, "m3"))
@pytest.mark.parametrize("way", ["environment", "option"])
def test_armv6m_kernels_on_a_larger_processor(
    cpu: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mapped(cpu, "armv6m") as board:
        if way == "environment":
            monkeypatch.setenv(CEILING, "armv6m")
            assert board.probe().reason.startswith("held to armv6m; else armv7")
            with pytest.raises(DeviceError, match="'armv7m' is not for this board: held to"):
                board.deploy(MODEL, "digits", mpy_set="armv7m")
        kept = board.deploy(MODEL, "digits", mpy_set=None if way == "environment" else "armv6m")
        done = board.validate(MODEL, samples=1, name="digits")
    mpy_set = set_of(cpu, "armv6m")
    assert (kept.mpy_set, kept.files_sent, kept.kernels) == (mpy_set, (), kernels_of(mpy_set))
    assert (done.mpy_set, done.differing_bytes, done.equal) == (mpy_set, 0, True)


def test_what_the_command_tells() -> None:
    with virtual_board("qemu", cpu="m3") as port:
        told = CliRunner().invoke(app, ["probe", port])
        held = CliRunner().invoke(app, ["probe", port, "--json"], env={CEILING: "armv6m"})
    assert "Cortex-M3 (CPUID 0x410fc231), armv7m, no DSP, 32 bits" in told.output
    assert "armv7m: Cortex-M3 without DSP instructions" in told.output
    facts = json.loads(held.output)
    assert (facts["cpu"], facts["cpu_architecture"], facts["dsp"]) == ("Cortex-M3", "armv7m", False)
    assert (facts["architecture"], facts["tier"]) == ("armv7em", "armv6m")
    assert facts["inline_asm"]
    assert facts["sets"] == ["armv6m", "viper-armv6m", "bytecode"]
