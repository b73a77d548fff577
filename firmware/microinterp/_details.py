"""What is told of inputs and outputs; read from the model's file each time."""

import struct

from microinterp import TYPES


def details(it, number, index):
    """number: of the field of the file's root table, inputs or outputs."""
    reader = it._reader
    tensor = list(reader.tables(it._root, number))[index]
    first, rank = reader.vector(tensor, 3)
    at = reader.field(tensor, 4)
    scale = struct.unpack("<f", bytes(reader.bytes[at : at + 4]))[0] if at else 0
    at = reader.field(tensor, 5)
    return {
        "name": reader.string(tensor, 0),
        "index": reader.number(tensor, 1),
        "shape": tuple(reader.int32(first + 4 * i) for i in range(rank)),
        "dtype": TYPES[reader.number(tensor, 2, 1)],
        "quantization_parameters": {
            "scales": [scale] if scale else [],
            "zero_points": [reader.int32(at) if at else 0] if scale else [],
            "quantized_dimension": 0,
        },
    }
