"""A program's file before anything is sent: what is refused, with the line, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from microinterp.errors import InputError
from microinterp_boards.app import source
from microinterp_boards.app.source import LIMIT, read_program

LOOP = "while True:\n    try:\n        step()\n    "
IN_FUNCTION = "def read():\n    try:\n        return step()\n    "


def of(folder: Path, text: str | bytes) -> Path:
    path = folder / "main.py"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x = 1\nif x\n    pass\n", "line 2: "),
        ("x = 'open\n", "line 1: "),
        (b"x = '\xff'\n", "byte 5 is not UTF-8"),
        (b"\x4d\x06\x00\x1f" + b"\0" * 20, "cannot be parsed|line"),
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("#" * (LIMIT + 1), f"more than {LIMIT} bytes"),
        (f"{LOOP}except:\n        pass\n", "line 4: `except:` catches Ctrl-C"),
        (f"{LOOP}except BaseException:\n        print(1)\n", "line 4: `except BaseException:`"),
        (f"{LOOP}except (OSError, KeyboardInterrupt):\n        print(1)\n", "line 4: "),
        (f"{IN_FUNCTION}except:\n        return None\n", "line 4: `except:`"),
        ("import micropython\nmicropython.kbd_intr(-1)\n", "line 2: micropython.kbd_intr"),
        ("x()\nfrom micropython import kbd_intr\nkbd_intr(-1)\n", "line 3: micropython.kbd_intr"),
        (f"{LOOP}except:\n        kbd_intr(-1)\nkbd_intr(-1)\n", "line 4: `except:`"),
        (f"x = 0{'+1' * 1200}\nkbd_intr(-1)\n", "line 2: "),
    ],
)
def test_refused(tmp_path: Path, text: str | bytes, wanted: str) -> None:
    with pytest.raises(InputError, match=wanted):
        read_program(of(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        f"{LOOP}except Exception as error:\n        print(error)\n",
        f"{LOOP}except:\n        led.off()\n        raise\n",
        f"{LOOP}except KeyboardInterrupt:\n        break\n",
        "try:\n    main()\nexcept:\n    led.off()\n",
        "def f():\n    try:\n        run()\n    except KeyboardInterrupt:\n        off()\nf()\n",
        "@micropython.asm_thumb\ndef f(r0):\n    add(r0, r0, 1)\n",
        "\ufeffprint('a mark of the editor')\r\n",
        "#" * LIMIT,
        "x = 0" + "+1" * 1200,
        "if x == 0:\n    pass\n" + "elif x == 1:\n    pass\n" * 1200,
        "while True:\n    def f():\n        try:\n            run()\n"
        "        except KeyboardInterrupt:\n            off()\n",
    ],
)
def test_taken(tmp_path: Path, text: str) -> None:
    path = of(tmp_path, text)
    assert read_program(path).text == path.read_bytes().removeprefix(b"\xef\xbb\xbf")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read '.*nowhere\.py': No such file"):
        read_program(tmp_path / "nowhere.py")
    with pytest.raises(InputError, match="Is a directory"):
        read_program(tmp_path)


@pytest.mark.parametrize("error", [RecursionError, MemoryError, ValueError])
def test_what_overflows_the_parser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """Which of them a deep expression raises depends on the version of Python."""

    def parse(text: str) -> None:
        raise error("too deep")

    monkeypatch.setattr(source.ast, "parse", parse)
    with pytest.raises(InputError, match=r"main\.py' cannot be parsed: too deep"):
        read_program(of(tmp_path, "x = 1\n"))
