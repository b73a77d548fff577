from __future__ import annotations
from microinterp.arena.target_ops import Footprint
CMSIS_NN: dict[str, Footprint] = {}
