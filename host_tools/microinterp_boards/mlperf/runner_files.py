"""Files for the public runner: which port it is to look for, and how many inferences to ask for."""

from __future__ import annotations

from pathlib import Path

from microinterp.errors import InputError, printable, printable_path
from microinterp_boards.mlperf.kinds import Kind
from microinterp_boards.mlperf.timing import Iterations
from microinterp_boards.ports import Port

DEVICES, PERFORMANCE, ACCURACY = "devices.yaml", "tests_performance.yaml", "tests_accuracy.yaml"
PLACEHOLDER = 0x1209, 0x0001
"""USB ids for tests (pid.codes): for a port that has none, which the runner cannot find itself."""
_MARK = "# MLPerf Tiny protocol, unofficial: made by microinterp board mlperf"
_TITLES = {
    "kws": "keyword_spotting",
    "vww": "person_detection",
    "ic": "image_classification",
    "ad": "anomaly_detection",
}


def write_files(
    folder: Path, kind: Kind, port: Port, baud: int, counts: Iterations | None
) -> tuple[Path, ...]:
    """Write what the runner's -d and -t take; the test of performance only where counts are known.

    Raises InputError if a file cannot be written.
    """
    texts = {DEVICES: _devices(port, baud), ACCURACY: _test(kind, "loop", 1, 0)}
    if counts is not None:
        texts[PERFORMANCE] = _test(kind, "loop 5", *counts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PERFORMANCE).unlink(missing_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(f"{_MARK}\n{text}", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot write to '{printable_path(str(folder))}': {error.strerror}"
        ) from None
    return tuple(folder / name for name in texts)


def require_own(folder: Path) -> None:
    """Raise InputError if one of the files is there and was not made here."""
    for name in (DEVICES, PERFORMANCE, ACCURACY):
        _require_own(folder / name)


def usb_ids(port: Port) -> tuple[int, int] | None:
    """Vendor and product, None for a port without."""
    return None if port.vid is None or port.pid is None else (port.vid, port.pid)


def _require_own(path: Path) -> None:
    try:
        mine = path.read_text(encoding="utf-8").startswith(_MARK)
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError):
        mine = False
    if not mine:
        raise InputError(
            f"'{printable_path(str(path))}' is there already, and was not made here",
            hint="name another folder",
        )


def _devices(port: Port, baud: int) -> str:
    ids = usb_ids(port)
    vendor, product = ids or PLACEHOLDER
    why = "" if ids else "# This port has no USB ids, by which the runner looks: docs/mlperf.md\n"
    return (
        f"# {printable(port.port, 200)}\n{why}"
        "- name: microinterp\n"
        "  type: dut\n"
        f"  baud: {baud}\n"
        "  usb:\n"
        f"    0x{vendor:04X}: 0x{product:04X}\n"
    )


def _test(kind: Kind, loop: str, count: int, warmups: int) -> str:
    return (
        f"{kind.model}:\n"
        f"  name: {_TITLES[kind.name]}\n"
        f"  model: {kind.model}\n"
        "  truth_file: y_labels.csv\n"
        "  script:\n"
        f"    - {loop}:\n"
        "      - download\n"
        f"      - infer {count} {warmups}\n"
    )
