"""Upper bounds of time, on a machine that has other work too."""

from __future__ import annotations

import time
from collections.abc import Callable


def quickest(action: Callable[[], object], limit: float, tries: int = 6) -> float:
    """Seconds that `action` takes, of the first try below `limit` or else the quickest of all.

    A machine that stands still for a while makes one try too long; a fault makes every one so.
    """
    best = float("inf")
    for _ in range(tries):
        started = time.monotonic()
        action()
        best = min(best, time.monotonic() - started)
        if best < limit:
            break
    return best
