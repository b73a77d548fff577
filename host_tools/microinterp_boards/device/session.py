"""Run one packed model for the host: set inputs, invoke, read outputs."""
# mypy: ignore-errors


def _session(path, block, binary, patience):
    """Load the model, send facts about it, then do what each line asks for, until `Q`.

    `I i`: input i follows. `N`: invoke with the heap locked; its time. `P`: invoke op by op.
    `O i`: output i. `Z`: reset. `H`: bytes of heap free. Numbers are little-endian. A session that
    was opened for it tells what ops write: `W`: places. `T n`: invoke, and tell n bytes of places.
    In one that counts instructions `P` is what _count_ops does.
    """
    import gc
    import sys

    import micropython

    send, receive = _exchange(block, binary, patience)  # noqa: F821
    unit, mark, read, between = _clock()  # noqa: F821
    first, last = mark(), mark()
    it, facts = _load(path, unit)  # noqa: F821
    gc.collect()  # once more, when nothing of the loader is on the stack
    facts[8:12] = gc.mem_free().to_bytes(4, "little")
    send(facts)
    del facts
    while True:
        command = sys.stdin.readline().split()
        if command[0] == "I":
            if not receive(it.input_view(int(command[1]))):
                return
        elif command[0] == "N":
            micropython.heap_lock()
            try:
                read(first)
                it.invoke()
                read(last)
            finally:
                micropython.heap_unlock()
            send(between(first, last).to_bytes(8, "little"))
        elif command[0] == "P":
            send(_per_op(it, (mark, read, between)))  # noqa: F821
        elif command[0] == "O":
            send(it.output_view(int(command[1])))
        elif command[0] == "Z":
            it.reset()
            send(b"")
        elif command[0] == "H":
            gc.collect()
            send(gc.mem_free().to_bytes(8, "little"))
        elif command[0] == "W":
            send(_places(it))  # noqa: F821
        elif command[0] == "T":
            if not _invoke_for(it, send, receive, int(command[1])):  # noqa: F821
                return
        else:
            send(b"")
            return
