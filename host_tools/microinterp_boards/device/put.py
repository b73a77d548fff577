"""Receive the bytes of one file: blocks with their CRC32, each answered, in binary or hex."""
# mypy: ignore-errors


def _put(path, size, block, binary, patience):
    """Answers: R ready; K a block is written; C its CRC32 is wrong; E and the number of an OSError.

    It gives up after `patience` ms without a block, so that a host that died leaves no deaf board
    behind (on firmware without select it waits for ever).
    """
    import gc
    import sys
    from binascii import crc32

    import micropython

    waiting = None
    try:
        from select import POLLIN, poll

        waiting = poll()
        waiting.register(sys.stdin, POLLIN)
    except ImportError:
        pass
    say = sys.stdout.write
    gc.collect()
    view = memoryview(bytearray(block + 4))
    if binary:
        micropython.kbd_intr(-1)  # 0x03 is data from here on
    else:
        from binascii import unhexlify
    try:
        with open(path.decode(), "wb") as file:
            say("R")
            while size:
                take = min(size, block)
                if waiting and not waiting.poll(patience):
                    raise OSError(110)
                if binary:
                    sys.stdin.buffer.readinto(view[: take + 4])
                else:
                    view[: take + 4] = unhexlify(sys.stdin.read(2 * take + 8))
                if crc32(view[:take]) != int.from_bytes(view[take : take + 4], "little"):
                    say("C")
                    return
                if file.write(view[:take]) != take:
                    raise OSError(28)
                size -= take
                say("K")
        say("D")  # closing may have failed too
    except OSError as error:
        say("E" + str(error.args[0] if error.args else 0) + "\n")
    finally:
        if binary:
            micropython.kbd_intr(3)
