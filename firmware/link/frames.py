"""Frames on the board's standard streams: one in, one out; schemas/link.md tells the format.

Input is read byte by byte: a stream says only that there is one, and blocks until all are there
that it is asked for.
"""

import sys
from binascii import crc32
from select import POLLIN, poll
from time import ticks_add, ticks_diff, ticks_ms

HELLO = 1
ANSWER = 0x80
ENDS = 12  # bytes of a frame without payload
OVER, GOOD, DAMAGED = 0, 1, 2  # what `take` says
_HEAD = 8
_GAP = 250  # ms of silence in the middle of a frame, after which the rest is taken for lost


class Frames:
    # kind, number, payload: of the frame taken; payload is valid until the next `take`.
    # session: what checks of frames start from, but HELLO's.

    def __init__(self, payload, idle):
        self._in = memoryview(bytearray(payload + ENDS))
        self._out = memoryview(bytearray(payload + ENDS))
        self._short = memoryview(bytearray(ENDS))
        self._size = 0  # of the frame in _out
        self._got = 0  # bytes in _in
        self._taken = 0  # of them, those that have been handed out
        self._idle = idle
        self.session = 0
        waiting = poll()
        waiting.register(sys.stdin, POLLIN)
        self._wait = getattr(waiting, "ipoll", waiting.poll)  # ipoll allocates nothing
        self._read = sys.stdin.buffer.readinto
        self._one = bytearray(1)
        self.touch()

    def touch(self):
        self._end = ticks_add(ticks_ms(), self._idle)

    def take(self):
        # GOOD: a frame is there. DAMAGED: there was one, by its header. OVER: idle for too long.
        # What a damaged frame has swallowed is looked through for the frames behind it.
        buffer, one, wait, read = self._in, self._one, self._wait, self._read
        self._drop(self._taken)
        self._taken = 0
        got, need = self._got, _HEAD
        while True:
            while got < need:
                for _ in wait(0):
                    if not read(one):
                        return OVER  # the stream has ended
                    buffer[got] = one[0]
                    got += 1
                    break
                else:
                    if not self._silence(got):
                        continue
                    if not got or self._left() <= 0:
                        return OVER
                    break
            self._got = got
            if got >= need:
                if need == _HEAD:
                    need = self._whole()
                    if need:
                        continue
                elif self._is_sound(need):
                    self._taken = need
                    return GOOD
            self._drop(1)
            if self._left() <= 0:
                return OVER
            if need > _HEAD:
                return DAMAGED
            got, need = self._got, _HEAD

    def _left(self):
        return ticks_diff(self._end, ticks_ms())

    def _silence(self, got):
        # wait for a byte: False once there is one
        left = self._left()
        if left <= 0:
            return True
        for _ in self._wait(min(left, _GAP) if got else left):
            return False
        return True

    def _drop(self, count):
        # forget so many bytes, and what follows them up to one that may begin a frame
        buffer, got = self._in, self._got
        if count:
            while count < got and buffer[count] != 0xA5:
                count += 1
            if count < got:
                buffer[: got - count] = buffer[count:got]
            self._got = got - count

    def _whole(self):
        # bytes of the frame whose header is there; 0 if it is none
        buffer = self._in
        if buffer[0] != 0xA5 or buffer[1] != 0x5A:
            return 0
        size = buffer[4] | buffer[5] << 8
        if size + ENDS > len(buffer):
            return 0
        if crc32(buffer[2:6]) & 0xFFFF != buffer[6] | buffer[7] << 8:
            return 0
        return size + ENDS

    def _is_sound(self, size):
        buffer, end = self._in, size - 4
        self.kind, self.number = buffer[2], buffer[3]
        self.payload = buffer[_HEAD:end]
        found = crc32(buffer[2:6], 0 if self.kind == HELLO else self.session)
        return crc32(self.payload, found) == int.from_bytes(buffer[end:size], "little")

    def put(self, kind, number, payload):
        # send a frame, and keep it for `again`; a payload of at most what was told to the host
        size = len(payload)
        self._out[_HEAD : _HEAD + size] = payload
        self._size = self._sealed(self._out, kind, number, size)
        self.again()

    def again(self):
        self._write(self._out[: self._size])

    def put_short(self, kind, number):
        # a frame without payload, which is not kept
        self._write(self._short[: self._sealed(self._short, kind, number, 0)])

    def _sealed(self, out, kind, number, size):
        out[0], out[1], out[2], out[3] = 0xA5, 0x5A, kind, number
        out[4], out[5] = size & 255, size >> 8
        found = crc32(out[2:6])
        out[6], out[7] = found & 255, found >> 8 & 255
        end = _HEAD + size
        found = crc32(out[_HEAD:end], crc32(out[2:6], self.session))
        out[end : end + 4] = found.to_bytes(4, "little")
        return end + 4

    def _write(self, frame):
        while frame:
            sent = sys.stdout.buffer.write(frame)
            if not sent:
                return  # nobody takes it: it will be asked for again
            frame = frame[sent:]
