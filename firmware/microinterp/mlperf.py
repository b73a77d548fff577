"""MLPerf Tiny protocol, unofficial: a board that answers the benchmark's runner.

    from microinterp import mlperf
    mlperf.serve("kws_int8.mipk", "kws")

Commands end in %, answers are lines, the last of which is m-ready: docs/mlperf.md.
"""

import gc
from binascii import hexlify, unhexlify

from microinterp import Interpreter, ModelError
from microinterp import _mlperf_float as floats
from microinterp._mlperf_port import LONGEST, Clock, Lines, say

# By kind: the benchmark's name of the model; what a byte of the input differs in from int8.
_KINDS = {"kws": ("kws01", 0), "vww": ("vww01", 128), "ic": ("ic01", 128), "ad": ("ad01", 0)}
_FIRMWARE = "ULPMark for tinyML Firmware V0.0.1"
_HELP = (
    _FIRMWARE,
    "name, profile, timestamp, results, help",
    "db load N: N bytes follow; db HEX: some of them; db print [N] [OFFSET]",
    "infer N [WARMUPS=10]",
)


def serve(path, kind, wait=0):
    """Load a packed model and answer commands until Ctrl-C, or the end of standard input.

    kind: "kws", "vww", "ic" or "ad". wait: milliseconds in which a command may come before the
    greeting, which then is left out. A runner whose opening of the port has reset the board takes
    the greeting's m-ready for the answer to the command that was lost.
    """
    device = _Device(path, kind)
    lines = Lines()
    if not lines.come(wait):
        say("m-timestamp-mode-performance")
        device.timestamp()
        say("m-init-done")
        say("m-ready")
    while True:
        line = lines.read()
        if line is None:
            return
        try:
            device.answer(line)
        except Exception as error:
            gc.collect()
            say("e-[%s]" % (error if isinstance(error, _CommandError) else repr(error)))
        say("m-ready")


class _CommandError(ValueError):
    """What is wrong with a command."""


class _Slice:
    def __getitem__(self, slice):
        return slice


class _Device:
    def __init__(self, path, kind):
        if kind not in _KINDS:
            raise ValueError("no kind '%s': kws, vww, ic, ad" % kind)
        self.model, self.flip = _KINDS[kind]
        self.it = it = Interpreter.from_file(path)
        if [each[1] for each in it._inputs + it._outputs] != [9, 9]:
            raise ModelError("%s takes a model with one int8 input and one int8 output" % kind)
        self.input, self.output = it.input_view(0), it.output_view(0)
        self.scale, self.zero = self.quantisation(8)
        self.is_ad = kind == "ad"
        size = len(self.input)
        if self.is_ad:
            if len(self.output) != size:
                raise ModelError("ad takes a model with as many outputs as inputs")
            self.input_scale, self.input_zero = self.quantisation(7)
            self.given = bytearray(size)
        gc.collect()
        self.data = bytearray(4 * size if self.is_ad else size)
        if not self.is_ad:
            self.given = self.data
        self.wanted, self.have, self.done = len(self.data), 0, False
        self.clock = Clock()

    def quantisation(self, field):
        """Scale and zero point of the first tensor in a field of the model's root."""
        reader = self.it._reader
        tensor = next(reader.tables(self.it._root, field))
        at, zero = reader.field(tensor, 4), reader.field(tensor, 5)
        scale = floats.parts(reader.bytes, at) if at else (0, 0)
        if scale[0] <= 0:
            raise ModelError("the model's inputs and outputs must have a scale")
        return scale, reader.int32(zero) if zero else 0

    def answer(self, line):
        """Do what a command says; raises _CommandError."""
        words = line.split()
        if not words:
            raise _CommandError("a command of 1 to %d characters is wanted" % LONGEST)
        name = str(words[0], "utf-8")
        if name not in ("name", "profile", "timestamp", "db", "infer", "results", "help"):
            raise _CommandError("unknown command; there is help")
        getattr(self, name)(*words[1:])

    def name(self, *words):
        say("m-name-dut-[microinterp]")

    def profile(self, *words):
        say("m-profile-[%s]" % _FIRMWARE)
        say("m-model-[%s]" % self.model)

    def timestamp(self, *words):
        say("m-lap-us-%d" % self.clock.now())

    def help(self, *words):
        for line in _HELP:
            say(line)

    def db(self, word=b"", *words):
        if word == b"load":
            size = _number(words, 0, None, "bytes")
            if not 0 < size <= len(self.data):
                raise _CommandError("1 to %d bytes can be loaded" % len(self.data))
            self.wanted, self.have, self.done = size, 0, False
            say("m-[Expecting %d bytes]" % size)
        elif word == b"print":
            self.show(_number(words, 0, self.have, "bytes"), _number(words, 1, 0, "offset"))
        else:
            self.take(word)

    def take(self, word):
        try:
            piece = unhexlify(word)
        except ValueError:
            raise _CommandError("wrong hex digits, or an odd number of them") from None
        if not piece or self.have + len(piece) > self.wanted:
            left = self.wanted - self.have
            raise _CommandError("%d bytes given, of %d left to load" % (len(piece), left))
        self.done = False
        for byte in piece:
            self.data[self.have] = byte ^ self.flip
            self.have += 1
        if self.have == self.wanted:
            say("m-load-done")

    def show(self, count, at):
        end = min(at + count, self.have)
        while at < end:
            row = bytes([byte ^ self.flip for byte in self.data[at : min(at + 8, end)]])
            say("m-buffer-" + str(hexlify(row, "-"), "utf-8"))
            at += 8

    def infer(self, *words):
        count, warmups = _number(words, 0, 1, "inferences"), _number(words, 1, 10, "warmups")
        if not count:
            raise _CommandError("one inference or more is wanted")
        if self.have != len(self.data):
            raise _CommandError("%d bytes are loaded, wanted %d" % (self.have, len(self.data)))
        self.done = False
        if self.is_ad:
            floats.quantise(self.data, self.given, self.input_scale, self.input_zero)
        gc.collect()
        say("m-warmup-start-%d" % warmups)
        self.run(warmups)
        say("m-warmup-done")
        say("m-infer-start-%d" % count)
        self.timestamp()
        self.run(count)
        self.timestamp()
        say("m-infer-done")
        self.done = True
        self.results()

    def run(self, count):
        """The input is set each time: an invoke may write over it."""
        view, given, invoke = self.input, self.given, self.it.invoke
        whole = _Slice()[: len(view)]  # made once: the loop allocates nothing
        for _ in range(count):
            view[whole] = given
            invoke()

    def results(self, *words):
        if not self.done:
            raise _CommandError("there are no results: infer first")
        if self.is_ad:
            result = floats.mean_square(self.data, self.output, self.scale, self.zero)
            say("m-results-[%s]" % floats.text(*result))
            return
        before = "m-results-["
        for byte in self.output:
            say(before + floats.text(*floats.real(byte, self.scale, self.zero)), "")
            before = ","
        say("]")


def _number(words, index, otherwise, what):
    """A word as a number that is not negative and fits a small int."""
    if index < len(words):
        if words[index].isdigit() and len(words[index]) < 10:
            return int(words[index])
    elif otherwise is not None:
        return otherwise
    raise _CommandError("%s: a number of 1 to 9 digits is wanted" % what)
