"""ethos-u: a command stream for Arm's Ethos-U NPU. It has a row in the table, and is refused.

What the commands do is known to the NPU alone; TFLM hands them to its driver, and refuses the
model where there is none, as on a PC.
Source: TFLM kernels/ethosu.cc and kernels/ethos_u/ethosu.cc.
"""

from __future__ import annotations

from microinterp.errors import UnsupportedError
from microinterp.graph import Node
from microinterp.prepare import Context, Kernel
from microinterp.registry import Op

REASON = "a command stream that only an Ethos-U NPU can run"


def prepare(node: Node, context: Context) -> Kernel:
    """Always raises UnsupportedError."""
    raise UnsupportedError(
        f"the op is {REASON}",
        node.where(),
        "use the model as it was before the Vela compiler",
    )


OPS = (Op("ethos-u", prepare, is_custom=True, refused=REASON),)
