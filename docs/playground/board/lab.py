"""What the page asks of MicroPython: load a packed model, run it op by op, tell all that it did.

It runs in the WebAssembly port beside the board's runtime, and uses only what boards have. Answers
are JSON; bytes go through files, which the page reads: TRACE holds what ops have written, in their
order.
"""

import json
from binascii import crc32, hexlify

from lifetimes import describe_ops
from page import now, progress  # the page's clock in ms, and what it wants to hear after each op

import microinterp

MODEL, TRACE = "/model.mipk", "/trace.bin"
MAX_ARENA = 16 << 20

_loaded = None
_inputs = []


def load():
    """Load MODEL; its facts, with a row for each op and a bar for each tensor of the arena."""
    global _loaded, _inputs
    _loaded, _inputs = None, []
    return _answer(_load)


def set_input(index, path):
    """Keep the bytes of a file as an input of the runs to come."""

    def work():
        with open(path, "rb") as file:
            data = file.read()
        want = len(_loaded.input_view(index))
        if len(data) != want:
            raise ValueError("input %d takes %d bytes, got %d" % (index, want, len(data)))
        _inputs[index] = data
        return {}

    return _answer(work)


def run(wants_values):
    """Run op by op; times in microseconds, and CRC32s as the host computes them.

    wants_values: write what ops have written to TRACE.
    """
    return _answer(lambda: _run(wants_values))


def reset():
    """Variables back to their start."""
    return _answer(lambda: _loaded.reset() or {})


def _answer(work):
    """What `work` gives, or what is wrong, in words."""
    try:
        return json.dumps(work())
    except microinterp.ModelError as error:
        kind, text = "model", str(error)
    except MemoryError as error:
        kind, text = "memory", str(error)
    except (ValueError, OverflowError) as error:  # a text that is no UTF-8, a number too large
        kind, text = "model", str(error)
    return json.dumps({"error": text, "kind": kind})


def _load():
    global _loaded, _inputs
    from microinterp._flat import Reader

    with open(MODEL, "rb") as file:
        data = file.read()
    _refuse_large(Reader(data))
    it = microinterp.Interpreter(data)
    reader, root = it._reader, it._root
    first, count = reader.vector(root, 3, 1)
    inputs = _tensors(it, 7, it._inputs, it.get_input_details)
    outputs = _tensors(it, 8, it._outputs, it.get_output_details)
    facts = {
        "tier": microinterp.TIER,
        "runtime": microinterp.VERSION,
        "tool": reader.string(root, 4),
        "sha256": hexlify(bytes(reader.bytes[first : first + count])).decode(),
        "bytes": reader.size,
        "arena": len(it._arena),
        "head": reader.number(root, 6),
        "inputs": inputs,
        "outputs": outputs,
        "state": [state[:2] for state in it._state],
    }
    facts["ops"], facts["bars"] = describe_ops(it, inputs, outputs)
    _loaded = it
    _inputs = [bytes(tensor["nbytes"]) for tensor in inputs]
    return facts


def _refuse_large(reader):
    """Before anything is allocated. What else may be wrong is the runtime's to say."""
    if reader.size >= 8 and bytes(reader.bytes[4:8]) == b"MIPK":
        size = reader.number(reader.follow(0), 5)
        if size > MAX_ARENA:
            raise microinterp.ModelError(
                "its arena needs %d bytes, this page takes %d" % (size, MAX_ARENA)
            )


def _tensors(it, number, views, details):
    found = []
    for index, at in enumerate(it._reader.tables(it._root, number)):
        about = details(index)
        for scale in about["quantization_parameters"]["scales"]:
            if not 0 < scale < 3.5e38:  # json has no infinity
                raise microinterp.ModelError("tensor %d: its scale is %r" % (index, scale))
        about["offset"] = it._reader.number(at, 6)
        about["nbytes"] = len(views[index][0])
        found.append(about)
    return found


def _run(wants_values):
    from microinterp._ops import invoke_ops

    ops = []
    sizes = []

    def note(subgraph, op, name, spent, written):
        ops.append({"subgraph": subgraph, "op": op, "us": spent, "written": written})
        progress(len(ops))

    for index, data in enumerate(_inputs):
        _loaded.input_view(index)[:] = data
    with open(TRACE, "wb") as trace:

        def look(view):
            sizes.append(len(view))
            if wants_values:
                trace.write(view)
            return crc32(view)

        invoke_ops(_loaded, note, (lambda: [0], _read_clock, _between), look)
    outputs = [
        hexlify(bytes(_loaded.output_view(index))).decode()
        for index in range(len(_loaded._outputs))
    ]
    return {"ops": ops, "sizes": sizes, "outputs": outputs}


def _read_clock(mark):
    mark[0] = now()


def _between(first, last):
    return round((last[0] - first[0]) * 1000)
