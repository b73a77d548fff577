"""Which slot of a model is in use: three records, of which the newest sound one holds."""

from binascii import crc32
from struct import pack, unpack

from microinterp_link.fields import Fields
from microinterp_link.files import remove, size_of, sync
from microinterp_link.refused import BAD_REQUEST, NOT_NOW, SELF_TEST, VERSION, Refused

_MARK = b"MIS1"
_FORM = "<4sIB3xII32s"
_SIZE = 56
_PATH = "models/%s.%d"


class Record:
    """number: of its file. slot: "a" or "b"."""

    def __init__(self, number, generation, slot, version, size, digest):
        self.number = number
        self.generation = generation
        self.slot = slot
        self.version = version
        self.size = size
        self.digest = digest


def records(name):
    """The sound records of a model, the newest first."""
    found = []
    for number in range(3):
        try:
            with open(_PATH % (name, number), "rb") as file:
                data = file.read(_SIZE + 1)
        except OSError as error:
            if error.args[0] != 2:
                raise
            continue
        if len(data) != _SIZE or crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
            continue
        mark, generation, slot, version, size, digest = unpack(_FORM, data)
        if mark == _MARK and slot in (97, 98):
            found.append(Record(number, generation, chr(slot), version, size, digest))
    found.sort(key=lambda record: -record.generation)
    return found


def current(name):
    """The record that holds, or None."""
    found = records(name)
    return found[0] if found else None


def other(name):
    """The newest record of the slot that is not in use, or None."""
    found = records(name)
    for record in found[1:]:
        if record.slot != found[0].slot:
            return record
    return None


def path_of(name, slot):
    return "models/" + name + "." + slot


def give_up(name):
    """Remove what records say of the slot that is not in use; its letter."""
    now = current(name)
    slot = "b" if now and now.slot == "a" else "a"
    for record in records(name):
        if record.slot == slot:
            remove(_PATH % (name, record.number))
    return slot


def put(name, slot, version, size, digest):
    """Let a slot be in use. What records say of either slot stays until that is written."""
    now, before = current(name), other(name)
    taken = [record.number for record in (now, before) if record]
    number = next(i for i in range(3) if i not in taken)
    generation = now.generation + 1 if now else 1
    data = pack(_FORM, _MARK, generation, ord(slot), version, size, digest)
    data += crc32(data).to_bytes(4, "little")
    path = _PATH % (name, number)
    with open(path, "wb") as file:
        if file.write(data) != _SIZE:
            raise OSError(28)
    sync()
    with open(path, "rb") as file:
        if file.read(_SIZE + 1) != data:
            raise OSError(5)
    return generation.to_bytes(4, "little")


def handle(state, kind, payload, limit):
    fields = Fields(payload)
    name = fields.name(True)
    by_host = fields.number(1) if kind == 0x26 and fields.left() else 0
    if by_host > 1:
        raise Refused(BAD_REQUEST, "by_host is %d, wanted 0 or 1" % by_host)
    fields.end()
    if kind == 0x24:
        return _model(name)
    if kind == 0x26:
        return _switch(state, name, by_host)
    if kind == 0x27:
        return _back(name)
    if kind == 0x28:
        return _forget(state, name)
    raise Refused(BAD_REQUEST, "there is no request %d" % kind)


def _model(name):
    found = records(name)
    answer = bytearray((found[0].generation if found else 0).to_bytes(4, "little"))
    answer.append(ord(found[0].slot) if found else 0)
    for slot in "ab":
        size = size_of(path_of(name, slot))
        version, digest = 0, bytes(32)
        for record in found:
            if record.slot == slot:
                version, digest = record.version, record.digest
                break
        answer.extend(pack("<BII", size >= 0, max(size, 0), version))
        answer.extend(digest)
    answer.extend((size_of("models/" + name + ".part") & 0xFFFFFFFF).to_bytes(4, "little"))
    return answer


def _switch(state, name, by_host):
    if name not in state.verified:
        raise Refused(NOT_NOW, "VERIFY comes first")
    if name not in state.tested and not by_host:
        raise Refused(SELF_TEST, "TEST comes first, and has to go well")
    generation = put(name, *state.verified[name])
    state.forget(name)
    return generation


def _back(name):
    from microinterp_link.upload import is_same, key

    now, before = current(name), other(name)
    if not before:
        raise Refused(NOT_NOW, "there is no other model to go back to")
    if not is_same(path_of(name, before.slot), before.size, before.digest):
        raise Refused(NOT_NOW, "the other slot is not what its record says")
    if key() is not None and before.version < now.version:
        raise Refused(
            VERSION, "version %d is lower than %d, which is in use" % (before.version, now.version)
        )
    return put(name, before.slot, before.version, before.size, before.digest)


def _forget(state, name):
    """The record in use goes before its slot, after the others: they must not come to hold."""
    if state.upload and state.upload.model == name:
        state.stop()
    state.forget(name)
    now = current(name)
    last = now.number if now else 0
    paths = [_PATH % (name, number) for number in range(3) if number != last]
    paths.append(_PATH % (name, last))
    for end in ("a", "b", "part", "test", "test.part"):
        paths.append(path_of(name, end))
    was_there = False
    for path in paths:
        was_there = remove(path) or was_there
    sync()
    return bytes([was_there])
