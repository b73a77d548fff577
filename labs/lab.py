"""What the notebooks of this folder share: checks that grade, the digits, commands, a board.

A notebook runs in this folder and says `import lab`. A check prints one green line, or raises
`NotYet`, which says what was wanted, what came, and where to look.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from microinterp_boards import Board

HERE = Path(__file__).resolve().parent
_GREEN, _RED, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"
_ABSENT = object()


class NotYet(Exception):
    """A task is not solved yet: what was wanted, what came, where to look."""

    def _render_traceback_(self) -> list[str]:
        """What Jupyter shows in place of a traceback."""
        return [f"{_RED}not yet{_PLAIN}  {self}"]


def check(task: str, passed: Any = _ABSENT, look: str = "") -> Any:
    """Grade a task: print that it is solved, or raise NotYet.

    As a decorator it calls the function below it, which raises NotYet by `equal`, `near`, `answer`
    or `expect`; else `passed` is True or a function that gives True. Whatever the student's code
    raises becomes a NotYet.
    """
    if passed is _ABSENT:
        return lambda function: _grade(task, lambda: function() is not False, look)
    return _grade(task, passed, look)


def _grade(task: str, passed: Any, look: str) -> None:
    try:
        verdict = passed() if callable(passed) else passed
    except NotYet as found:
        raise NotYet(f"{task}: {found}") from None
    except NotImplementedError:
        raise NotYet(_told(f"{task}: there is nothing in the function yet.", look)) from None
    except NameError as error:
        raise NotYet(f"{task}: {error}. Run the cells above first.") from None
    except Exception as error:
        raise NotYet(_told(f"{task}: {type(error).__name__}: {error}.", look)) from error
    if not (isinstance(verdict, (bool, np.bool_)) and verdict):
        raise NotYet(_told(f"{task}: that is not it.", look))
    print(f"{_GREEN}{task}: solved{_PLAIN}")


def expect(is_true: Any, look: str) -> None:
    """Raise NotYet with `look` unless `is_true` is True."""
    if not (isinstance(is_true, (bool, np.bool_)) and is_true):
        raise NotYet(look)


def equal(got: Any, wanted: Any, look: str = "", what: str = "the result") -> None:
    """Raise NotYet unless both are equal, shape and every element; says where they differ."""
    if wanted is not None:
        _require_something(got, look, what)
    if not isinstance(wanted, np.ndarray):
        _require(_same(got, wanted), got, wanted, look, what)
        return
    given = np.asarray(got)
    if given.shape != wanted.shape:
        _require(False, f"shape {given.shape}", f"shape {wanted.shape}", look, what)
    differing = np.argwhere(given != wanted)
    if len(differing):
        place = tuple(int(i) for i in differing[0])
        count = f"{len(differing)} of {wanted.size} elements of {what} differ; {list(place)} of it"
        _require(False, given[place], wanted[place], look, count)


def near(got: Any, wanted: float, by: float, look: str = "", what: str = "the result") -> None:
    """Raise NotYet unless a number differs from `wanted` by at most `by`."""
    _require_something(got, look, what)
    is_near = bool(abs(float(got) - wanted) <= by)
    _require(is_near, got, f"{wanted:g} within {by:g}", look, what)


def answer(got: Any, wanted: Any, look: str = "", what: str = "your answer") -> None:
    """Raise NotYet unless both are equal; does not say what was wanted."""
    _require_something(got, look, what)
    if _same(got, wanted):
        return
    side = ""
    if isinstance(got, (int, float, np.number)) and isinstance(wanted, (int, float, np.number)):
        side = ", which is too large" if got > wanted else ", which is too small"
    raise NotYet(_told(f"{what} is {_short(got)}{side}.", look))


def _require_something(got: Any, look: str, what: str) -> None:
    if got is None or got is Ellipsis:
        raise NotYet(_told(f"{what} is still {got}.", look))


def _require(is_good: bool, got: Any, wanted: Any, look: str, what: str) -> None:
    if not is_good:
        raise NotYet(_told(f"{what} is {_short(got)}, wanted is {_short(wanted)}.", look))


def _same(got: Any, wanted: Any) -> bool:
    return bool(np.array_equal(got, wanted) if isinstance(got, np.ndarray) else got == wanted)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value.item() if _is_scalar(value) else value)
    return text if len(text) <= 200 else text[:200] + " ..."


def _is_scalar(value: Any) -> bool:
    return isinstance(value, np.generic)


def _told(message: str, look: str) -> str:
    return f"{message} {look}".strip()


@dataclass(frozen=True)
class Digits:
    """The digits model and its test set.

    `images` uint8 [899, 8, 8, 1] from 0 (paper) to 16 (ink), `labels` int64 [899], `inputs` int8
    [899, 1, 8, 8, 1]: `inputs[k]` is what `set_input` takes, all of it what `run_batch` takes.
    """

    path: Path
    float_path: Path
    images: np.ndarray
    labels: np.ndarray
    inputs: np.ndarray

    @property
    def model(self) -> bytes:
        """The bytes of the int8 model."""
        return self.path.read_bytes()


def digits() -> Digits:
    """The digits example (examples/digits/README.md tells how it was made)."""
    from microinterp.examples import digits_folder

    folder = digits_folder()
    with np.load(folder / "test_images.npz") as data:
        images, labels = data["images"], data["labels"]
    inputs = (15 * images.astype(np.int16) - 128).astype(np.int8)[:, None]
    return Digits(
        folder / "digits_int8.tflite", folder / "digits_float.tflite", images, labels, inputs
    )


def shared_model(name: str) -> Path | None:
    """A model of ../shared/models, or None, said in a line: no task depends on one."""
    path = HERE.parent.parent / "shared" / "models" / name
    if path.is_file():
        return path
    print(f"{name} is not here (../shared/models beside the repository): nothing to see")
    return None


class Status(int):
    """Exit status of a command; a cell that ends with one shows nothing."""

    def _ipython_display_(self) -> None:
        """Nothing to show."""


def command(*words: object) -> Status:
    """Run `microinterp` with these words, print what it prints, return its exit status."""
    given = [_short_path(str(word)) for word in words]
    print("$ microinterp", *given)
    done = subprocess.run(
        [sys.executable, "-m", "microinterp", *given],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=HERE,
        env={**os.environ, "COLUMNS": "110", "NO_COLOR": "1"},
        check=False,
    )
    print(done.stdout, end="")
    return Status(done.returncode)


def _short_path(word: str) -> str:
    """A path inside the repository as it is seen from this folder."""
    is_here = word.startswith(f"{HERE.parent}{os.sep}")
    return os.path.relpath(word, HERE) if is_here else word


@contextmanager
def board(port: str | None = None, **virtual: Any) -> Iterator[Board]:
    """A board for as long as the `with` block lasts.

    Args:
        port: of a real board, as "/dev/ttyACM0" or "COM3"; None is a virtual board.
        virtual: options of the virtual board: kind="unix", heap=..., cpu=...
    """
    from microinterp_boards import Board, virtual_board

    if port is not None:
        with Board(port) as connected:
            yield connected
        return
    with virtual_board(**virtual) as own_port, Board(own_port) as connected:
        yield connected
