"""Results that anybody may have written: a sound one is read, any other is refused by an error."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import jsonschema
import pytest

from microinterp.errors import InputError
from microinterp_boards.results.record import Figure, checked, parse
from tests.boards.bench_results import CONV, counted, result
from tests.boards.test_bench import follows_schema

VALUES = [
    None, True, -1, 0, 1, 2.5, 1e400, float("nan"), 1 << 200, "", "x" * 100, "\ud800", "$\x1b[31m",
    [], [[]], {}, {"a": 1}, [None],
]  # fmt: skip


def places(part: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a JSON value."""
    if not isinstance(part, (dict, list)):
        return [path]
    items = part.items() if isinstance(part, dict) else enumerate(part)
    return [path, *(each for key, value in items for each in places(value, (*path, key)))]


def changed(base: Any, path: tuple[Any, ...], value: Any) -> Any:
    made = copy.deepcopy(base)
    part = made
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return made


def test_results_of_the_tests_follow_the_schema() -> None:
    follows_schema(result())
    follows_schema(counted())


def test_fields() -> None:
    run = parse(json.dumps(result(1234.5, 4, git__changed=True)))
    assert (run.name, run.machine, run.unit) == ("digits", "Pico with RP2040", "us")
    assert run.invoke == Figure(1234.5, 1230.5, 1238.5)
    assert [(op.index, op.name, op.time.high) for op in run.ops] == [
        (0, "CONV_2D", 750),
        (1, "MAX_POOL_2D", 310),
    ]
    assert run.heap_taken == 20_000
    assert run.commit == "0123456+"
    assert checked(result(git=None)).commit == ""


@pytest.mark.parametrize("base", [result(), counted()], ids=["us", "instructions"])
def test_every_field_with_every_wrong_value(base: dict[str, Any]) -> None:
    """It is refused, or what is taken has figures that can be worked with; no other error."""
    refused = 0
    for path in places(base)[1:]:
        for value in VALUES:
            made = changed(base, path, value)
            try:
                run = checked(made)
            except InputError:
                refused += 1
                continue
            assert run.invoke.low <= run.invoke.median <= run.invoke.high
            for text in (run.name, run.machine, *(op.name for op in run.ops)):
                text.encode()
    assert refused > 500


def test_what_it_refuses_the_schema_refuses_too() -> None:
    """Except where figures contradict each other, which a schema cannot say."""
    maker = random.Random(1)
    refused = 0
    for base in (result(), counted()):
        for path in places(base)[1:]:
            made = changed(base, path, maker.choice([None, True, "x", -1, {}, []]))
            try:
                checked(made)
            except InputError as error:
                if "does not lie between" not in error.message:
                    refused += 1
                    with pytest.raises(jsonschema.ValidationError):
                        follows_schema(made)
    assert refused > 100


@pytest.mark.parametrize("name", ["model", "board", "runtime", "median", "ops", "git", "tools"])
def test_a_missing_field_is_named(name: str) -> None:
    made = result()
    del made[name]
    with pytest.raises(InputError, match=f"^its field {name} is missing$"):
        checked(made)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ([], "it is no object"),
        ({}, "it is no result of a benchmark"),
        ({"format": ["microinterp bench 2"]}, "it is no result of a benchmark"),
        ({"format": "microinterp golden 2"}, "it is no result of a benchmark"),
        (
            {"format": "microinterp bench 1"},
            "of format 'microinterp bench 1', and this microinterp",
        ),
        ({"format": "microinterp bench 3"}, "reads 'microinterp bench 2'"),
        (result(ops=[CONV, CONV]), "its field ops has an op twice"),
        (result(median=-3), "its field median is out of range"),
        (result(p10=1001), "its field median does not lie between p10 and p90"),
        (result(model__name="../x"), "its field model.name is not of the form"),
        (result(timestamp="2026-02-30T00:00:00+00:00"), "its field timestamp is no time"),
        (result(clock_unit="s"), "its field clock_unit is no unit"),
        (result(ops=[CONV | {"macs": 0.5}]), "its field ops[0].macs is no integer"),
    ],
)
def test_refusals(made: Any, message: str) -> None:
    with pytest.raises(InputError) as raised:
        checked(made)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "it is no JSON"),
        (b"\xff\xfe\x00", "it is no JSON"),
        (b"\x80", "it is no JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"format": NaN}', "NaN is no number of JSON"),
        (b'{"median": 1e999}', "too large"),
        (b'{"a": ' + b"1" * 5000 + b"}", "it is no"),
    ],
)
def test_what_is_no_json(text: bytes, message: str) -> None:
    with pytest.raises(InputError) as raised:
        parse(text)
    assert message in str(raised.value)
