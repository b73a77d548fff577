"""The service that answers a host's requests, one after the other, until it is left alone.

It stands beside the runtime, not in it: the runtime can be replaced while this runs.
"""

from microinterp_link.frames import ANSWER, GOOD, HELLO, OVER, Frames
from microinterp_link.refused import BAD_REQUEST, OS_ERROR, OUT_OF_MEMORY, Refused
from microinterp_link.state import State
from micropython import kbd_intr

VERSION = 1
_KEEP, _BYE, _REFUSAL, _REPEAT = 0, 2, 0x81, 0x82


def serve(idle_ms=3000, payload=240, window=1):
    """True after BYE, False if no good frame came for `idle_ms`.

    payload: most bytes of one, either way; two buffers of it are held. window: requests that a host
    may have under way, which depends on the line. While this runs 0x03 is data.
    """
    frames, state = Frames(payload, idle_ms), State()
    kbd_intr(-1)
    try:
        return _serve(frames, state, payload, window)
    finally:
        try:
            state.clear()
        finally:
            kbd_intr(3)


def _serve(frames, state, limit, window):
    expected = None  # number of the next request; there is no session yet
    while True:
        found = frames.take()
        if found == OVER:
            return False
        if found != GOOD:
            if expected is not None:
                frames.put_short(_REPEAT, expected)
            continue
        kind, number = frames.kind, frames.number
        if kind == HELLO:
            if len(frames.payload) == 4:
                session = int.from_bytes(frames.payload, "little")
                if expected is None or session != frames.session:
                    state.clear()
                    frames.session, expected = session, 1
                    frames.put(ANSWER, 0, bytes((VERSION, window, limit & 255, limit >> 8)))
                elif expected == 1:
                    frames.again()
                else:  # a late one of this session
                    frames.put_short(_REPEAT, expected)
                frames.touch()
            continue
        if expected is None or kind >= ANSWER:  # an echo
            continue
        if kind != _KEEP:
            if number == expected:
                expected = expected + 1 & 255
                if kind == _BYE:
                    frames.put(ANSWER, number, b"")
                    return True
                _answer(frames, state, limit)
            elif number == expected - 1 & 255:
                frames.again()
            else:
                frames.put_short(_REPEAT, expected)
        frames.touch()


def _answer(frames, state, limit):
    # do what is asked: whatever comes of it is answered
    kind, number = frames.kind, frames.number
    try:
        answer = _handler(kind)(state, kind, frames.payload, limit)
        if len(answer) > limit:
            raise Refused(BAD_REQUEST, "an answer of %d bytes" % len(answer))
        frames.put(ANSWER, number, answer)
        return
    except Refused as error:
        code, text = error.code, error.text
    except MemoryError as error:
        code, text = OUT_OF_MEMORY, str(error)
    except OSError as error:
        code, text = OS_ERROR, str(error.args[0] if error.args else 0)
    except Exception as error:
        code, text = BAD_REQUEST, "%s: %s" % (type(error).__name__, error)
    frames.put(_REFUSAL, number, (bytes((code, 0)) + text.encode())[:limit])


def _handler(kind):
    # modules are imported when they are first needed
    family = kind >> 4
    if family == 1:
        from microinterp_link import files as module
    elif kind == 0x25:
        from microinterp_link import selftest as module
    elif family == 2 and kind < 0x24:
        from microinterp_link import upload as module
    elif family == 2:
        from microinterp_link import slots as module
    else:
        raise Refused(BAD_REQUEST, "there is no kind %d" % kind)
    return module.handle
