"""Run one packed model for the host: set inputs, invoke, read outputs."""
# mypy: ignore-errors


def _session(path, block, binary, patience):
    """Load the model, answer with facts about it, then do what each line asks for, until `Q`.

    `I i`: input i follows, in blocks with their CRC32: R ready, K a block is there, C its CRC32 is
    wrong, D all is there. `N`: invoke with the heap locked; microseconds. `P`: invoke op by op.
    `O i`: output i. `Z`: reset. `H`: bytes of heap free. An answer is B, its number of bytes, a
    line end, the bytes, their CRC32; numbers are little-endian.
    """
    import gc
    import struct
    import sys
    from binascii import crc32
    from time import ticks_diff, ticks_us

    import micropython

    if not binary:
        from binascii import hexlify, unhexlify
    waiting = None
    try:
        from select import POLLIN, poll

        waiting = poll()
        waiting.register(sys.stdin, POLLIN)
    except ImportError:
        pass
    say = sys.stdout.write
    buffer = memoryview(bytearray(block + 4))

    def send(data):
        say("B" + str(len(data)) + "\n")
        view = memoryview(data)
        for part in (view, crc32(view).to_bytes(4, "little")):
            for at in range(0, len(part), block):
                piece = part[at : at + block]
                if binary:
                    sys.stdout.buffer.write(piece)
                else:
                    say(hexlify(piece))

    def receive(view):
        if binary:
            micropython.kbd_intr(-1)  # 0x03 is data from here on
        try:
            say("R")
            for at in range(0, len(view), block):
                take = min(block, len(view) - at)
                if waiting and not waiting.poll(patience):
                    raise OSError(110)
                if binary:
                    sys.stdin.buffer.readinto(buffer[: take + 4])
                else:
                    buffer[: take + 4] = unhexlify(sys.stdin.read(2 * take + 8))
                if crc32(buffer[:take]) != int.from_bytes(buffer[take : take + 4], "little"):
                    say("C")
                    return False
                view[at : at + take] = buffer[:take]
                say("K")
        finally:
            if binary:
                micropython.kbd_intr(3)
        say("D")
        return True

    def per_op(it):
        told = bytearray()

        def note(subgraph, op, name, spent, written):
            told.extend(struct.pack("<HHIH", subgraph, op, min(spent, 0xFFFFFFFF), len(written)))
            for tensor, crc in written:
                told.extend(struct.pack("<II", tensor, crc))

        it.invoke_ops(note)
        return told

    gc.collect()
    before = gc.mem_free()
    import microinterp

    file = getattr(microinterp, "__file__", "")
    if not hasattr(microinterp, "TIER"):
        raise ImportError("another module is named microinterp: " + file)
    gc.collect()
    imported = gc.mem_free()
    it = microinterp.Interpreter.from_file(path.decode())
    gc.collect()
    facts = bytearray(
        struct.pack("<5I", before, imported, gc.mem_free(), len(it._arena), it._reader.size)
    )
    first, count = it._reader.vector(it._root, 3, 1)
    facts.append(count & 255)
    facts.extend(it._reader.bytes[first : first + (count & 255)])
    for items in (it._inputs, it._outputs):
        facts.append(len(items))
        for item in items:
            facts.extend(len(item[0]).to_bytes(4, "little"))
    facts.extend((microinterp.TIER + "\n" + microinterp.VERSION + "\n" + file).encode())
    send(facts)
    del facts, first, count, items, item, file
    while True:
        command = sys.stdin.readline().split()
        if command[0] == "I":
            if not receive(it.input_view(int(command[1]))):
                return
        elif command[0] == "N":
            micropython.heap_lock()
            try:
                start = ticks_us()
                it.invoke()
                start = ticks_diff(ticks_us(), start)
            finally:
                micropython.heap_unlock()
            send(start.to_bytes(4, "little"))
        elif command[0] == "P":
            send(per_op(it))
        elif command[0] == "O":
            send(it.output_view(int(command[1])))
        elif command[0] == "Z":
            it.reset()
            send(b"")
        elif command[0] == "H":
            gc.collect()
            send(gc.mem_free().to_bytes(4, "little"))
        else:
            send(b"")
            return
