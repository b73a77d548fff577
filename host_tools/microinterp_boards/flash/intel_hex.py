"""Intel HEX files for micro:bits, plain or universal: every record checked, and who it is for.

A universal file (https://github.com/microbit-foundation/spec-universal-hex) has a section for each
micro:bit; the board takes its own. A plain file does not say for which one it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from microinterp.errors import DeviceError
from microinterp_boards.flash.chips import chips_named_in

_DATA, _END, _SEGMENT, _START_SEGMENT, _LINEAR, _START_LINEAR = range(6)
_BLOCK_START, _BLOCK_END, _PADDING, _CUSTOM, _OTHER = range(0x0A, 0x0F)
_SIZES = {_END: 0, _SEGMENT: 2, _START_SEGMENT: 4, _LINEAR: 2, _START_LINEAR: 4}
_KINDS = frozenset((*range(6), *range(0x0A, 0x0F)))
MICROBITS = {
    0x9900: "nRF51822",
    0x9901: "nRF51822",
    0x9903: "nRF52833",
    0x9904: "nRF52833",
    0x9905: "nRF52833",
    0x9906: "nRF52833",
}
"""The board ids of micro:bits: V1 (the first two) and V2."""
_PLAIN = -1
_FLASH_OF_V1 = 256 * 1024


@dataclass(frozen=True, slots=True)
class HexFile:
    """What a file holds: the chips that it is for (maybe none told), and each chip's flash image.

    An image is in the order of the file, without the gaps between; `is_universal`: it has sections.
    """

    chips: tuple[str, ...]
    image: bytes
    is_universal: bool


@dataclass(slots=True)
class _State:
    """Where reading is: the section's target, the base address, what each target gets."""

    target: int = _PLAIN
    base: int = 0
    highest: int = 0
    ended: bool = False
    images: dict[int, bytearray] = field(default_factory=dict)


def parse(data: bytes) -> HexFile:
    """Read a file. Raises DeviceError that names the line that is wrong."""
    state = _State()
    for number, raw in enumerate(data.split(b"\n"), 1):
        line = raw.rstrip(b"\r")
        if not line:
            continue  # files are padded with empty lines to blocks of 512 bytes
        if state.ended:
            raise _wrong(number, "comes after the end of the file")
        _take(state, number, _record(number, line))
    if not state.ended:
        raise DeviceError(
            "the HEX file is damaged: the record that ends it is missing: cut short?",
            hint="download or build it again; nothing was written",
        )
    images = {target: bytes(image) for target, image in state.images.items() if image}
    if not images:
        raise DeviceError("the HEX file holds no data", hint="download or build it again")
    if _PLAIN not in images:
        chips = (MICROBITS[target] for target in images)
        return HexFile(tuple(dict.fromkeys(chips)), b"".join(images.values()), True)
    if len(images) > 1:
        raise DeviceError(
            "the HEX file is damaged: data stands outside of its sections",
            hint="download or build it again; nothing was written",
        )
    chips_told = chips_named_in(images[_PLAIN])
    if not chips_told and state.highest > _FLASH_OF_V1:
        chips_told = ("nRF52833",)  # more than a V1 has
    return HexFile(chips_told, images[_PLAIN], False)


def _record(number: int, line: bytes) -> bytes:
    """The bytes of a line, whose length and sum are right, without the sum."""
    try:
        text = line.decode("ascii")
        record = bytes.fromhex(text[1:])
    except ValueError:
        text, record = "", b""
    if not text.startswith(":") or any(each.isspace() for each in text):
        raise _wrong(number, "is no record")
    if len(record) < 5 or len(record) != record[0] + 5:
        raise _wrong(number, "has not the length that it says")
    if sum(record) & 0xFF:
        raise _wrong(number, "has a wrong checksum")
    return record[:-1]


def _take(state: _State, number: int, record: bytes) -> None:
    address, kind, data = int.from_bytes(record[1:3], "big"), record[3], record[4:]
    if kind not in _KINDS:
        raise _wrong(number, f"is of an unknown type {kind:#04x}")
    if len(data) != _SIZES.get(kind, len(data)):
        raise _wrong(number, f"has {len(data)} bytes, of type {kind:#04x}")
    if kind in (_DATA, _CUSTOM):
        _take_data(state, number, kind, address, data)
    elif kind == _END:
        if state.target != _PLAIN:
            raise _wrong(number, "ends the file inside of a section")
        state.ended = True
    elif kind == _SEGMENT:
        state.base = int.from_bytes(data, "big") << 4
    elif kind == _LINEAR:
        state.base = int.from_bytes(data, "big") << 16
    elif kind == _BLOCK_START:
        _start(state, number, data)
    elif kind == _BLOCK_END:
        if state.target == _PLAIN:
            raise _wrong(number, "ends a section that was not begun")
        state.target = _PLAIN


def _take_data(state: _State, number: int, kind: int, address: int, data: bytes) -> None:
    """Data of a V1 has the plain type, so that its old firmware reads it; all others the new."""
    is_custom = state.target != _PLAIN and MICROBITS[state.target] != "nRF51822"
    if is_custom != (kind == _CUSTOM):
        raise _wrong(number, f"has type {kind:#04x}, which is not this section's")
    if state.base + address < 0x10000000:  # above are user registers, no flash
        state.highest = max(state.highest, state.base + address + len(data))
    state.images.setdefault(state.target, bytearray()).extend(data)


def _start(state: _State, number: int, data: bytes) -> None:
    target = int.from_bytes(data[:2], "big")
    if state.target not in (_PLAIN, target):
        raise _wrong(number, "begins a section inside of another")
    if len(data) < 2 or target not in MICROBITS:
        raise _wrong(number, f"begins a section for a board {target:#06x}, which is no micro:bit")
    state.target = target


def _wrong(line: int, what: str) -> DeviceError:
    return DeviceError(
        f"the HEX file is damaged: line {line} {what}",
        hint="download or build it again; nothing was written",
    )
