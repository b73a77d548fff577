"""MicroPython for generated modules: one function per file, which `generate` copies into them.

It runs in firmware as old as 1.9. In a module, A is the arena, S the steps, I and O the place and
size of each input and output. A step is a tuple: its function, then what that function unpacks. On
a board of 32 bits every intermediate is a small int, inside [-2^30, 2^30), so that nothing is
allocated.
"""
