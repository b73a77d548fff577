"""Rules about the file, places and names, and how verify puts findings together: word for word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from tflite import BuiltinOperator

from microinterp import verify as verify_module
from microinterp.errors import NOWHERE, Problem, Where
from microinterp.model import Metadata, Model, Signature
from microinterp.rules import common, file
from microinterp.rules.common import Rule
from microinterp.verify import rule_texts, verify
from tests.verify_cases import sound_model, told, with_code, with_graph, with_tensor

SIGNATURE = Signature("serve", (("x", 0),), (("y", 3),), 0)


def test_a_sound_file_has_no_findings() -> None:
    for rule in vars(file).values():
        if getattr(rule, "__module__", "") == file.__name__ and not rule.__name__.startswith("_"):
            assert told(rule, sound_model()) == []


@pytest.mark.parametrize("version", [0, 2, 4, 300])
def test_schema_versions(version: int) -> None:
    assert told(file.schema_version, replace(sound_model(), version=version)) == [
        f"error: schema version is {version}, wanted 3"
    ]


def test_a_model_without_subgraphs() -> None:
    assert told(file.has_subgraph, replace(sound_model(), subgraphs=())) == [
        "error: the model has no subgraph, so nothing can run"
    ]


def test_every_builtin_operator_of_the_schema_is_known() -> None:
    """They are numbered from 0 to 208 without a gap."""
    (entry,) = sound_model().operator_codes
    all_of_them = tuple(replace(entry, code=code) for code in range(209))
    model = replace(sound_model(), operator_codes=all_of_them)
    assert told(file.operator_codes_known, model) == []


@pytest.mark.parametrize("code", [-1, 209, 1000])
def test_builtin_operators_that_are_unknown(code: int) -> None:
    (entry,) = sound_model().operator_codes
    model = replace(sound_model(), operator_codes=(entry, replace(entry, code=code)))
    assert told(file.operator_codes_known, model) == [
        f"error: operator code 1 is builtin operator {code}; 0 to 208 are known\n"
        "  hint: the model is newer than this package's schema, or damaged"
    ]


@pytest.mark.parametrize("name", [None, ""])
def test_only_custom_operators_need_a_name(name: str | None) -> None:
    (entry,) = sound_model().operator_codes
    codes = [31, 32, 33, 208, 0]
    model = replace(
        sound_model(),
        operator_codes=tuple(replace(entry, code=code, custom_code=name) for code in codes),
    )
    assert told(file.custom_operators_named, model) == [
        "error: operator code 1 is a custom operator without a name"
    ]
    named = with_code(code=BuiltinOperator.CUSTOM, custom_code="mine")(sound_model())
    assert told(file.custom_operators_named, named) == []


def test_contents_of_the_first_buffer() -> None:
    model = replace(sound_model(), buffers=(memoryview(b"12345"), None))
    assert told(file.first_buffer_empty, model) == [
        "warning: buffer 0 has 5 bytes of data, so every tensor that refers to it is a constant"
    ]
    for buffers in ((), (None,), (None, memoryview(b"1"))):
        assert told(file.first_buffer_empty, replace(model, buffers=buffers)) == []


def test_metadata_buffers_that_do_not_exist() -> None:
    """The sound model has the buffers 0 to 3."""
    entries = tuple(Metadata(f"n{number}", number) for number in (3, 4, 0, 5, 300))
    model = replace(sound_model(), metadata=entries)
    assert told(file.metadata_buffers_exist, model) == [
        f"error: metadata 'n{number}' refers to buffer {number}, the file has 4"
        for number in (4, 5, 300)
    ]


def planned(data: bytes | None, *before: Metadata) -> Model:
    """Five tensors in two subgraphs, and an offline plan; metadata may stand before it."""
    (graph,) = sound_model().subgraphs
    second = replace(graph, index=1, tensors=graph.tensors[:1])
    return replace(
        sound_model(),
        subgraphs=(graph, second),
        buffers=(None, None if data is None else memoryview(data)),
        metadata=(*before, Metadata("OfflineMemoryAllocation", 1)),
    )


def words(*numbers: int) -> bytes:
    return np.array(numbers, "<i4").tobytes()


PLAN = words(1, 0, 5, -1, 0, 16, 32, -1)  # version, subgraph, number of offsets, offsets


@pytest.mark.parametrize("data", [PLAN, PLAN + b"\0\0\0", PLAN + words(0), PLAN + words(0, 0)])
def test_offline_plans_that_fit(data: bytes) -> None:
    assert told(file.offline_plan_fits, planned(data)) == []


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (PLAN[:-4], "5 offsets in 28 bytes"),
        (PLAN[:-1], "5 offsets in 31 bytes"),
        (PLAN[:12], "5 offsets in 12 bytes"),
        (words(1, 0, 4, -1, 0, 16, 32, -1), "4 offsets in 32 bytes"),
        (words(1, 0, 6, -1, 0, 16, 32, -1, 0), "6 offsets in 36 bytes"),
        (words(1, 0, 0), "0 offsets in 12 bytes"),
        (words(1, 0), "no offsets"),
        (words(1), "no offsets"),
        (PLAN[:11], "no offsets"),
        (b"123", "no offsets"),
        (None, "no offsets"),
    ],
)
def test_offline_plans_that_do_not_fit(data: bytes | None, text: str) -> None:
    """Metadata of another name, or without a buffer, does not hide them."""
    others = [Metadata("note", 1), Metadata("A note", 1), Metadata("OfflineMemoryAllocation", 2)]
    others.append(Metadata("OfflineMemoryAllocation", 300))
    for before in ([], others):
        assert told(file.offline_plan_fits, planned(data, *before)) == [
            f"error: OfflineMemoryAllocation has {text}, the model has 5 tensors\n"
            "  hint: write the plan again for this model, or remove the metadata"
        ]


def test_an_offline_plan_for_no_tensors_has_no_offsets() -> None:
    model = replace(planned(words(1, 0, 0)), subgraphs=())
    assert told(file.offline_plan_fits, model) == []


def test_signatures_of_subgraphs_that_do_not_exist_do_not_hide_the_next() -> None:
    far = [replace(SIGNATURE, subgraph=number) for number in (1, 2, 300)]
    wrong = replace(SIGNATURE, key="other", inputs=(("x", 0), ("z", 3)), outputs=(("u", 1),))
    model = replace(sound_model(), signatures=(SIGNATURE, *far, wrong))
    assert told(file.signatures_exist, model) == [
        "error: signature 'serve' refers to subgraph 1, the file has 1",
        "error: signature 'serve' refers to subgraph 2, the file has 1",
        "error: signature 'serve' refers to subgraph 300, the file has 1",
        "error: signature 'other': input 'z' is tensor 3, not an input of the subgraph",
        "error: signature 'other': output 'u' is tensor 1, not an output of the subgraph",
    ]


def test_findings_about_a_signature_name_its_subgraph() -> None:
    (graph,) = sound_model().subgraphs
    second = replace(graph, index=1, inputs=(3,), outputs=(0,))
    signature = replace(SIGNATURE, subgraph=1)
    model = replace(sound_model(), subgraphs=(graph, second), signatures=(signature,))
    assert [found.where for found in file.signatures_exist(model)] == [Where(1), Where(1)]


def test_names_in_a_signature_are_told_once_each() -> None:
    pairs = (("a", 0), ("b", 1), ("a", 2), ("b", 3), ("a", 0), ("c", 0), ("", 0), ("", 1))
    apart = replace(SIGNATURE, key="apart", inputs=(("a", 0),), outputs=(("a", 0),))
    model = replace(sound_model(), signatures=(replace(SIGNATURE, inputs=pairs), apart))
    assert told(file.signature_names_differ, model) == [
        "error: signature 'serve' has two inputs named 'a'",
        "error: signature 'serve' has two inputs named 'b'",
    ]
    model = replace(sound_model(), signatures=(apart, replace(SIGNATURE, outputs=pairs[:3])))
    assert told(file.signature_names_differ, model) == [
        "error: signature 'serve' has two outputs named 'a'"
    ]


@pytest.mark.parametrize(
    ("index", "name"),
    [(-2, None), (-1, None), (0, "x"), (1, "w"), (3, "y"), (4, None), (5, None), (300, None)],
)
def test_the_place_of_a_tensor_has_its_name_where_it_exists(index: int, name: str | None) -> None:
    (graph,) = sound_model().subgraphs
    place = common.tensor_where(replace(graph, index=2), index, role="input 1")
    assert place == Where(2, role="input 1", tensor_index=index, tensor_name=name)


def test_names_and_numbers_of_an_ops_kind() -> None:
    model, (op,) = sound_model(), sound_model().subgraphs[0].operators
    (entry,) = model.operator_codes
    entries = [(9, None), (32, "mine"), (9, "mine"), (0, ""), (209, None), (-1, None)]
    model = replace(
        model,
        operator_codes=tuple(replace(entry, code=c, custom_code=name) for c, name in entries),
    )
    kinds = [replace(op, opcode_index=number) for number in (0, 1, 2, 3, 4, 5, 6, 7, 300)]
    assert [common.op_name(model, kind) for kind in kinds] == [
        *("FULLY_CONNECTED", "mine", "mine", "ADD", "BUILTIN_209", "BUILTIN_-1"),
        *("operator code 6", "operator code 7", "operator code 300"),
    ]
    assert [common.op_code(model, kind) for kind in kinds] == [9, 32, 9, 0, 209, -1, -1, -1, -1]


def test_findings_are_errors_or_warnings_with_place_and_hint() -> None:
    place = Where(1, 2)
    assert common.error("m") == Problem("", "m", NOWHERE, "", "error")
    assert common.error("m", place, "h") == Problem("", "m", place, "h", "error")
    assert common.warning("m") == Problem("", "m", NOWHERE, "", "warning")
    assert common.warning("m", place, "h") == Problem("", "m", place, "h", "warning")


@pytest.mark.parametrize("count", [0, 1, 99, 100])
def test_up_to_a_hundred_findings_of_a_rule_are_all_told(count: int) -> None:
    found = verify(with_graph(inputs=(0, *range(1000, 1000 + count)))(sound_model()))
    assert [each.where.tensor_index for each in found] == [*range(1000, 1000 + count)]
    assert {each.rule for each in found} <= {"subgraph_tensors_exist"}


@pytest.mark.parametrize("count", [101, 102, 250])
def test_beyond_a_hundred_findings_it_is_told_that_there_are_more(count: int) -> None:
    model = with_graph(inputs=(0, *range(1000, 1000 + count)))(sound_model())
    *found, last = verify(replace(model, version=2))
    assert [each.rule for each in found] == ["schema_version"] + 100 * ["subgraph_tensors_exist"]
    assert found[-1].where.tensor_index == 1099
    more = "there are more: only the first 100 are listed"
    assert last == Problem("subgraph_tensors_exist", more, severity="error")


def test_more_than_a_hundred_warnings_are_no_error() -> None:
    found = verify(with_graph(outputs=(3,) * 102)(sound_model()))
    assert [each.severity for each in found] == 101 * ["warning"]
    assert found[-1].message.startswith("there are more")


@pytest.mark.parametrize("warnings", [99, 100, 101, 250])
def test_an_error_behind_many_warnings_is_told(
    warnings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rule(model: Model) -> Iterator[Problem]:
        yield from (common.warning(f"warning {i}") for i in range(warnings))
        yield common.error("the first error")
        yield common.error("the second error")

    monkeypatch.setattr("microinterp.verify.RULES", (rule,))
    first = [f"warning {i}" for i in range(min(warnings, 100))]
    more = "there are more: only the first 100 are listed"
    found = verify(sound_model())
    assert [each.message for each in found] == [*first, "the first error", more]
    assert [each.severity for each in found[-2:]] == ["error", "error"]


def test_a_rule_with_endless_findings_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(model: Model) -> Iterator[Problem]:
        while True:
            yield common.error(f"{len(model.subgraphs)}")

    def quiet(_model: Model) -> Iterator[Problem]:
        """Says nothing."""
        yield from ()

    rules: tuple[Rule, ...] = (endless, quiet)
    monkeypatch.setattr(verify_module, "RULES", rules)
    assert [each.rule for each in verify(sound_model())] == ["endless"] * 101
    texts = rule_texts()
    assert (texts["endless"], texts["quiet"]) == ("", "Says nothing.")


def test_a_constant_has_a_buffer_with_contents() -> None:
    x, w, _bias, _y = sound_model().subgraphs[0].tensors
    assert common.is_constant(sound_model(), w)
    assert not common.is_constant(sound_model(), x)
    for number in (4, 5, 300):
        model = with_tensor(1, buffer=number)(sound_model())
        assert not common.is_constant(model, model.subgraphs[0].tensors[1])
