"""Load a packed model (part of a session)."""
# mypy: ignore-errors


def _load(path, unit):
    """The interpreter, and facts about it.

    Heap free before the runtime, with it and with the model; sizes of arena and model; the .tflite
    file's sha256; numbers and sizes of inputs and outputs; tier, version, the clock's unit, file of
    the runtime.
    """
    import gc
    import struct

    gc.collect()
    before = gc.mem_free()
    import microinterp

    file = getattr(microinterp, "__file__", "")
    if not hasattr(microinterp, "TIER"):
        raise ImportError("another module is named microinterp: " + file)
    gc.collect()
    imported = gc.mem_free()
    it = microinterp.Interpreter.from_file(path.decode())

    def settle(n):
        # Write over what loading has left on C's stack, which a collection takes for pointers.
        return n and settle(n - 1)

    settle(8)
    gc.collect()
    sizes = before, imported, gc.mem_free(), len(it._arena), it._reader.size
    facts = bytearray(struct.pack("<5I", *sizes))
    first, count = it._reader.vector(it._root, 3, 1)
    facts.append(count & 255)
    facts.extend(it._reader.bytes[first : first + (count & 255)])
    for items in (it._inputs, it._outputs):
        facts.append(len(items))
        for item in items:
            facts.extend(len(item[0]).to_bytes(4, "little"))
    facts.extend("\n".join((microinterp.TIER, microinterp.VERSION, unit, file)).encode())
    return it, facts
