"""Reads a golden bundle from its file, piece by piece; schemas/golden.fbs tells the format.

A block is a FlatBuffer behind its size; positions are byte numbers in it. Nothing of a block is
used before its CRC32 is proved.
"""

from binascii import crc32

from microinterp._flat import Reader

_PIECE = 256
_VERSION = 2


class BundleError(ValueError):
    """The bundle is damaged, cut off, or not for this model."""


def open_bundle(it, file):
    """The blocks of a bundle that was recorded from this model."""
    blocks = Blocks(file)
    header, reader = blocks.header, it._reader
    version = blocks.number(header, 0, 2)
    if version != _VERSION:
        raise BundleError("the bundle has format %d, this runtime reads %d" % (version, _VERSION))
    first, count = reader.vector(it._root, 3, 1)
    if count and blocks.some(header, 1) != bytes(reader.bytes[first : first + count]):
        raise BundleError("the bundle was recorded from another model")
    if blocks.some(header, 2) != b"tflm":
        raise BundleError("the bundle was not recorded in profile tflm, in which boards compute")
    for number, tensors in ((7, it._inputs), (8, it._outputs)):
        have = [
            (blocks.number(t, 4), blocks.number(t, 2, 1)) for t in blocks.tables(header, number)
        ]
        if have != [(len(view), kind) for view, kind in tensors]:
            raise BundleError("the bundle has other inputs or outputs than the model")
        blocks.sizes.append([size for size, _ in have])
    return blocks


class Blocks(Reader):
    """`header`: position of the header, for as long as it is the current block."""

    def __init__(self, file):
        self._file = file
        self._whole = file.seek(0, 2)
        self.piece = memoryview(bytearray(_PIECE))
        self._few = memoryview(bytearray(8))
        self._start, self.size = 0, self._whole
        if self._whole < 8 or self.some_at(0, 8) != b"MIGOLDEN":
            raise BundleError("not a golden bundle")
        self.sizes = []
        self._next = 8
        self.header = self.table(self.forward(), 1)
        if not self.header:
            raise BundleError("the bundle does not begin with a header")

    def forward(self):
        """Position of the next block's root table."""
        self._start, self.size = self._next, self._whole - self._next
        if self.size < 4:
            raise BundleError("the bundle is cut off at byte %d" % self._start)
        size = self.uint(0, 4)
        if size > self.size - 4:
            raise BundleError("the bundle is cut off in the block at byte %d" % self._start)
        found = crc32(self._few[:4])  # the size is covered too
        self._next += 4 + size
        self._start += 4
        self.size = size
        root = self.follow(0)
        at = self.field(root, 0)
        wanted = self.uint(at, 4) if at else -1
        found = crc32(b"\0\0\0\0", self._crc(0, at, found))
        if self._crc(at + 4, size, found) != wanted:
            self._fail("CRC32")
        return root

    def _crc(self, at, end, found):
        while at < end:
            piece = self.piece[: min(_PIECE, end - at)]
            self.read(at, piece)
            found = crc32(piece, found)
            at += len(piece)
        return found

    def _fail(self, what):
        raise BundleError("the bundle's block at byte %d is damaged: %s" % (self._start - 4, what))

    def chunk(self, done, checks):
        """The next chunk: samples, where inputs and outputs lie, where the CRC32s do.

        None, once the end has been proved.
        """
        root = self.forward()
        chunk, end = self.table(root, 2), self.table(root, 3)
        if not chunk:
            if not end or self.number(end, 0) != done:
                self._fail("not an end behind %d samples" % done)
            if self._next != self._whole:
                raise BundleError("bytes follow the bundle's end at byte %d" % self._next)
            return None
        count = self.number(chunk, 1)
        if self.number(chunk, 0) != done or not count:
            self._fail("not sample %d" % done)
        places = []
        for number, sizes in ((2, self.sizes[0]), (3, self.sizes[1])):
            data = [self.vector(at, 0, 1) for at in self.tables(chunk, number)]
            if [size for _, size in data] != [size * count for size in sizes]:
                self._fail("other sizes than its header's")
            places.append([at for at, _ in data])
        crcs, have = self.vector(chunk, 4)
        if have != count * checks:
            self._fail("%d CRC32s" % have)
        return count, places[0], places[1], crcs

    def table(self, table, number):
        """Position of a field that is a table; 0 where there is none."""
        at = self.field(table, number)
        return self.follow(at) if at else 0

    def some(self, table, number):
        """A short vector of bytes, or a text."""
        first, count = self.vector(table, number, 1)
        return self.some_at(first, min(count, 32))

    def some_at(self, at, count):
        piece = self.piece[:count]
        self.read(at, piece)
        return bytes(piece)

    def read(self, at, view):
        """Fill a view with the bytes at `at` of the block."""
        self.span(at, len(view))
        self._file.seek(self._start + at)
        if self._file.readinto(view) != len(view):
            raise OSError(5)

    def span(self, at, size):
        if at < 0 or at + size > self.size:
            self._fail("byte %d wanted, it has %d" % (at + size, self.size))

    def uint(self, at, size):
        few = self._few[:size]
        self.read(at, few)
        return int.from_bytes(few, "little")
