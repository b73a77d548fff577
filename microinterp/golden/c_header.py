"""A bundle as a C header: constant arrays for C99 and C++11, to be compared with memcmp."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from microinterp.errors import InputError
from microinterp.golden.selecting import Selection, Stream
from microinterp.golden_bundle import Check

Array = npt.NDArray[Any]

MAX_C_BYTES = 16 << 20
"""Most bytes of arrays in one header: gcc takes some 120 bytes of memory for each of them."""
ALIGNMENT = 16
_COLUMNS = 100
_HIGHEST = {"int8": 7, "int16": 15, "int32": 31, "int64": 63}


def write_header(chosen: Selection, path: str, name: str) -> None:
    """Write a header; `name` is what its names begin with, made fit for C.

    Raises:
        InputError: it would hold more than MAX_C_BYTES.
    """
    arrays = chosen.arrays()
    size = chosen.samples * sum(a.elements * a.dtype.itemsize for a in arrays)
    if size > MAX_C_BYTES:
        per_sample = size // chosen.samples
        raise InputError(
            f"a C header of {size} bytes: at most {MAX_C_BYTES} are of use to compilers",
            hint=f"a sample has {per_sample}: export {MAX_C_BYTES // per_sample} or fewer, by "
            "--samples A:B",
        )
    lower, upper = c_name(name), c_name(name).upper()
    with open(path, "w", encoding="ascii") as file:
        _begin(file, chosen, lower, upper)
        for array in arrays:
            _array(file, chosen, array, lower, upper)
        _checks(file, chosen.header.checks, lower)
        file.write(f"#endif /* {upper}_GOLDEN_H */\n")


def c_name(text: str) -> str:
    """A name for C: ASCII letters, digits and single underscores, no digit or underscore first.

    C++ keeps double underscores for itself.
    """
    made = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").lower()
    return made if made and made[0].isalpha() else f"golden_{made}".rstrip("_")


def _begin(file: TextIO, chosen: Selection, lower: str, upper: str) -> None:
    header = chosen.header
    file.write(
        f"""\
/* Golden outputs of a model. Made by `microinterp golden export`; include it in one file.
 *
 * model sha256: {header.model_sha256}
 * computed by:  {_comment(header.computed_by)}
 * recorded by:  {_comment(header.tool)}
 * samples:      {chosen.first} to {chosen.first + chosen.samples - 1} of the bundle
 *
 * Sample i of an array begins at element i * ..._ELEMENTS and has ..._BYTES bytes. Floats are kept
 * as their bits, so that memcmp with the model's floats tells every difference. A CRC32 is that of
 * zlib, over the bytes of a tensor just after its op has run.
 */
#ifndef {upper}_GOLDEN_H
#define {upper}_GOLDEN_H

#include <stdint.h>

#if defined(__cplusplus)
#define {upper}_ALIGNED alignas({ALIGNMENT})
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define {upper}_ALIGNED _Alignas({ALIGNMENT})
#elif defined(__GNUC__)
#define {upper}_ALIGNED __attribute__((aligned({ALIGNMENT})))
#else
#define {upper}_ALIGNED
#endif

#define {upper}_SAMPLES {chosen.samples}
#define {upper}_INPUTS {len(header.inputs)}
#define {upper}_OUTPUTS {len(header.outputs)}
#define {upper}_CHECKS {len(header.checks)}
#define {upper}_MODEL_SHA256 "{header.model_sha256}"

"""
    )


def _array(file: TextIO, chosen: Selection, array: Stream, lower: str, upper: str) -> None:
    """One array with its sizes; C has no empty arrays, so those are left out."""
    big = f"{upper}_{array.name.upper()}"
    count = chosen.samples * array.elements
    shape = ", ".join(map(str, array.shape))
    file.write(f"/* {_about(chosen, array)}: {array.dtype.name}[{shape}] */\n")
    file.write(f"#define {big}_ELEMENTS {array.elements}\n")
    file.write(f"#define {big}_BYTES {array.elements * array.dtype.itemsize}\n")
    if count:
        kind = _as_integers(np.empty(0, array.dtype)).dtype.name
        per_number = array.elements * array.dtype.itemsize // (np.dtype(kind).itemsize)
        file.write(f"{upper}_ALIGNED static const {kind}_t {lower}_{array.name}")
        file.write(f"[{chosen.samples * per_number}] = {{\n")
        for line in _lines(array):
            file.write(line + "\n")
        file.write("};\n")
    file.write("\n")


def _about(chosen: Selection, array: Stream) -> str:
    role, _, number = array.name.partition("_")
    if role == "crcs":
        return "CRC32 of what ops wrote, in the order of the checks"
    if role == "tensor":
        return _comment(chosen.header.checks[int(number)].name)
    tensors = chosen.header.inputs if role == "input" else chosen.header.outputs
    return f"{role} {number}, '{_comment(tensors[int(number)].name)}'"


def _as_integers(array: Array) -> Array:
    """The same bytes as a type that C has under one name everywhere."""
    if array.dtype.kind in "iu":
        return array
    width = array.dtype.itemsize
    return array.view(f"<u{width}" if width <= 8 else "<u8")


def _lines(array: Stream) -> Iterator[str]:
    for piece in array.pieces():
        line = " "
        for text in map(_number(array), _as_integers(piece.reshape(-1)).tolist()):
            if len(line) + len(text) + 2 > _COLUMNS:
                yield line
                line = " "
            line += f" {text},"
        yield line


def _number(array: Stream) -> Any:
    kind = _as_integers(np.empty(0, array.dtype)).dtype
    if kind.kind == "u":
        suffix = {8: "ULL", 4: "U"}.get(kind.itemsize, "")
        form = f"0x{{:0{2 * kind.itemsize}x}}{suffix}"
        as_bits = array.name == "crcs" or array.dtype.kind in "fc"
        return form.format if as_bits else f"{{}}{suffix}".format
    lowest = -(1 << _HIGHEST[kind.name])
    wide = "LL" if kind.itemsize == 8 else ""

    def text(value: int) -> str:
        if value == lowest and kind.itemsize >= 4:  # C has no negative literals
            return f"(-{-lowest - 1}{wide} - 1)"
        return f"{value}{wide}"

    return text


def _checks(file: TextIO, checks: tuple[Check, ...], lower: str) -> None:
    if not checks:
        return
    file.write("/* What each CRC32 is of: a tensor just after its op has run. */\n")
    file.write("typedef struct {\n  int32_t subgraph, op, tensor;\n  uint32_t bytes;\n")
    file.write(f"  const char *op_name;\n}} {lower}_check_t;\n\n")
    file.write(f"static const {lower}_check_t {lower}_checks[{len(checks)}] = {{\n")
    for check in checks:
        numbers = f"{check.subgraph}, {check.op}, {check.tensor}, {check.nbytes}U"
        file.write(f'  {{{numbers}, "{_string(check.op_name)}"}},\n')
    file.write("};\n\n")


def _comment(text: str) -> str:
    """Untrusted text inside a comment: it may not end it, nor hold a line break or a trigraph."""
    return re.sub(r"[^A-Za-z0-9 ,.;:()\[\]_/-]", "_", text[:120])


def _string(text: str) -> str:
    """Untrusted text inside a C string: bytes other than plain ones in octal, three digits each."""
    return "".join(
        chr(byte) if (chr(byte).isalnum() and byte < 128) or byte in b" _-." else f"\\{byte:03o}"
        for byte in text[:80].encode("utf-8", "backslashreplace")
    )
