"""Running op by op: for comparing with the host, and for timing. This allocates."""

from binascii import crc32
from time import ticks_diff, ticks_us

from microinterp import ModelError


def invoke_ops(it, callback, clock, look=crc32):
    """look: what of each written tensor the callback is told in place of its bytes in the arena."""
    if clock is None:
        clock = (lambda: [0]), _read, (lambda first, last: ticks_diff(last[0], first[0]))
    _run(it, list(it._reader.tables(it._root, 9)), 0, callback, clock, look)


def _read(mark):
    mark[0] = ticks_us()


def _run(it, tables, subgraph, callback, clock, look):
    mark, read, between = clock
    start, end = mark(), mark()
    reader = it._reader
    program = it._programs[subgraph]
    done = 0
    for op in reader.tables(tables[subgraph], 1):
        first, count = reader.number(op, 2), reader.number(op, 3)
        if first != done or first + count > len(program):
            raise ModelError("subgraph %d: ops do not match the steps" % subgraph)
        done += count
        spent = 0
        for kernel, arguments in program[first:done]:
            read(start)
            if kernel == it._call_once:
                _call_once(it, tables, arguments, callback, clock, look)
            else:
                kernel(it._arena, it._weights, arguments)
            read(end)
            # One step at a time: the ticks wrap after minutes, a step ends before.
            spent += between(start, end)
        written = [_written(it, at, look) for at in reader.tables(op, 4)]
        callback(subgraph, reader.number(op, 0), reader.string(op, 1), spent, written)
    if done != len(program):
        raise ModelError("subgraph %d: ops do not match the steps" % subgraph)


def _call_once(it, tables, arguments, callback, clock, look):
    flag = arguments[2]
    if not it._arena[flag]:
        _run(it, tables, arguments[1], callback, clock, look)
        it._arena[flag] = 1


def _written(it, written, look):
    reader = it._reader
    offset, size = reader.number(written, 1), reader.number(written, 2)
    if offset + size > len(it._arena):
        raise ModelError("a written tensor lies outside of the arena")
    return reader.number(written, 0), look(memoryview(it._arena)[offset : offset + size])
