"""List a folder."""
# mypy: ignore-errors


def _listing(path):
    """Write a line for each entry (its name in hex, d or f, its size), `end` and their number."""
    import os
    import sys

    path = path.decode()
    count = 0
    for entry in os.ilistdir(path or "."):
        name = entry[0]
        folder = entry[1] == 0x4000
        size = 0 if folder else os.stat((path + "/" if path else "") + name)[6]
        name = "".join([hex(256 + byte)[3:] for byte in name.encode()])
        sys.stdout.write(name + (" d " if folder else " f ") + str(size) + "\n")
        count += 1
    sys.stdout.write("end " + str(count) + "\n")
