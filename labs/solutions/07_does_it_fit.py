"""Solutions of lab 07."""

# %% task: peak
# Neighbours in the chain are alive together, each rounded up to 16 bytes.


def peak(sizes):
    """Bytes alive at once at the worst moment of a chain of tensors."""
    rounded = [-(-size // 16) * 16 for size in sizes]
    return max(a + b for a, b in pairwise(rounded))


# %% task: smallest-boards
# `fits` is None where the table lacks a figure, and `tflm` is None for a board that is no chip.
smallest_tflm = min(
    (v for v in verdicts if v.tflm and v.tflm.fits), key=lambda v: v.board.ram_bytes
).board.id
smallest_python = min(
    (v for v in verdicts if v.micropython.fits), key=lambda v: v.board.ram_bytes
).board.id

# %% task: smallest-heap
# Bisection: low never works, high always does.


def smallest(works, low, high):
    """A heap that works, when one of 512 bytes less does not."""
    while high - low > 512:
        middle = (low + high) // 2
        if works(middle):
            high = middle
        else:
            low = middle
    return high


# %% task: rows-needed
# From the first row of the first window to the last row of the last one.


def rows_needed(layer, first, end):
    """Input rows (first, end) that output rows first to end - 1 look at."""
    begin = first * layer.stride - layer.before
    stop = (end - 1) * layer.stride - layer.before + layer.size
    return max(begin, 0), min(stop, layer.length)


# %% task: price
# For each strip, walk back from the split; what is computed beyond the layer's rows is extra.


def extra(split, count):
    """MACs done twice with the first `split` ops in `count` strips, as a share of all."""
    done = 0
    for rows in strips(layers[split - 1].outputs, count):
        for number in reversed(range(split)):
            done += (rows[1] - rows[0]) * row_macs[number]
            rows = rows_needed(layers[number], *rows)
    return (done - sum(op_macs[number] for number in range(split))) / all_macs


# %% task: choose
# Of those that fit, the least price, then the least head.
chosen = min(
    (cut for cut, head in cuts.items() if head <= 40_000),
    key=lambda cut: (round(extra(*cut), 7), cuts[cut]),
)

# %% task: same-bits
# Two interpreters, the same inputs, every byte of every output.


def same(passes, images):
    """Whether the camera's outputs are the same with `passes` as without."""
    plain = Interpreter.from_bytes(model)
    passed = Interpreter.from_bytes(model, passes=passes)
    for image in images:
        outputs = []
        for interpreter in (plain, passed):
            interpreter.set_input(image, 0)
            interpreter.invoke()
            outputs.append(interpreter.get_output(0).tobytes())
        if outputs[0] != outputs[1]:
            return False
    return True
