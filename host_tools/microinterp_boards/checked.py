"""Functions of device/ on a board whose line may be bad: nothing damaged is run or believed.

The raw REPL checks nothing: code can change on its way, and still run. So the code that is sent is
a bytes object and a line that compares its CRC32 before it is executed; what it writes comes back
behind a CRC32 of it and of a number that is new each time. What fails is done again: only for
functions that may be run twice.
"""

from __future__ import annotations

import re
import secrets
import time
import zlib
from collections.abc import Callable
from typing import TypeVar

from microinterp.errors import DeviceError
from microinterp_boards import device
from microinterp_boards.link import Link

T = TypeVar("T")
_ABLE, _UNABLE = b"crc32 is here", b"crc32 is missing"
_ASK = b"""try:
 exec('from binascii import crc32;from io import StringIO',{})
 print('crc32 is here')
except ImportError:
 print('crc32 is missing')
"""
_HURRY = 3.0  # seconds for answers of the REPL itself, before all is done again
_REST = 5.0  # seconds for the rest of an answer whose first byte has come
_TRIES = 3  # at least
_ANSWER = re.compile(rb"R([0-9]{1,10})\n([0-9]{10})([KE])")
_CAPTURE = """_o = []
_w = _o.append
def print(*values):
 _w(' '.join([str(value) for value in values]) + '\\n')
"""
_RUN = """try:
 {call}
 _a = '{start}K'
except Exception as error:
 from io import StringIO
 from sys import print_exception
 _w = StringIO()
 print_exception(error, _w)
 _o = [_w.getvalue().replace('\\r\\n', '\\n')]
 _a = '{start}E'
from binascii import crc32
from sys import stdout
_c = crc32(_a)
for _p in _o:
 _c = crc32(_p, _c)
stdout.write('R%d\\n%s' % (_c, _a))
for _p in _o:
 stdout.write(_p)
"""
# Never joined: a heap may have no room in one piece for all that was written.


class _RaisedError(DeviceError):
    """An exception on the board, whose text came whole: doing the same again will not help."""


def run(link: Link, name: str, *arguments: bytes | int, timeout: float = 30.0) -> bytes:
    r"""What the function in device/`name`.py writes, with plain \n, in `timeout` seconds.

    It must be one that may be run twice. Firmware without CRC32 gets it unchecked. Raises
    DeviceError, with the board's traceback if the function raised.
    """
    if not can_check(link):
        code = device.call(name, *arguments)
        return link.exec(code, timeout).replace(b"\r\n", b"\n")
    call = device.call(name, *arguments).decode().replace("sys.stdout.write", "_w")
    return patiently(link, lambda: _attempt(link, call, timeout))


def start(link: Link, name: str, *arguments: bytes | int) -> None:
    """Start the function in device/`name`.py, if it arrives whole; what it writes is not caught."""
    link.start(guarded(device.call(name, *arguments)))


def guarded(code: bytes) -> bytes:
    """Code that does nothing if it was damaged; it leaves no names on the board."""
    crc = zlib.crc32(code)
    head = f"_m={device.literal(code)}\nfrom binascii import crc32 as _k\n"
    return f"{head}if _k(_m)=={crc}:exec(_m,{{}})\ndel _m,_k\n".encode()


def can_check(link: Link) -> bool:
    """Whether the board's firmware has what checking takes; asked once."""
    if link.checks is None:
        tries = (patiently(link, lambda: _is_able(link)) for _ in range(2))
        link.checks = any(tries)  # damage to the question may look like a lack
    return link.checks


def patiently(link: Link, attempt: Callable[[], T]) -> T:
    """Try something until it goes well, or the link's patience is over."""
    deadline, tries = 0.0, 0
    while True:
        tries += 1
        try:
            with link.hurrying(_HURRY):
                return attempt()
        except _RaisedError:
            raise
        except DeviceError:
            now = time.monotonic()
            deadline = deadline or now + link.patience
            if link.transport.gone or (now > deadline and tries >= _TRIES):
                raise


def _is_able(link: Link) -> bool:
    told = link.exec(_ASK, _HURRY).strip()
    if told not in (_ABLE, _UNABLE):
        raise _damaged(link)
    return told == _ABLE


def _attempt(link: Link, call: str, timeout: float) -> bytes:
    number = f"{secrets.randbelow(10**10):010}"
    function, _, tail = call.partition("\ntry:\n ")
    text = _RUN.format(call=tail.partition("\n")[0], start=number)
    link.start(guarded(f"{_CAPTURE}{function}\n{text}".encode()))
    link.transport.unread(link.read(1, timeout, "answer"))
    told = link.finish(_REST).replace(b"\r\n", b"\n")
    match = _ANSWER.search(told)
    if (
        match is None
        or match[2] != number.encode()
        or zlib.crc32(told[match.start(2) :]) != int(match[1])
    ):
        raise _damaged(link)
    answer = told[match.end() :]
    if match[3] == b"E":
        error = link.raised(answer)
        raise _RaisedError(error.message, error.where, error.hint)
    return answer


def _damaged(link: Link) -> DeviceError:
    return link.transport.error(
        "bytes were damaged or lost on the line",
        "try again; a shorter cable or a lower baud rate may help",
    )
