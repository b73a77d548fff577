"""Exchange bytes with the host, checked by length and CRC32 (part of a session)."""
# mypy: ignore-errors


def _exchange(block, binary, patience):
    """Functions that send bytes, and that fill a memoryview with bytes received.

    Sent are B, the number of bytes, a line end, the bytes, their CRC32. Received are blocks with
    their CRC32; the answers are R ready, K a block is there, C its CRC32 is wrong, D all is there.
    """
    import sys
    from binascii import crc32

    import micropython

    if not binary:
        from binascii import hexlify, unhexlify
    waiting = None
    try:
        from select import POLLIN, poll

        waiting = poll()
        waiting.register(sys.stdin, POLLIN)
    except ImportError:
        pass
    say = sys.stdout.write
    buffer = memoryview(bytearray(block + 4))

    def send(data):
        say("B" + str(len(data)) + "\n")
        view = memoryview(data)
        for part in (view, crc32(view).to_bytes(4, "little")):
            for at in range(0, len(part), block):
                piece = part[at : at + block]
                if binary:
                    sys.stdout.buffer.write(piece)
                else:
                    say(hexlify(piece))

    def receive(view):
        if binary:
            micropython.kbd_intr(-1)  # 0x03 is data from here on
        try:
            say("R")
            for at in range(0, len(view), block):
                take = min(block, len(view) - at)
                if waiting and not waiting.poll(patience):
                    raise OSError(110)
                if binary:
                    sys.stdin.buffer.readinto(buffer[: take + 4])
                else:
                    buffer[: take + 4] = unhexlify(sys.stdin.read(2 * take + 8))
                if crc32(buffer[:take]) != int.from_bytes(buffer[take : take + 4], "little"):
                    say("C")
                    return False
                view[at : at + take] = buffer[:take]
                say("K")
        finally:
            if binary:
                micropython.kbd_intr(3)
        say("D")
        return True

    return send, receive
