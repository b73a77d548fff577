"""Run a model op by op, and tell what some of them write (part of a session)."""
# mypy: ignore-errors


def _invoke_for(it, send, receive, size):
    """Receive `size` bytes of places; send each that is written and its bytes, at last nothing.

    A place is subgraph, op, tensor; its bytes are sent before the next op runs. False if the line
    failed.
    """
    import struct

    from microinterp._ops import invoke_ops

    asked = bytearray(size)
    if not receive(memoryview(asked)):
        return False

    def note(subgraph, op, name, spent, written):
        for tensor, view in written:
            place = struct.pack("<HHI", subgraph, op, tensor)
            for at in range(0, size, 8):
                if asked[at : at + 8] == place:
                    send(place)
                    send(view)
                    break

    invoke_ops(it, note, None, lambda view: view)
    send(b"")
    return True
