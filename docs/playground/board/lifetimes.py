"""From a packed model: what each op writes, in which shape, and how long each place is in use.

A tensor lives from the op that writes it to the last op that reads it; all of that follows from
the steps (schemas/steps.md), which the runtime has checked before.
"""

# By code of a step: its name, arguments that are sources, the argument that is the destination.
_STEPS = {
    1: ("COPY", (1,), 2),
    2: ("MOVE", (1,), 2),
    3: ("FILL", (), 1),
    4: ("LUT", (1,), 2),
    5: ("CONV", (1,), 4),
    6: ("DEPTHWISE", (1,), 4),
    7: ("AVERAGE_POOL", (1,), 2),
    8: ("MAX_POOL", (1,), 2),
    9: ("MEAN", (1,), 2),
    10: ("ADD", (1, 3), 5),
    11: ("MUL", (1, 3), 5),
    12: ("SOFTMAX", (1,), 2),
    13: ("DEQUANTIZE", (1,), 2),
    14: ("CALL_ONCE", (), 0),
    15: ("DEPTHWISE_IN_PLACE", (1,), 1),
}
_SAME_KIND = ("COPY", "MOVE", "FILL")
_SIZES = {"float32": 4, "int32": 4, "int64": 8, "int16": 2}


def describe_ops(it, inputs, outputs):
    """A row for each op of each subgraph, and the bars of the main subgraph's arena."""
    reader = it._reader
    rows = []
    bars = []
    for number, subgraph in enumerate(reader.tables(it._root, 9)):
        places = _Places(inputs if number == 0 else [], outputs)
        steps = [_step(reader, at) for at in reader.tables(subgraph, 0)]
        for at in reader.tables(subgraph, 1):
            first, count = reader.number(at, 2), reader.number(at, 3)
            written = [_written(reader, each) for each in reader.tables(at, 4)]
            mine = steps[first : first + count]
            places.op(mine, written)
            rows.append(
                {
                    "subgraph": number,
                    "op": reader.number(at, 0),
                    "name": reader.string(at, 1),
                    "steps": [name for name, _ in mine],
                    "written": written,
                }
            )
        if number == 0:
            bars = places.bars()
    return rows, bars


def _step(reader, at):
    code = reader.number(at, 0, 1)
    first, count = reader.vector(at, 1)
    return code, [code] + [reader.int32(first + 4 * i) for i in range(count)]


def _written(reader, at):
    return {
        "tensor": reader.number(at, 0),
        "offset": reader.number(at, 1),
        "nbytes": reader.number(at, 2),
    }


class _Places:
    """Places of one subgraph's arena, from op to op."""

    def __init__(self, inputs, outputs):
        self.now = 0
        self.all = []
        self.outputs = outputs
        for index, tensor in enumerate(inputs):
            self.add("input %d" % index, "input", tensor, -1, tensor["dtype"])

    def add(self, label, kind, place, first, dtype):
        self.all.append(
            {
                "label": label,
                "kind": kind,
                "offset": place["offset"],
                "nbytes": place["nbytes"],
                "first": first,
                "last": first,
                "dtype": dtype,
            }
        )

    def op(self, steps, written):
        """Take an op: `steps` become their names, `written` gets types and shapes."""
        done = []
        kind = None
        for i, (code, p) in enumerate(steps):
            name, sources, destination = _STEPS[code]
            steps[i] = name, p
            for argument in sources:
                found = self._read(p[argument], written, done)
                kind = kind or (found and found["dtype"])
            self._scratch(name, p)
            if destination:
                done.append(p[destination])
        for each in written:
            each["dtype"] = self._dtype(steps, each, kind)
            each["shape"] = _shape(steps, each)
            self.add("tensor %d" % each["tensor"], "tensor", each, self.now, each["dtype"])
        self.now += 1

    def bars(self):
        """All places; outputs are in use to the end."""
        for output in self.outputs:
            for place in reversed(self.all):
                if place["offset"] == output["offset"] and place["nbytes"] == output["nbytes"]:
                    place["last"] = self.now
                    if place["kind"] == "tensor":
                        place["kind"] = "output"
                    break
        return self.all

    def _read(self, ref, written, done):
        """The place that a source is; what earlier steps of the op have made is none."""
        if ref < 0:
            return None
        for each in written:
            if _within(ref, each) and any(_within(other, each) for other in done):
                return None
        for place in reversed(self.all):
            if place["kind"] != "scratch" and _within(ref, place):
                place["last"] = max(place["last"], self.now)
                return place
        return None

    def _scratch(self, name, p):
        if name == "CONV":
            taps = p[12] * p[13] * (p[8] // p[20])
            place = {"offset": p[25], "nbytes": (taps + 7) // 8 * 8}
        elif name == "DEPTHWISE_IN_PLACE":
            place = {"offset": p[4], "nbytes": p[6] * p[7]}
        else:
            return
        self.add("scratch", "scratch", place, self.now, "int8")

    def _dtype(self, steps, each, kind):
        for output in self.outputs:
            if output["index"] == each["tensor"] and output["offset"] == each["offset"]:
                return output["dtype"]
        names = [name for name, _ in steps]
        if names and names[-1] == "DEQUANTIZE":
            return "float32"
        if not [name for name in names if name not in _SAME_KIND] and kind:
            return kind
        return "int8"


def _within(ref, place):
    return place["offset"] <= ref < place["offset"] + place["nbytes"]


def _shape(steps, each):
    """What the last step that writes there says of it, else the number of elements alone."""
    elements = each["nbytes"] // _SIZES.get(each["dtype"], 1)
    for name, p in reversed(steps):
        shape = None
        if p[_STEPS[p[0]][2]] != each["offset"]:
            continue
        if name in ("CONV", "DEPTHWISE", "DEPTHWISE_IN_PLACE"):
            shape = [p[5], p[9], p[10], p[11]]
        elif name in ("AVERAGE_POOL", "MAX_POOL"):
            shape = [p[3], p[7], p[8], p[6]]
        if shape and shape[0] * shape[1] * shape[2] * shape[3] == elements:
            return shape
    return [elements]
