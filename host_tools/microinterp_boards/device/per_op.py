"""Run a model op by op (part of a session)."""
# mypy: ignore-errors


def _per_op(it):
    """For each op: subgraph, op, microseconds, a count, then tensor and CRC32 of each written."""
    import struct

    told = bytearray()

    def note(subgraph, op, name, spent, written):
        told.extend(struct.pack("<HHIH", subgraph, op, min(spent, 0xFFFFFFFF), len(written)))
        for tensor, crc in written:
            told.extend(struct.pack("<II", tensor, crc))

    it.invoke_ops(note)
    return told
