"""The digits example that comes with the package: a model to try things on, and data for it."""

from __future__ import annotations

from pathlib import Path

from microinterp.errors import InputError, printable_path
from microinterp.files import write_bytes

DIGITS = (
    "digits_int8.tflite",
    "digits_float.tflite",
    "digits.npz",
    "test_images.npz",
    "digits_tflm.golden",
    "README.md",
)
"""Files of the example; its README.md tells what each of them is, and the images' licence."""
_HERE = Path(__file__).parent


def digits_folder() -> Path:
    """Where the example lies: inside an installed package, or in a clone of the repository.

    Raises InputError if it is at neither place.
    """
    installed, cloned = _HERE / "_examples" / "digits", _HERE.parent / "examples" / "digits"
    for folder in (installed, cloned):
        if (folder / DIGITS[0]).is_file():
            return folder
    raise InputError(
        f"the example is missing: there is no '{printable_path(str(installed))}'",
        hint="install the package again; a wheel from `python -m build` holds it",
    )


def copy_digits(folder: str | Path) -> tuple[list[str], list[str]]:
    """Copy the example into a folder, which is made if need be.

    Returns:
        Names of the files written, and of those that were there already.

    Raises:
        InputError: a file of that name with other content is there: nothing is written.
    """
    source, target = digits_folder(), Path(folder)
    contents = {name: (source / name).read_bytes() for name in DIGITS}
    there = [name for name in DIGITS if (target / name).exists()]
    for name in there:
        path = target / name
        if not path.is_file() or path.read_bytes() != contents[name]:
            raise InputError(
                f"'{printable_path(str(path))}' is there already, and is another file",
                hint="name another folder",
            )
    target.mkdir(parents=True, exist_ok=True)
    new = [name for name in DIGITS if name not in there]
    for name in new:
        write_bytes(target / name, contents[name])
    return new, there
