"""microinterp.files: bounds, and the errors of each kind, which say path and reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from microinterp.errors import DeviceError, InputError, MicrointerpError, ModelError
from microinterp.files import read_bytes, replaced_by, unreadable, unwritable, write_bytes


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"12345")
    assert read_bytes(tmp_path / "a") == b"12345"
    assert read_bytes(str(tmp_path / "a"), 5) == b"12345"
    with pytest.raises(InputError, match=r"cannot read '.*a': it has more than 4 bytes$"):
        read_bytes(tmp_path / "a", 4)


@pytest.mark.parametrize("kind", [InputError, ModelError, DeviceError])
def test_errors_are_of_the_kind_that_is_asked_for(
    kind: type[MicrointerpError], tmp_path: Path
) -> None:
    for use, verb in (
        (read_bytes, "read"),
        (lambda p, **more: write_bytes(p, b"", **more), "write"),
    ):
        with pytest.raises(kind) as caught:
            use(tmp_path, kind=kind, hint="take another")
        assert caught.value.message == f"cannot {verb} '{tmp_path}': Is a directory"
        assert caught.value.hint == "take another"


def test_names_and_reasons_are_safe_to_print() -> None:
    for error, verb in (
        (unreadable("a\x1b", "\x07"), "read"),
        (unwritable("a\x1b", "\x07"), "write"),
    ):
        assert str(error) == rf"cannot {verb} 'a\x1b': \x07"
    with pytest.raises(InputError, match=r"cannot read 'a\\x00b': embedded null byte"):
        read_bytes("a\0b")
    with pytest.raises(InputError, match=r"cannot write 'a\\x00b': embedded null byte"):
        write_bytes("a\0b", b"")


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"cannot write '{tmp_path}': it is a folder"):
        replaced_by(tmp_path)
    target, part = replaced_by(tmp_path / "a")
    assert target == str(tmp_path / "a")
    assert part.startswith(f"{target}.")
    assert part != replaced_by(tmp_path / "a")[1]
