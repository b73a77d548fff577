"""Models as they are deployed over the link: schemas/link.md tells of slots and records.

from microinterp import models
it = models.load("digits")
"""

from binascii import crc32

from microinterp import Interpreter, ModelError

_SIZE = 56


def load(name, arena=None):
    """The interpreter of the model that is in use. Raises ModelError if there is none."""
    return Interpreter.from_file(find(name), arena)


def find(name):
    """Path of the model that is in use: of the slot that the newest sound record names."""
    return newest(name)[0]


def newest(name):
    """That path, and the record's generation."""
    found, slot = -1, 0
    for number in range(3):
        try:
            with open("models/%s.%d" % (name, number), "rb") as file:
                data = file.read(_SIZE + 1)
        except OSError as error:
            if error.args[0] != 2:
                raise
            continue
        if len(data) != _SIZE or data[:4] != b"MIS1":
            continue
        if crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
            continue
        generation = int.from_bytes(data[4:8], "little")
        if generation > found and data[8] in (97, 98):
            found, slot = generation, data[8]
    if not slot:
        raise ModelError("no model '%s' is deployed in the folder models" % name)
    return "models/%s.%s" % (name, chr(slot)), found
