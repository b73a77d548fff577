"""Count what a model's steps execute, inside of kernels and in all (part of a session).

A session that counts instructions has it in place of per_op.py, under that one's name: others have
nothing of it in their heap.
"""
# mypy: ignore-errors


def _count_ops(it, clock):
    """For each op of the main subgraph: subgraph, op, the calls of its steps, inside of kernels.

    A call is counted as `invoke` makes it. What is inside of a kernel is the count of its call less
    that of a kernel that does nothing, called with the same arguments; 0 where viper is called for
    less. What an invoke does once is expected to be done: a CALL_ONCE runs no kernel then.
    """
    import struct

    import micropython

    @micropython.asm_thumb
    def nothing(r0, r1, r2):
        mov(r0, 0)  # noqa: F821

    mark, read, between = clock
    first, last = mark(), mark()
    arena, weights, reader = it._arena, it._weights, it._reader

    def count(kernel, arguments):
        micropython.heap_lock()
        try:
            read(first)
            kernel(arena, weights, arguments)
            read(last)
        finally:
            micropython.heap_unlock()
        return between(first, last)

    told = bytearray()
    for op in reader.tables(next(reader.tables(it._root, 9)), 1):
        start = reader.number(op, 2)
        calls = inside = 0
        for kernel, arguments in it._programs[0][start : start + reader.number(op, 3)]:
            spent = count(kernel, arguments)
            calls += spent
            if kernel != it._call_once:
                inside += max(0, spent - count(nothing, arguments))
        told.extend(struct.pack("<HHQQ", 0, reader.number(op, 0), calls, inside))
    return told
