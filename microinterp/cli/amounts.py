"""Amounts on the command line: bytes with K and M behind them."""

from __future__ import annotations

import re

from microinterp.errors import ArenaError, printable

_UNITS = {"": 1, "K": 1024, "M": 1024**2}
_SIZE = re.compile(r"([0-9]{1,15})([KM]?)", re.IGNORECASE)


def parse_bytes(text: str) -> int:
    """A number of bytes, such as "65536", "64K" or "1M".

    Raises:
        ArenaError: anything else.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ArenaError(
            f"'{printable(text, 40)}' is no number of bytes",
            hint="digits, and K (1,024) or M (1,048,576) behind them: 65536, 64K, 1M",
        )
    return int(match[1]) * _UNITS[match[2].upper()]
