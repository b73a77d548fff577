"""MicroPython code: what the service does in a heap that is in pieces.

service_memory.py function
"""

from microinterp_link.files import buffer
from service_disks import start
from service_side import MODELS, Host, noise, read


def pieces(hole):
    """Take the whole heap in pieces and drop every other one, so that no larger hole is left."""
    kept = dropped = None
    try:
        while True:
            dropped = (dropped, bytes(hole))
            kept = (kept, bytes(1))
    except MemoryError:
        dropped = None
    try:
        while True:  # what lay beyond the last of them
            kept = (kept, bytes(2 * hole))
    except MemoryError:
        return kept


def buffers():
    """As much as a piece of the heap holds, as long as that is 32 bytes."""
    assert [len(buffer(size)) for size in (0, 1, 511, 512, 513, 4096)] == [0, 1, 511, 512, 512, 512]
    kept = pieces(96)
    assert len(buffer(512)) in (128, 256)
    assert len(buffer(100)) == 100
    del kept


def uploading_in_pieces():
    """A model comes and is read again, without 512 bytes in a row."""
    host, data = Host(), noise(3000)
    kept = pieces(232)
    assert len(buffer(512)) == 256
    host.put(MODELS, "kws", data)
    del kept
    assert read("models/kws.a") == data


start(globals())
