"""What a golden test says: failures like a diff, and what --golden-update has changed."""

from __future__ import annotations

import shlex
from pathlib import Path

from microinterp.errors import printable, printable_path
from microinterp.golden import CheckResult, Difference
from microinterp.golden_bundle import BundleHeader
from microinterp.testing.settings import Case

_SHORT = 12  # digits of a sha256


def failure(case: Case, header: BundleHeader, runtime: str, result: CheckResult) -> str:
    """How a model differs from its bundle, and how to go on; empty if it does not.

    Args:
        header: of the bundle.
        runtime: that computed `result`, by its full name.
    """
    if result.equal and result.model_matches:
        return ""
    lines = [_head(case, header, result)]
    if not result.equal:
        lines += [
            f"--- wanted: {shown_path(case.bundle)}, recorded by {_who(header)}",
            f"+++ got: {printable(f'{runtime} {result.version}', 200)}",
        ]
    for difference in _differences(result):
        lines += _diff(difference)
    return "\n".join([*lines, *_how_to_go_on(case, runtime, result)])


def changes(before: BundleHeader, profile: str, now: CheckResult) -> str:
    """What a bundle's new recording changes; `now` is a check against the old one."""
    what = []
    if not now.model_matches:
        what.append("it has another model")
    if profile != before.profile:
        what.append(f"profile {printable(before.profile)} became {printable(profile)}")
    if now.equal:
        what.append("every sample gives the same bytes")
    else:
        what.append(_counts(now))
    for difference in _differences(now)[:1]:
        what.append(f"first: {_place(difference)}: {_change(difference)}")
    return "; ".join(what)


def shown_path(path: Path) -> str:
    """A path as short as it can be said from the working folder, safe for a terminal."""
    return printable_path(_short(path))


def _short(path: Path) -> str:
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def _who(header: BundleHeader) -> str:
    return printable(f"{header.runtime} {header.runtime_version}", 200)


def _head(case: Case, header: BundleHeader, result: CheckResult) -> str:
    if result.model_matches:
        return f"{case.name}: {_counts(result)}"
    text = (
        f"{case.name}: {shown_path(case.model)} is not the model that the bundle was recorded"
        f" from (sha256 {header.model_sha256[:_SHORT]}...)"
    )
    if result.changed_op:
        text += f"\n{printable(result.changed_op, 200)}"
    return text + ("\nits outputs are the same" if result.equal else f"\n{_counts(result)}")


def _counts(result: CheckResult) -> str:
    parts = [f"{result.differing_samples:,} of {count(result.samples, 'sample')} differ"]
    if result.differing_elements:
        parts.append(f"{count(result.differing_elements, 'element')} of outputs")
    if result.differing_tensors:
        parts.append(f"{count(result.differing_tensors, 'tensor')} that ops write")
    if not result.compared_crcs and not result.compared_tensor_bytes:
        parts.append("outputs alone were compared")
    return ", ".join(parts)


def _differences(result: CheckResult) -> list[Difference]:
    """The first op's tensor, then the first output, unless the two say the same."""
    first, output = result.first, result.first_output
    found = [each for each in (first, output) if each is not None]
    if first is not None and output is not None and not first.subgraph:
        is_same = first.tensor == output.tensor and first.element is not None
        return [first] if is_same else found
    return found


def _place(difference: Difference) -> str:
    parts = [f"sample {difference.sample}"]
    if difference.op_index is not None:
        number = f"{difference.subgraph}/" if difference.subgraph else ""
        parts.append(f"op {number}{difference.op_index} {printable(difference.op_name or '?')}")
    if difference.output is not None:
        parts.append(f"output {difference.output}")
    parts.append(f"tensor {difference.tensor} '{printable(difference.tensor_name)}'")
    return ", ".join(parts)


def _diff(difference: Difference) -> list[str]:
    lines = [f"@@ {_place(difference)} @@"]
    if difference.element is None:
        wanted, got = _crc(difference.wanted_crc), _crc(difference.got_crc)
        return [*lines, f"-CRC32 {wanted}", f"+CRC32 {got}"]
    values = [(difference.element, difference.wanted, difference.got), *difference.more]
    for sign, which in (("-", 1), ("+", 2)):
        lines += [f"{sign}{list(value[0])} {value[which]}" for value in values]
    differing = difference.differing or len(values)
    if differing > len(values):
        lines.append(f" ... {differing:,} of {difference.elements:,} elements differ")
    return lines


def _change(difference: Difference) -> str:
    if difference.element is None:
        return f"CRC32 {_crc(difference.wanted_crc)} became {_crc(difference.got_crc)}"
    return f"{list(difference.element)} {difference.wanted} became {difference.got}"


def _crc(value: int | None) -> str:
    return "?" if value is None else f"{value:08x}"


def _how_to_go_on(case: Case, runtime: str, result: CheckResult) -> list[str]:
    model, bundle = (shlex.quote(_short(path)) for path in (case.model, case.bundle))
    check = f"microinterp golden check {model} {bundle}"
    other = bundle
    if runtime != "host":
        check += f" --runtime {shlex.quote(runtime)}"
        if result.model_matches:  # then it is the runtime that is to be looked at
            other = shlex.quote(runtime)
    if not result.model_matches:
        check += " --any-model"
    compare = f"microinterp compare {model} --with {other}"
    if result.profile != "tflm":
        compare += f" --profile {shlex.quote(result.profile)}"
    if case.operators is not None:
        own = f" --operators {shlex.quote(_short(case.operators))}"
        check, compare = check + own, compare + own
    return [
        f"look closer: {printable_path(compare)}",
        f"once more:   {printable_path(check)}",
        "if the change is meant: pytest --golden-update",
    ]


def count(number: int, what: str) -> str:
    """A number with its noun."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
