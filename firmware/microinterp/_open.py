"""Memory for a model: its file and its arena, the two large pieces, before anything else.

Later there may be no piece of the heap that is large enough.
"""

import gc

from microinterp import FORMAT, ModelError
from microinterp._flat import Reader
from microinterp._tier import LAYOUT, misaligned


def read_file(path):
    """The file as a buffer: mapped where it can be, else a copy in memory."""
    with open(path, "rb") as file:
        try:
            return memoryview(file)
        except TypeError:
            pass
        size = file.seek(0, 2)
        file.seek(0)
        buffer = _allocate(size, "model file")
        if file.readinto(buffer) != size:
            raise ModelError("%s: read less than its %d bytes" % (path, size))
        return buffer


def open_model(it, model, arena):
    """Sets _reader, _root, _arena and _weights."""
    reader = Reader(model)
    root = _root(reader)
    if misaligned(reader.bytes):
        copied = _allocate(reader.size, "aligned copy of the model")
        copied[:] = reader.bytes
        reader = Reader(copied)
    size = reader.number(root, 5)
    if arena is None:
        arena = _allocate(size, "arena")
    elif len(arena) < size:
        raise ModelError(
            "arena has %d bytes, the model needs %d: %d short"
            % (len(arena), size, size - len(arena))
        )
    if LAYOUT != "portable" and misaligned(arena):
        raise ModelError("the arena does not begin at a multiple of 4")
    first, count = reader.vector(root, 11, 1)
    if first & 3:
        raise ModelError("the weights do not begin at a multiple of 4")
    it._reader = reader
    it._root = root
    it._arena = arena
    it._weights = reader.bytes[first : first + count]


def _root(reader):
    kind = bytes(reader.bytes[4:8])
    if kind == b"TFL3":
        raise ModelError("this is a .tflite file: pack it on the host (microinterp pack)")
    if kind != b"MIPK":
        raise ModelError("not a packed model")
    root = reader.follow(0)
    version = reader.number(root, 0, 2)
    if version != FORMAT:
        raise ModelError("packed for format %d, this runtime reads %d" % (version, FORMAT))
    for number, wanted in ((1, LAYOUT), (2, "tflm")):
        found = reader.string(root, number)
        if found != wanted:
            raise ModelError("packed for '%s', this runtime reads '%s'" % (found[:32], wanted))
    return root


def _allocate(size, what):
    gc.collect()
    try:
        return bytearray(size)
    except MemoryError:
        pass
    low, high = 0, size
    while high - low > 64:
        middle = (low + high) // 2
        try:
            bytearray(middle)
            low = middle
        except MemoryError:
            high = middle
        gc.collect()
    raise MemoryError(
        "%s needs %d bytes in one piece, the largest free piece has %d: %d short"
        % (what, size, low, size - low)
    )
