"""Requests that look at files; where files of each place lie. Nothing else names a path."""

import os
from binascii import crc32

from microinterp_link.fields import Fields, has_suffix, is_good
from microinterp_link.refused import Refused

_BLOCK = 512
_FOLDER = 0x4000


def folder(place):
    """The folder of models, or where the host tools install the runtime."""
    if place == 0:
        return "models"
    if place != 1:
        raise Refused(1, "there is no place %d" % place)
    import sys

    lib = os.getcwd().rstrip("/") + "/lib"
    return "lib/microinterp" if lib in sys.path or "lib" in sys.path else "microinterp"


def size_of(path):
    """Bytes of a file; -1 if there is none."""
    try:
        found = os.stat(path)
    except OSError as error:
        if error.args[0] != 2:
            raise
        return -1
    if found[0] & _FOLDER:
        raise OSError(21)
    return found[6]


def remove(path):
    """Whether there was such a file."""
    try:
        os.remove(path)
    except OSError as error:
        if error.args[0] != 2:
            raise
        return False
    return True


def sync():
    if hasattr(os, "sync"):
        os.sync()


def handle(state, kind, payload, limit):
    fields = Fields(payload)
    place = fields.number(1)
    path = folder(place)
    if kind == 0x10:
        return _list(path, fields, limit)
    if kind == 0x16:
        fields.end()
        return _room()
    if not 0x11 <= kind <= 0x15:
        raise Refused(1, "there is no request %d" % kind)
    name = fields.name()
    path += "/" + name
    if state.upload:
        try:
            state.upload.flush()  # so that what is read is what was sent
        except OSError:
            state.stop()
            raise
    if kind == 0x15:
        fields.end()
        return _remove(state, place, name, path)
    if kind == 0x11:
        fields.end()
        size = size_of(path)
        return bytes([size >= 0]) + max(size, 0).to_bytes(4, "little")
    offset = fields.number(4)
    if kind == 0x14:
        return _read(path, offset, fields, limit)
    block = fields.number(4)
    count = 1 if kind == 0x12 else fields.number(2)
    fields.end()
    if 4 * count > limit:
        raise Refused(1, "%d CRC32s are more than an answer holds" % count)
    answer = bytearray()
    with open(path, "rb") as file:
        left = file.seek(0, 2) - offset
        if left < (block if kind == 0x12 else 0):
            raise Refused(1, "the file ends before")
        file.seek(offset)
        while count and (left > 0 or kind == 0x12):
            take = min(block, left)
            if not take and kind != 0x12:
                raise Refused(1, "blocks of no bytes")
            answer.extend(_crc(file, take).to_bytes(4, "little"))
            left -= take
            count -= 1
    return answer


def buffer(size):
    """Room to read up to 512 bytes at a time through; less of it where the heap is in pieces."""
    size = min(size, _BLOCK)
    while True:
        try:
            return memoryview(bytearray(size))
        except MemoryError:
            if size < 64:
                raise
            size >>= 1


def _crc(file, size):
    view = buffer(size)
    found = 0
    while size:
        piece = view[:size]
        if file.readinto(piece) != len(piece):
            raise OSError(5)
        found = crc32(piece, found)
        size -= len(piece)
    return found


def _list(path, fields, limit):
    first = fields.number(2)
    fields.end()
    answer = bytearray()
    try:
        for entry in os.ilistdir(path):
            name = entry[0].encode()
            if entry[1] == _FOLDER or not is_good(name):
                continue
            if first:
                first -= 1
                continue
            if len(answer) + len(name) + 5 > limit:
                break
            size = entry[3] if len(entry) > 3 else os.stat(path + "/" + entry[0])[6]
            answer.append(len(name))
            answer.extend(name)
            answer.extend(size.to_bytes(4, "little"))
    except OSError as error:
        if error.args[0] != 2:
            raise
    return answer


def _read(path, offset, fields, limit):
    length = fields.number(2)
    fields.end()
    if length > limit:
        raise Refused(1, "%d bytes are more than an answer holds" % length)
    with open(path, "rb") as file:
        if offset > file.seek(0, 2):
            raise Refused(1, "the file ends before")
        file.seek(offset)
        return file.read(length)


def _remove(state, place, name, path):
    if not place and has_suffix(name, (".a", ".b", ".0", ".1", ".2")):
        raise Refused(1, "slots and records go with their model")
    if state.upload and state.upload.part.lower() == path.lower():  # FAT: the same file
        state.stop()
    was_there = remove(path)
    sync()
    return bytes([was_there])


def _room():
    try:
        found = os.statvfs(os.getcwd())
    except (AttributeError, OSError):
        found = bytes(10)
    answer = bytearray()
    for number in (found[1], found[4], found[2]):
        answer.extend(min(number, 0xFFFFFFFF).to_bytes(4, "little"))
    return answer
