"""Which models lie on the board."""
# mypy: ignore-errors


def _models(suffix):
    """For each packed model of the folder write its name and its .tflite file's sha256, in hex.

    Then `end` and a count. What is no sound packed model has no sha256.
    """
    import os
    import sys

    say = sys.stdout.write
    suffix = suffix.decode()
    count = 0
    for entry in os.ilistdir():
        name = entry[0]
        if entry[1] == 0x4000 or not name.endswith(suffix):
            continue
        with open(name, "rb") as file:

            def read(at, size):
                file.seek(at)
                data = file.read(size)
                if len(data) != size:
                    raise ValueError
                return data

            def number(at, size=4):
                return int.from_bytes(read(at, size), "little")

            digest = b""
            try:
                root = number(0)
                up = number(root)
                vtable = root - (up - (1 << 32) if up >> 31 else up)
                at = root + number(vtable + 10, 2)  # tflite_sha256, if the table reaches so far
                at += number(at)
                if read(4, 4) == b"MIPK" and number(vtable, 2) > 10 and number(at) == 32:
                    digest = read(at + 4, 32)
            except (OSError, ValueError, OverflowError):
                pass
        for part in (name.encode(), digest):
            say("".join([hex(256 + byte)[3:] for byte in part]) + ".")
        say("\n")
        count += 1
    say("end " + str(count) + "\n")
