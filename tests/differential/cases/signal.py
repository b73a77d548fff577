"""Random models of the Signal* operators; 6 invokes each, with resets among them."""

from __future__ import annotations

from tests.differential.case import Case
from tests.ops import signal_models as models
from tests.ops.custom import signals

_MODELS = {
    ("SignalDelay", "int16"): models.delays(),
    ("SignalEnergy", "int16 -> uint32"): models.energies(),
    ("SignalFftAutoScale", "int16"): models.auto_scales(),
    ("SignalFilterBank", "uint32 -> uint64"): models.filter_banks(),
    ("SignalFilterBankLog", "uint32 -> int16"): models.logs(),
    ("SignalFilterBankSpectralSubtraction", "uint32"): models.subtractions(),
    ("SignalFilterBankSquareRoot", "uint64 -> uint32"): models.square_roots(),
    ("SignalFramer", "int16"): models.framers(),
    ("SignalOverlapAdd", "float32"): models.overlap_adds("float32"),
    ("SignalOverlapAdd", "int16"): models.overlap_adds("int16"),
    ("SignalPCAN", "uint32"): models.gain_controls(),
    ("SignalStacker", "int16"): models.stackers(),
    ("SignalWindow", "int16"): models.windows(),
    **{
        (op, dtype): models.ffts(op, dtype)
        for op in ("SignalIrfft", "SignalRfft")
        for dtype in ("float32", "int16", "int32")
    },
}
CASES = tuple(
    Case(op, types, strategy, samples=6, draw=signals) for (op, types), strategy in _MODELS.items()
)
