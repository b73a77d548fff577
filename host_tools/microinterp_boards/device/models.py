"""Which models lie on the board."""
# mypy: ignore-errors


def _models(suffix):
    """For each model write its file's path and its .tflite file's sha256, in hex.

    Then `end` and a count. These are the slots in use, and the board's own files of that suffix.
    What is no sound packed model has no sha256.
    """
    import os
    import sys

    say = sys.stdout.write
    suffix = suffix.decode()
    paths = [e[0] for e in os.ilistdir() if e[1] != 0x4000 and e[0].endswith(suffix)]
    try:
        from microinterp import models

        for entry in os.ilistdir("models"):
            if entry[0][-2:] in (".0", ".1", ".2"):
                try:
                    path = models.find(entry[0][:-2])
                except ValueError:
                    continue
                if path not in paths:
                    paths.append(path)
    except (ImportError, OSError):
        pass
    for path in paths:
        with open(path, "rb") as file:

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
        for part in (path.encode(), digest):
            say("".join([hex(256 + byte)[3:] for byte in part]) + ".")
        say("\n")
    say("end " + str(len(paths)) + "\n")
