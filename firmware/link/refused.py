"""What a request is refused with; schemas/link.md lists the codes."""

BAD_REQUEST = 1
NOT_NOW = 2
OS_ERROR = 3
NOT_ANNOUNCED = 4
SIGNATURE = 5
VERSION = 6
SELF_TEST = 7
OUT_OF_MEMORY = 8


class Refused(Exception):  # noqa: N818 - an answer to be sent
    def __init__(self, code, text=""):
        super().__init__(text)
        self.code = code
        self.text = text
