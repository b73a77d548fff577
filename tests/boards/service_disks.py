"""MicroPython code: filesystems in memory, whose power goes, and which are full or wrong."""

import os
import sys

from microinterp_link import files as files_module
from microinterp_link import slots, upload


class PowerCut(BaseException):
    pass


class Steps:
    """Counts what changes the disk; the one of number `last` fails, or takes the power with it.

    tear: how much of a write that takes the power gets through: 0 or 1 half. kind: what happens at
    it: "cut"; "full": that step fails with ENOSPC; "rot": it writes a wrong bit, and says nothing.
    """

    def __init__(self, last=-1, tear=0, kind="cut"):
        self.last, self.tear, self.kind = last, tear, kind
        self.rots = False
        self.done = 0
        self.is_dead = False

    def step(self):
        """Whether this step takes the power."""
        if self.is_dead:
            raise PowerCut
        self.done += 1
        if self.done - 1 == self.last:
            if self.kind == "full":
                raise OSError(28)
            self.rots = self.kind == "rot"
            self.is_dead = not self.rots
        return self.is_dead


class Os:
    """A folder of the PC whose files are written through. fat: rename never replaces."""

    def __init__(self, steps, fat):
        self.steps, self.fat = steps, fat
        self.stat, self.ilistdir, self.getcwd = os.stat, os.ilistdir, os.getcwd

    def _change(self, call, *names):
        if self.steps.step():
            raise PowerCut
        call(*names)

    def mkdir(self, path):
        self._change(os.mkdir, path)

    def remove(self, path):
        self._change(os.remove, path)

    def rename(self, old, new):
        if self.fat:
            try:
                os.stat(new)
            except OSError:
                pass
            else:
                raise OSError(17)
        self._change(os.rename, old, new)

    def sync(self):
        self._change(lambda: None)

    def open(self, path, mode):
        if mode == "rb":
            return open(path, mode)
        if mode == "wb" and self.steps.step():
            raise PowerCut
        return File(open(path, mode), self.steps)


class File:
    def __init__(self, file, steps):
        self.file, self.steps = file, steps

    def seek(self, at):
        return self.file.seek(at)

    def write(self, data):
        if self.steps.step():
            self.file.write(bytes(data)[: len(data) * self.steps.tear // 2])
            self.file.close()
            raise PowerCut
        if self.steps.rots and len(data):
            data = bytearray(data)
            data[len(data) // 2] ^= 4
            self.steps.rots = False
        return self.file.write(data)

    def flush(self):
        self.file.flush()

    def close(self):
        self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()


class Disk:
    """Blocks in memory. Bytes of flash that are written were erased.

    dead: what calls return that come after the power has gone: -5 (EIO), or None, with which the
    filesystem's C code goes on as if nothing were, and files can be closed.
    """

    def __init__(self, data, block, steps, dead):
        self.data, self.block, self.steps, self.dead = data, block, steps, dead

    def readblocks(self, number, buffer, offset=0):
        at = number * self.block + offset
        if not self.steps.is_dead:
            buffer[:] = memoryview(self.data)[at : at + len(buffer)]
        elif self.dead is None:
            for i in range(len(buffer)):  # a finaliser must not allocate
                buffer[i] = self.data[at + i]
        else:
            return self.dead

    def writeblocks(self, number, buffer, offset=0):
        at = number * self.block + offset
        if self.steps.is_dead:
            return self.dead
        if self.steps.step():
            half = len(buffer) * self.steps.tear // 2
            self.data[at : at + half] = buffer[:half]
            if self.dead is None:
                raise PowerCut
            return self.dead
        self.data[at : at + len(buffer)] = buffer

    def ioctl(self, what, argument):
        if what == 4:
            return len(self.data) // self.block
        if what == 5:
            return self.block
        if what == 6:
            return 0


class Mounted:
    """A real filesystem of MicroPython, on a disk in memory.

    replaces: whether renaming puts a file in another's place in one step.
    """

    def __init__(self, kind, blocks, dead=None):
        self.kind, self.block, self.blocks, self.dead = kind, 512, blocks, dead
        self.replaces = kind is not os.VfsFat
        self.disk = None

    def begin(self):
        self.mount(bytearray(self.block * self.blocks), Steps(), True)

    def mount(self, data, steps, fresh=False):
        if self.disk:
            os.chdir("/")
            os.umount("/disk")
        self.disk = Disk(data, self.block, steps, self.dead)
        if fresh:
            self.kind.mkfs(self.disk)
        os.mount(self.kind(self.disk), "/disk")
        os.chdir("/disk")

    def save(self):
        return bytes(self.disk.data)

    def load(self, state, steps):
        self.mount(bytearray(state), steps)


class WrittenThrough(Mounted):
    """Files of a filesystem that keeps every write. fat: rename never replaces."""

    def __init__(self, fat):
        super().__init__(os.VfsLfs2, 256)
        self.replaces = not fat

    def load(self, state, steps):
        self.mount(bytearray(state), Steps())
        wrapped = Os(steps, not self.replaces)
        for module in (files_module, slots, upload):
            module.os, module.open = wrapped, wrapped.open


SYSTEMS = {
    "littlefs": Mounted(os.VfsLfs2, 256, -5),
    "fat": Mounted(os.VfsFat, 400),
    "replacing": WrittenThrough(False),
    "not-replacing": WrittenThrough(True),
}


def start(functions):
    """Run the function that the command line names, on the filesystem that it names, if it does."""
    if len(sys.argv) > 2:
        Mounted({"littlefs": os.VfsLfs2, "fat": os.VfsFat}[sys.argv[2]], 256).begin()
    functions[sys.argv[1]]()
