"""What ops write, byte for byte (part of a session)."""
# mypy: ignore-errors


def _places(it):
    """Subgraph, op, tensor and bytes of each tensor that an op writes here."""
    import struct

    told, reader = bytearray(), it._reader
    for subgraph, table in enumerate(reader.tables(it._root, 9)):
        for op in reader.tables(table, 1):
            for at in reader.tables(op, 4):
                place = subgraph, reader.number(op, 0), reader.number(at, 0), reader.number(at, 2)
                told.extend(struct.pack("<HHII", *place))
    return told
