"""Facts that file transfers depend on."""
# mypy: ignore-errors


def _room():
    """Write bytes of a filesystem block, free and total blocks (-1 if unknown), and 1 or 0: binary.

    Binary streams are there when standard input has a buffer. On macOS, a virtual board cannot
    know that kbd_intr(-1) is set and would take 0x03 in data for an interrupt.
    """
    import os
    import sys

    binary = hasattr(sys.stdin, "buffer") and sys.platform != "darwin"
    try:
        facts = os.statvfs("")
        sizes = [facts[0], facts[4], facts[2]]
    except (AttributeError, OSError):
        sizes = [-1, -1, -1]
    sizes.append(int(binary))
    sys.stdout.write(" ".join([str(size) for size in sizes]) + "\n")
