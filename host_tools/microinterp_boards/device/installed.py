"""Look at a package of ours that is installed."""
# mypy: ignore-errors


def _installed(package, block):
    """Write its folder, then name (hex), size and CRC32 of each file, `end` and a count.

    The folder is lib/PACKAGE where `lib` in the current folder is searched for modules.
    """
    import os
    import sys
    from binascii import crc32

    lib = os.getcwd().rstrip("/") + "/lib"
    folder = package.decode()
    if lib in sys.path or "lib" in sys.path:
        folder = "lib/" + folder
    sys.stdout.write(folder + "\n")
    view = memoryview(bytearray(block))
    count = 0
    try:
        entries = list(os.ilistdir(folder))
    except OSError as error:
        if error.args[0] != 2:
            raise
        entries = []
    for entry in entries:
        if entry[1] == 0x4000:
            continue
        size = found = 0
        with open(folder + "/" + entry[0], "rb") as file:
            while True:
                took = file.readinto(view)
                if not took:
                    break
                found = crc32(view[:took], found)
                size += took
        name = "".join([hex(256 + byte)[3:] for byte in entry[0].encode()])
        sys.stdout.write(name + " " + str(size) + " " + str(found) + "\n")
        count += 1
    sys.stdout.write("end " + str(count) + "\n")
