"""TEST: loads the model that was just verified, and holds it to its golden bundle.

A program, whose name ends in .py, is compiled, and not run.
"""

import gc
import sys

from microinterp_link.refused import NOT_NOW, OUT_OF_MEMORY, SELF_TEST, Refused

_MOST = 200  # characters of a text


def handle(state, kind, payload, limit):
    name, slot, bundle = _asked(state, payload)
    for module in ("upload", "files", "slots", "sign", "fields"):  # room: they come back
        _drop("microinterp_link." + module)
    _drop("microinterp")
    try:
        numbers, text = _compile(slot) if name.lower().endswith(".py") else _run(slot, bundle)
    except MemoryError as error:
        raise Refused(OUT_OF_MEMORY, str(error)[:_MOST]) from None
    except OSError:
        raise
    except Exception as error:
        raise Refused(SELF_TEST, ("%s: %s" % (type(error).__name__, error))[:_MOST]) from None
    finally:
        _drop("microinterp")
        gc.collect()
    if numbers[0]:
        state.tested.add(name)
    answer = bytearray(numbers[:1])
    for number in numbers[1:]:
        answer.extend(number.to_bytes(4, "little"))
    answer.extend(text.encode()[: limit - len(answer)])
    return answer


def _asked(state, payload):
    from microinterp_link.fields import Fields
    from microinterp_link.files import size_of
    from microinterp_link.slots import path_of

    fields = Fields(payload)
    name = fields.name(True)
    fields.end()
    if name not in state.verified:
        raise Refused(NOT_NOW, "VERIFY comes first")
    state.tested.discard(name)
    bundle = path_of(name, "test")
    return name, path_of(name, state.verified[name][0]), bundle if size_of(bundle) >= 0 else ""


def _load(path):
    gc.collect()
    before = gc.mem_free()
    from microinterp import Interpreter

    gc.collect()
    imported = gc.mem_free()
    return Interpreter.from_file(path), before, imported


def _run(path, bundle):
    it, before, imported = _load(path)
    gc.collect()  # when nothing of the loader is on the stack
    loaded = gc.mem_free()
    if not bundle:
        return (1, 0, 0, before, imported, loaded), ""
    from microinterp import golden

    told = golden.check(it, bundle, None, False)
    text = ""
    if not told["equal"]:
        text = "%d of %d samples differ, first: " % (told["differing"], told["samples"])
        text += "sample %(sample)d output %(output)d byte %(byte)d: %(got)d, not %(wanted)d"
        text %= told["first"]
    return (int(told["equal"]), told["samples"], told["bytes"], before, imported, loaded), text


def _compile(path):
    """The code is dropped again; a SyntaxError is the text, with its line."""
    gc.collect()
    free = gc.mem_free()
    text = ""
    with open(path) as file:
        source = file.read()
    try:
        compile(source, "app.py", "exec")
    except SyntaxError as error:
        from io import StringIO

        told = StringIO()
        sys.print_exception(error, told)
        text = " ".join(told.getvalue().split())
    return (int(not text), 0, 0, free, free, gc.mem_free()), text[-_MOST:]


def _drop(name):
    """Forget a module and what is in its folder, so that the memory is free."""
    for each in list(sys.modules):
        if each == name or each.startswith(name + "."):
            del sys.modules[each]
    folder, _, last = name.rpartition(".")
    if folder in sys.modules and hasattr(sys.modules[folder], last):
        delattr(sys.modules[folder], last)
