"""MicroPython code: places as requests name them, whole lists, and the codes of refusals.

Not part of service_side, which boards with little memory load, too.
"""

from service_side import LIST, field, number, u16

BAD, NOT_NOW, NOT_ANNOUNCED, SELF_TEST = 1, 2, 4, 7


def at(place, name):
    return bytes([place]) + field(name)


def listed(host, place, first=0):
    """Names and sizes, over as many answers as it takes."""
    found, answers = {}, 0
    while True:
        answer = host.ask(LIST, bytes([place]) + u16(first + len(found)))
        if not answer:
            return found, answers
        answers += 1
        while answer:
            end = 1 + answer[0]
            found[answer[1:end].decode()] = number(answer, end)
            answer = answer[end + 4 :]
