"""Files on their way: into NAME.part, read again from flash, and only then under their name."""

import os

from microinterp_link.fields import Fields
from microinterp_link.files import buffer, folder, remove, size_of, sync
from microinterp_link.refused import (
    BAD_REQUEST,
    NOT_ANNOUNCED,
    NOT_NOW,
    SIGNATURE,
    VERSION,
    Refused,
)
from microinterp_link.slots import current, give_up, path_of

_LOOSE = 16384  # bytes that a power cut may take: littlefs keeps nothing that was not flushed
_EXISTS = 17
MODELS, RUNTIME, TESTS = 0, 1, 2


class Upload:
    """The part that is open. there: bytes up to which it is written."""

    def __init__(self, place, name, slot, target, size, digest):
        self.place = place
        self.name = name
        self.model = None if place == RUNTIME else name
        self.slot = slot
        self.target = target
        self.part = (path_of(name, "") if place == MODELS else target + ".") + "part"
        self.size = size
        self.digest = digest
        self._loose = 0
        self._file = None

    def open(self):
        there = size_of(self.part)
        self.there = there if 0 < there <= self.size else 0
        self._file = open(self.part, "r+b" if self.there else "wb")  # noqa: SIM115
        self._at = 0

    def write(self, offset, data):
        if offset > self.there or offset + len(data) > self.size:
            raise Refused(
                BAD_REQUEST, "bytes at %d, %d of %d are there" % (offset, self.there, self.size)
            )
        if not len(data):
            return
        if offset != self._at:
            self._file.seek(offset)
        self._at = -1
        if self._file.write(data) != len(data):
            raise OSError(28)
        self._at = self.there = offset + len(data)
        self._loose += len(data)
        if self._loose >= _LOOSE:
            self.flush()

    def flush(self):
        self._file.flush()
        self._loose = 0

    def close(self):
        self._file.close()


def sha256():
    try:
        from hashlib import sha256
    except ImportError:
        raise Refused(NOT_NOW, "this firmware has no hashlib.sha256") from None
    return sha256()


def digest_of(path, sums=()):
    """SHA-256 of a file, as it is in flash. sums: others that take its bytes too."""
    sums = (sha256(),) + sums  # noqa: RUF005
    view = buffer(512)
    with open(path, "rb") as file:
        while True:
            took = file.readinto(view)
            if not took:
                return sums[0].digest()
            for each in sums:
                each.update(view[:took])


def is_same(path, size, digest):
    """Whether a file is what it should be; what cannot be read is not."""
    try:
        return size_of(path) == size and digest_of(path) == digest
    except OSError as error:
        if error.args[0] != 5:
            raise
        return False


def key():
    """The key of a board that takes only what is signed, else None."""
    try:
        with open("models/.key", "rb") as file:
            return file.read()
    except OSError as error:
        if error.args[0] != 2:
            raise
        return None


def handle(state, kind, payload, limit):
    if kind == 0x20:
        return _open(state, payload)
    if not 0x21 <= kind <= 0x23:
        raise Refused(BAD_REQUEST, "there is no request %d" % kind)
    upload = state.upload
    if not upload:
        raise Refused(NOT_NOW, "OPEN comes first")
    fields = Fields(payload)
    if kind == 0x23:
        version = fields.number(4)
        signature = bytes(fields.bytes(fields.left()))
        if upload.there != upload.size:
            raise Refused(NOT_NOW, "%d of %d bytes are there" % (upload.there, upload.size))
        state.upload = None
        upload.close()
        _verify(state, upload, version, signature)
        return b""
    try:
        offset = fields.number(4)
        if kind == 0x21:
            upload.write(offset, fields.bytes(fields.left()))
        else:
            source, length = fields.number(4), fields.number(4)
            fields.end()
            _copy(upload, offset, source, length)
    except OSError:  # nobody knows how far it came: OPEN finds out
        state.stop()
        raise
    return upload.there.to_bytes(4, "little")


def _open(state, payload):
    fields = Fields(payload)
    place = fields.number(1)
    name = fields.name(place != RUNTIME)
    size, digest = fields.number(4), bytes(fields.bytes(32))
    fields.end()
    path = folder(place & 1 if place <= TESTS else place)
    if not 0 < size < 1 << 31 or name.lower().endswith(".part"):
        raise Refused(BAD_REQUEST, "no upload of %d bytes as %s" % (size, name))
    sha256()
    state.stop()
    _make(path)
    slot = ""
    if place == RUNTIME:
        target = path + "/" + name
    else:
        if place == MODELS:
            state.forget(name)
            slot = give_up(name)
        target = path_of(name, slot or "test")
    upload = Upload(place, name, slot, target, size, digest)
    if place != RUNTIME and is_same(target, size, digest):
        rename(target, upload.part)  # power went, or the answer did, when all was there
    elif place == MODELS:
        remove(target)
    upload.open()
    state.upload = upload
    return upload.there.to_bytes(4, "little")


def _make(path):
    for end in range(1, len(path) + 1):
        if end == len(path) or path[end] == "/":
            try:
                os.mkdir(path[:end])
            except OSError as error:
                if error.args[0] != _EXISTS:
                    raise


def rename(old, new):
    """In one step where the filesystem can; FAT does not replace."""
    try:
        os.rename(old, new)
    except OSError as error:
        if error.args[0] != _EXISTS:
            raise
        os.remove(new)
        os.rename(old, new)
    sync()


def _copy(upload, offset, source, length):
    now = current(upload.name) if upload.place == MODELS else None
    if not now:
        raise Refused(NOT_NOW, "there is no model in use to copy from")
    if source + length > now.size or offset + length > upload.size:
        raise Refused(
            BAD_REQUEST, "%d bytes from %d, the model has %d" % (length, source, now.size)
        )
    view = buffer(length)
    with open(path_of(upload.name, now.slot), "rb") as file:
        file.seek(source)
        while length:
            piece = view[:length]
            if file.readinto(piece) != len(piece):
                raise OSError(5)
            upload.write(offset, piece)
            offset += len(piece)
            length -= len(piece)


def _verify(state, upload, version, signature):
    secret = None if upload.place == TESTS else key()
    sums = ()
    if secret is not None:
        from microinterp_link.sign import Hmac

        sums = (Hmac(secret),)
        slot = ord(upload.slot) if upload.slot else 0
        sums[0].update(bytes([upload.place, slot, len(upload.name)]) + upload.name.encode())
        sums[0].update(upload.size.to_bytes(4, "little") + version.to_bytes(4, "little"))
    if size_of(upload.part) != upload.size or digest_of(upload.part, sums) != upload.digest:
        raise Refused(NOT_ANNOUNCED, "flash holds other bytes than were announced")
    if secret is not None:
        if not sums[0].is_equal(signature):
            raise Refused(SIGNATURE, "the signature is wrong" if signature else "it is not signed")
        now = current(upload.name) if upload.place == MODELS else None
        if now and version < now.version:
            raise Refused(
                VERSION, "version %d is lower than %d, which is in use" % (version, now.version)
            )
    rename(upload.part, upload.target)
    if upload.place == MODELS:
        state.verified[upload.name] = upload.slot, version, upload.size, upload.digest
    if upload.model:
        state.tested.discard(upload.name)
