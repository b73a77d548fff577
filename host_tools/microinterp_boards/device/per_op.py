"""Run a model op by op (part of a session)."""
# mypy: ignore-errors


def _per_op(it, clock):
    """For each op: subgraph, op, time, a count, then tensor and CRC32 of each written."""
    import struct

    told = bytearray()

    def note(subgraph, op, name, spent, written):
        told.extend(struct.pack("<HHQH", subgraph, op, spent, len(written)))
        for tensor, crc in written:
            told.extend(struct.pack("<II", tensor, crc))

    it.invoke_ops(note, clock)
    return told
