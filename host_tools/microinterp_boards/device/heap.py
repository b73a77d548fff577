"""Facts about the heap, by code so short that it hardly changes them."""
# mypy: ignore-errors


def _heap():
    """Write bytes free after a collection and in all, as `facts` writes."""
    import gc

    gc.collect()
    say = print  # the smallest boards have no sys.stdout
    free = gc.mem_free()
    held = gc.mem_alloc()
    say("heap_free", free)
    say("heap_total", free + held)
    say("end")
