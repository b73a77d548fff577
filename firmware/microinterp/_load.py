"""From a packed model to a list of (kernel, arguments) per subgraph; all of it checked.

The file's format is in schemas/packed_model.fbs, the steps are in schemas/steps.md.
"""

import gc
from array import array

import microinterp
from microinterp._check import Check
from microinterp._tier import LUT, MORE, SIGN

# By code - 1: name, least number of arguments, module that checks it, module that runs it.
# Some may have more, which are 0 where they are left out: see MORE.
_STEPS = (
    ("COPY", 3, "_check", ""),
    ("MOVE", 18, "_check_more", "_move"),
    ("FILL", 4, "_check_more", "_move"),
    ("LUT", 4, "_check_more", LUT),
    ("CONV", 25, "_check_layout", "_conv"),
    ("DEPTHWISE", 24, "_check_layout", "_depthwise"),
    ("AVERAGE_POOL", 16, "_check_filter", "_pool"),
    ("MAX_POOL", 16, "_check_filter", "_pool"),
    ("MEAN", 10, "_check_more", "_mean"),
    ("ADD", 21, "_check_more", "_add"),
    ("MUL", 14, "_check_more", "_mul"),
    ("SOFTMAX", 5, "_check_more", "_softmax"),
    ("DEQUANTIZE", 7, "_check_more", "_dequantize"),
    ("CALL_ONCE", 2, "_check", ""),
    ("DEPTHWISE_IN_PLACE", 24, "_check_layout", "_in_place"),
)
_MAX_STEPS = 4096


def load(it):
    """Needs what _open.py has set. Sets _inputs, _outputs, _programs, _state."""
    reader, root = it._reader, it._root
    check = Check(reader.number(root, 5), it._weights)
    it._inputs = _tensors(it, 7, "input", check)
    it._outputs = _tensors(it, 8, "output", check)
    it._programs = _programs(it, check)
    it._state = []
    for at in reader.tables(root, 10):
        offset, size = reader.number(at, 0), reader.number(at, 1)
        check.span("state", offset, size)
        it._state.append((offset, size, reader.number(at, 2, 1), reader.number(at, 3, 1)))
    it._set_state(True)


def _tensors(it, number, what, check):
    found = []
    for at in it._reader.tables(it._root, number):
        offset, size = it._reader.number(at, 6), it._reader.number(at, 7)
        kind = it._reader.number(at, 2, 1)
        check.where = "%s %d" % (what, len(found))
        check.span("tensor", offset, size)
        check.need(kind in microinterp.TYPES, "type %d" % kind)
        found.append((memoryview(it._arena)[offset : offset + size], kind))
    return found


def _programs(it, check):
    """Subgraphs are loaded from the last to the first, so that the work of those that a CALL_ONCE
    runs is known."""
    subgraphs = list(it._reader.tables(it._root, 9))
    check.where = "model"
    check.need(subgraphs, "no subgraph")
    programs = [None] * len(subgraphs)
    works = [0] * len(subgraphs)
    loaded = 0
    for number in range(len(subgraphs) - 1, -1, -1):
        check.work, check.later = 0, works
        program = programs[number] = []
        for at in it._reader.tables(subgraphs[number], 0):
            # A step's garbage would lie between what stays: no hole for the next kernel's code.
            gc.collect()
            check.where = "subgraph %d step %d" % (number, len(program))
            loaded += 1
            check.need(loaded <= _MAX_STEPS, "too many steps")
            program.append(_step(it, check, number, at))
        works[number] = check.work
    return programs


def _step(it, check, subgraph, at):
    code = it._reader.number(at, 0, 1)
    if not 1 <= code <= len(_STEPS):
        check.fail("code %d is not known" % code)
    name, count, checker, module = _STEPS[code - 1]
    check.where += " " + name
    first, given = it._reader.vector(at, 1)
    more = MORE.get(code, 0)
    if not count <= given <= count + more:
        check.fail("%d arguments, wanted %d" % (given, count))
    # Arguments are p[1], p[2], ...; p[0] is for viper.
    p = array("i", (SIGN,))
    p.extend(array("i", bytes(it._reader.bytes[first : first + 4 * given])))
    p.extend(array("i", (0,) * (count + more - given)))  # append would make room for more
    name = name.lower()
    p = getattr(_module(checker), name)(check, p) or p
    if name == "copy":
        return microinterp.copy, _copy_arguments(it, p)
    if name == "call_once":
        check.need(subgraph < p[1] < len(check.later), "runs subgraph %d" % p[1])
        check.spend(check.later[p[1]])
        return it._call_once, p
    return getattr(_module(module), name), p


def _module(name):
    return __import__("microinterp." + name, None, None, ("*",))


class _Slice:
    def __getitem__(self, slice):
        return slice


def _copy_arguments(it, p):
    x, dst, size = p[1:]
    source = it._weights[~x : ~x + size] if x < 0 else memoryview(it._arena)[x : x + size]
    return memoryview(it._arena)[dst : dst + size], source, _Slice()[0:size]
