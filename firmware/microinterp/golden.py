"""Golden bundles on the board: run their samples, compare every byte of what comes out.

    from microinterp import Interpreter, golden
    golden.check(Interpreter.from_file("digits.mipk"), "digits.golden")

A bundle comes from `microinterp golden record`; it is read piece by piece, however long it is.
"""

from array import array

from microinterp._golden import BundleError as BundleError
from microinterp._golden import open_bundle


def check(it, path, samples=None, per_op=True):
    """Run the samples of a bundle, one after the other from a fresh start.

    samples: how many at most, None for all. per_op: compare the CRC32 of what each op writes too,
    where the bundle has it and the tensor has memory of its own here; that runs op by op, and
    allocates. The model is left in its fresh state.

    Returns a dict: equal; samples, bytes and crcs that were compared; differing: samples with a
    difference; first: None, or a dict of the first difference. It has sample, and either subgraph,
    op, name, tensor and the CRC32s wanted and got, or output, byte, wanted and got.

    Raises BundleError where the bundle is damaged, cut off, or of another model.
    """
    with open(path, "rb") as file:
        run = _Run(it, open_bundle(it, file), per_op)
        it._set_state(True)
        try:
            run.samples(1 << 32 if samples is None else samples)
        finally:
            it._set_state(True)
    return run.told


class _Run:
    def __init__(self, it, blocks, per_op):
        self.it = it
        self.blocks = blocks
        self.told = {
            "equal": True,
            "samples": 0,
            "bytes": 0,
            "crcs": 0,
            "differing": 0,
            "first": None,
        }
        self.places = array("I")
        for at in blocks.tables(blocks.header, 9):
            self.places.extend(array("I", [blocks.number(at, i) for i in (0, 1, 3)]))
        self.checks = len(self.places) // 3
        self.per_op = per_op and self.checks
        self.row = bytearray(4 * self.checks if per_op else 0)
        self.next = 0
        self.bad = None

    def samples(self, most):
        blocks = self.blocks
        done = 0
        while done < most:
            chunk = blocks.chunk(done, self.checks)
            if chunk is None:
                return
            count, inputs, outputs, crcs = chunk
            for number in range(min(count, most - done)):
                self.bad = None
                for at, (view, _) in zip(inputs, self.it._inputs):  # noqa: B905
                    blocks.read(at + number * len(view), view)
                self.invoke(crcs + number * len(self.row))
                for i in range(len(outputs)):
                    view = self.it.output_view(i)
                    self.output(i, view, outputs[i] + number * len(view))
                if self.bad:
                    self.bad["sample"] = done
                    self.told["equal"] = False
                    self.told["differing"] += 1
                    self.told["first"] = self.told["first"] or self.bad
                done += 1
                self.told["samples"] = done

    def invoke(self, crcs):
        if not self.per_op:
            self.it.invoke()
            return
        self.blocks.read(crcs, self.row)
        self.next = 0
        self.it.invoke_ops(self.op)

    def op(self, subgraph, op, name, spent, written):
        """The callback of invoke_ops."""
        for tensor, got in written:
            number = self.find(subgraph, op, tensor)
            if number < 0:  # a part of a tensor: the bundle knows none
                continue
            self.told["crcs"] += 1
            wanted = int.from_bytes(self.row[4 * number : 4 * number + 4], "little")
            if got != wanted and not self.bad:
                self.bad = {
                    "subgraph": subgraph,
                    "op": op,
                    "name": name,
                    "tensor": tensor,
                    "wanted": wanted,
                    "got": got,
                }

    def find(self, subgraph, op, tensor):
        """The number of a check. They are, most of them, in the order in which ops run."""
        places = self.places
        for i in range(self.checks):
            number = (self.next + i) % self.checks
            at = 3 * number
            if places[at] == subgraph and places[at + 1] == op and places[at + 2] == tensor:
                self.next = number + 1
                return number
        return -1

    def output(self, index, view, at):
        """Compare an output with the bytes at `at`."""
        piece = self.blocks.piece
        self.told["bytes"] += len(view)
        for start in range(0, len(view), len(piece)):
            have = view[start : start + len(piece)]
            want = piece[: len(have)]
            self.blocks.read(at + start, want)
            if not self.bad and have != want:
                i = 0
                while have[i] == want[i]:
                    i += 1
                self.bad = {"output": index, "byte": start + i, "wanted": want[i], "got": have[i]}
