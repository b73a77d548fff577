"""Tells when a program opens a port (Linux). Standard library only, as line.py."""

from __future__ import annotations

import ctypes
import os

_IN_OPEN = 0x20  # of linux/inotify.h
_EVENTS = 4096  # bytes that are enough for those of a file without a name


class Openings:
    """Counts nothing, misses nothing: `seen` is whether the port was opened since last asked."""

    def __init__(self, port: str) -> None:
        """Watch the path `port`. Raises OSError if the system cannot."""
        system = ctypes.CDLL(None, use_errno=True)
        self.descriptor = system.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "cannot watch a port")
        if system.inotify_add_watch(self.descriptor, os.fsencode(port), _IN_OPEN) < 0:
            raise OSError(ctypes.get_errno(), f"cannot watch {port}")

    def seen(self) -> bool:
        """Whether somebody has opened it; an opening is told before what that program writes."""
        try:
            return bool(os.read(self.descriptor, _EVENTS))
        except BlockingIOError:
            return False
