"""What a virtual board runs before its REPL (MicroPython; sent as text, never imported here)."""
# mypy: ignore-errors


def _boot(folder, token, flash, raw):
    """Make `folder` (or littlefs2 in its flash.img) the only filesystem; run boot.py and main.py.

    `token` is written twice: when the filesystem is there, and when the boot files have ended. A
    board that was soft reset from the raw REPL (`raw`) skips main.py, as hardware does.
    """
    import os
    import sys

    import micropython
    import vfs

    micropython.kbd_intr(-1)  # only the boot files may be interrupted

    folder = folder.decode()
    if flash:

        class Flash:
            file = open(folder + "/flash.img", "r+b")  # noqa: SIM115

            def readblocks(self, number, into, offset=0):
                self.file.seek(number * 4096 + offset)
                self.file.readinto(into)

            def writeblocks(self, number, data, offset=0):
                self.file.seek(number * 4096 + offset)
                self.file.write(data)

            def ioctl(self, operation, argument):
                return {4: flash // 4096, 5: 4096}.get(operation, 0)  # blocks, their bytes

        device = Flash()
        try:
            filesystem = vfs.VfsLfs2(device)
        except OSError:
            vfs.VfsLfs2.mkfs(device)
            filesystem = vfs.VfsLfs2(device)
    else:
        filesystem = vfs.VfsPosix(folder)
    vfs.umount("/")
    vfs.mount(filesystem, "/")
    os.chdir("/")
    sys.stdout.write(token)
    for name in ("boot.py",) if raw else ("boot.py", "main.py"):
        try:
            os.stat(name)
        except OSError:
            continue
        try:
            micropython.kbd_intr(3)
            execfile(name)  # noqa: F821
            micropython.kbd_intr(-1)
        except BaseException as error:
            micropython.kbd_intr(-1)
            if isinstance(error, SystemExit):  # as on hardware a soft reset: the next life begins
                os.system("kill -9 $PPID")
            sys.print_exception(error)
            break
    sys.stdout.write(token)
