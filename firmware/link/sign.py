"""HMAC-SHA256 (RFC 2104) from hashlib.sha256 alone."""

from microinterp_link.upload import sha256

_BLOCK = 64


class Hmac:
    def __init__(self, key):
        if len(key) > _BLOCK:
            inner = sha256()
            inner.update(key)
            key = inner.digest()
        key = key + bytes(_BLOCK - len(key))
        self._inner, self._outer = sha256(), sha256()
        self._inner.update(bytes([c ^ 0x36 for c in key]))
        self._outer.update(bytes([c ^ 0x5C for c in key]))

    def update(self, data):
        self._inner.update(data)

    def digest(self):
        self._outer.update(self._inner.digest())
        return self._outer.digest()

    def is_equal(self, signature):
        """Takes as long wherever the first difference is."""
        wanted = self.digest()
        differing = len(wanted) ^ len(signature)
        for i in range(len(wanted)):
            differing |= wanted[i] ^ (signature[i] if i < len(signature) else 0)
        return not differing
