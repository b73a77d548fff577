"""Solutions of lab 02."""

# %% task: number
# struct.unpack_from("<i", data, at) does the same for four bytes.


def number(at, size=4, signed=False):
    """The integer of `size` bytes at `at`, lowest byte first; signed ones are two's complement."""
    return int.from_bytes(data[at : at + size], "little", signed=signed)


# %% task: field
# Many tables share one vtable, so it may lie before or behind: its offset is signed.


def field(table, slot):
    """Where field `slot` of the table at byte `table` lies in the file; None if it is left out."""
    vtable = table - number(table, 4, signed=True)
    entry = 4 + 2 * slot
    if entry >= number(vtable, 2):
        return None
    offset = number(vtable + entry, 2)
    return table + offset if offset else None


# %% task: names
# A string is a vector of bytes.


def names_of(subgraph):
    """Names of all tensors of the SubGraph table at byte `subgraph`."""
    names = []
    for tensor in tables(field(subgraph, 0)):
        count, first = vector(field(tensor, 3))
        names.append(data[first : first + count].decode())
    return names


# %% task: ops
# Fields that are left out are 0, and 0 is never larger than the other one.
import tflite

code_names = {
    code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)
}


def op_names(model, subgraph):
    """Names of the ops of a subgraph, such as "CONV_2D"; `model` and `subgraph` are tables."""
    codes = []
    for code in tables(field(model, 1)):
        old, new = field(code, 0), field(code, 3)
        codes.append(max(number(old, 1) if old else 0, number(new) if new else 0))
    found = []
    for operator in tables(field(subgraph, 3)):
        index = field(operator, 0)
        found.append(code_names[codes[number(index) if index else 0]])
    return found


# %% task: weights
# Three steps: tensor to number of its buffer, number to buffer, buffer to bytes.


def weights_of(model, subgraph, tensor_index):
    """First byte and byte count of a constant tensor's data."""
    tensor = tables(field(subgraph, 0))[tensor_index]
    buffer = tables(field(model, 4))[number(field(tensor, 2))]
    size, first = vector(field(buffer, 0))
    return first, size


# %% task: build
# The bias has the scale input scale * weight scale, so that it can be added to the sum of products.
from microinterp.model_builder import ModelBuilder


def edge_finder():
    """A .tflite file: one convolution that finds vertical edges."""
    builder = ModelBuilder(description="edges, by hand")
    graph = builder.subgraph("main")
    image = graph.input("image", (1, 8, 8, 1), "int8", scale=1 / 240, zero_point=-128)
    values = np.array([[-1, 0, 1]] * 3, np.int8).reshape(1, 3, 3, 1)
    weights = graph.constant("weights", values, scale=[1.0], zero_point=0, axis=0)
    bias = graph.constant("bias", np.zeros(1, np.int32), scale=[1 / 240], zero_point=0)
    edges = graph.tensor("edges", (1, 8, 8, 1), "int8", scale=1 / 40, zero_point=0)
    graph.op("CONV_2D", [image, weights, bias], [edges], padding="SAME", stride_w=1, stride_h=1)
    graph.output(edges)
    return builder.finish()


# %% task: damage
# Byte 0 begins the offset of the root. The highest byte of the first score's bias makes it -2^24 or
# so: the network never says 0 again.
refused = 0
silent = weights_of(number(0), subgraph, 21)[0] + 3
