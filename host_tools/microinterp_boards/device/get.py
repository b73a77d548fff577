"""Send one file: its size, then blocks with their CRC32, each asked for."""
# mypy: ignore-errors


def _get(path, block, binary):
    """Answers: S and the size; B and a block; E and the number of an OSError.

    The host asks for each block with K; anything else ends it.
    """
    import os
    import sys
    from binascii import crc32

    say = sys.stdout.write
    path = path.decode()
    try:
        left = os.stat(path)[6]
        with open(path, "rb") as file:
            view = memoryview(bytearray(block + 4))
            say("S" + str(left) + "\n")
            while left and sys.stdin.read(1) == "K":
                take = min(left, block)
                if file.readinto(view[:take]) != take:
                    raise OSError(5)
                view[take : take + 4] = crc32(view[:take]).to_bytes(4, "little")
                say("B")
                if binary:
                    sys.stdout.buffer.write(view[: take + 4])
                else:
                    from binascii import hexlify

                    say(hexlify(view[: take + 4]))
                left -= take
    except OSError as error:
        say("E" + str(error.args[0] if error.args else 0) + "\n")
