"""CMSIS-NN's integer kernels as a shared library of this machine, called through ctypes."""

from __future__ import annotations

import ctypes
import subprocess
from ctypes import POINTER, Structure, c_bool, c_int32, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PINNED = "4ab83cc3cc98fb85ed6dafb55e8ca02f1628dcae"
"""The commit that TFLM pins in tools/make/ext_libs/cmsis_nn_download.sh."""
FLAGS = ("-O1", "-w", "-fwrapv", "-fPIC", "-shared")
"""Without extensions of a processor: CMSIS-NN takes its plain C."""


def build(source: Path, target: Path, compiler: str = "gcc") -> ctypes.CDLL:
    """Compile a checkout of CMSIS-NN into the shared library `target` and load it."""
    floats = ("flt", "_f16", "_f32")
    files = [f for f in (source / "Source").rglob("*.c") if not any(x in f.name for x in floats)]
    include = source / "Include"
    folders = [f"-I{include}", f"-I{include / 'Internal'}"]
    names = sorted(map(str, files))
    subprocess.run([compiler, *FLAGS, *folders, *names, "-o", str(target)], check=True)
    return ctypes.CDLL(str(target))


def commit_of(source: Path) -> str:
    """The commit that is checked out in `source`; "unknown" without git."""
    command = ["git", "-C", str(source), "rev-parse", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def compiler_version(compiler: str = "gcc") -> str:
    """The first line of what the compiler says of itself."""
    said = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True)
    return said.stdout.splitlines()[0]


def address(array: npt.NDArray[Any] | None) -> c_void_p | None:
    """Where a contiguous array lies; None for NULL. The caller keeps the array alive."""
    if array is None:
        return None
    assert array.flags.c_contiguous
    return c_void_p(array.ctypes.data)


def ints(*values: int) -> ctypes.Array[c_int32]:
    """A structure that holds nothing but int32: dimensions and parameters are."""
    return (c_int32 * len(values))(*map(int, values))


class Buffer(Structure):
    """cmsis_nn_context."""

    _fields_ = (("buf", c_void_p), ("size", c_int32))

    def __init__(self, array: npt.NDArray[Any] | None = None) -> None:
        super().__init__(address(array), 0)


class Scales(Structure):
    """cmsis_nn_per_channel_quant_params; cmsis_nn_quant_params reads on to is_per_channel."""

    _fields_ = (("multiplier", c_void_p), ("shift", c_void_p), ("is_per_channel", c_int32))

    def __init__(self, multiplier: npt.NDArray[Any], shift: npt.NDArray[Any]) -> None:
        self.kept = [np.ascontiguousarray(a, np.int32) for a in (multiplier, shift)]
        super().__init__(*map(address, self.kept), 1)


class Bias(Structure):
    """cmsis_nn_bias_data."""

    _fields_ = (("data", c_void_p), ("is_int32_bias", c_bool))


class Gate(Structure):
    """cmsis_nn_lstm_gate."""

    _fields_ = (
        ("input_multiplier", c_int32),
        ("input_shift", c_int32),
        ("input_weights", c_void_p),
        ("input_effective_bias", c_void_p),
        ("hidden_multiplier", c_int32),
        ("hidden_shift", c_int32),
        ("hidden_weights", c_void_p),
        ("hidden_effective_bias", c_void_p),
        ("bias", c_void_p),
        ("activation_type", c_int32),
    )


class Lstm(Structure):
    """cmsis_nn_lstm_params."""

    _fields_ = (
        *((f"number_{i}", c_int32) for i in range(15)),
        ("forget_gate", Gate),
        ("input_gate", Gate),
        ("cell_gate", Gate),
        ("output_gate", Gate),
    )


class LstmBuffers(Structure):
    """cmsis_nn_lstm_context."""

    _fields_ = tuple((n, c_void_p) for n in ("temp1", "temp2", "cell_state", "hidden_state"))


Pointer = POINTER
