"""Numbers and names of a request's payload."""

from microinterp_link.refused import Refused

_SUFFIXES = (".part", ".test", ".a", ".b", ".0", ".1", ".2")


class Fields:
    """Takes one field after the other. A payload that ends too early or late is a bad request."""

    def __init__(self, payload, at=0):
        self._payload = payload
        self._at = at

    def number(self, size):
        return int.from_bytes(self.bytes(size), "little")

    def bytes(self, size):
        """A view, valid as long as the payload."""
        at = self._at
        self._at = at + size
        if self._at > len(self._payload):
            raise Refused(1, "the payload is too short")
        return self._payload[at : self._at]

    def left(self):
        return len(self._payload) - self._at

    def name(self, is_model=False):
        """The name of a file, or of a model, whose files never collide with another model's."""
        name = bytes(self.bytes(self.number(1)))
        if not is_good(name):
            raise Refused(1, "this cannot be a name")
        name = name.decode()
        if is_model and (len(name) > 32 or has_suffix(name)):
            raise Refused(1, "this cannot be the name of a model")
        return name

    def end(self):
        if self.left():
            raise Refused(1, "the payload is too long")


def is_good(name):
    """Whether bytes may be a name: neither a folder nor a hidden file, on any filesystem.

    FAT drops dots at the end: what has one would be another file's name.
    """
    if not 1 <= len(name) <= 42 or name[0] == 46 or name[-1] == 46:
        return False
    return all(48 <= c <= 57 or 65 <= c & 0xDF <= 90 or c in (45, 46, 95) for c in name)


def has_suffix(name, suffixes=_SUFFIXES):
    """Whether a name ends as files of models do; FAT takes a and A for the same."""
    return any(name.lower().endswith(suffix) for suffix in suffixes)
