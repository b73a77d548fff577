"""What embed writes before a file, byte by byte, worked out by hand."""

from __future__ import annotations

import struct

import pytest
import tflite

from microinterp.arena.embed import embed
from microinterp.errors import UnsupportedError
from microinterp.model import load
from microinterp.model_builder import ModelBuilder

PLAN = "OfflineMemoryAllocation"


def model(*names: str, tensors: int = 1) -> bytes:
    """A file with metadata of these names, and an empty buffer and one for each of them."""
    builder = ModelBuilder(description="words")
    g = builder.subgraph("main")
    for number in range(tensors):
        g.output(g.input(f"x{number}", (4,), "int8"))
    for number, name in enumerate(names):
        builder.metadata(name, struct.pack("<i", number))
    return builder.finish()


def old_targets(data: bytes, start: int) -> dict[int, int]:
    """Where the root table's fields point to, once `start` bytes stand before the file."""
    table = tflite.Model.GetRootAs(data, 0)._tab
    places = {field: table.Offset(4 + 2 * field) for field in range(8)}
    return {f: start + table.Indirect(table.Pos + at) for f, at in places.items() if at}


def old_items(data: bytes, field: int, start: int) -> list[int]:
    """Where the tables of a list stand then."""
    table = tflite.Model.GetRootAs(data, 0)._tab
    at = table.Offset(4 + 2 * field)
    if not at:
        return []
    first = table.Vector(at)
    return [start + table.Indirect(first + 4 * i) for i in range(table.VectorLen(at))]


def test_the_front_of_a_small_file() -> None:
    """One buffer, no metadata, one tensor: the plan of 16 bytes ends where the old file begins.

    Root table's vtable at 8, the table at 28, buffers at 64, metadata at 76, the entry's vtable
    at 84 and the entry at 92, its name at 104, the buffer's vtable at 132 and the buffer at 140,
    its contents at 160.
    """
    data, start = model(), 176
    old = old_targets(data, start)
    (buffer,) = old_items(data, 4, start)
    assert old.keys() == {0, 1, 2, 3, 4, 6, 7}
    wanted = b"".join(
        [
            struct.pack("<I4s", 28, b"TFL3"),
            struct.pack("<10H", 20, 36, 4, 8, 12, 16, 20, 0, 28, 32),
            struct.pack("<iI", 28 - 8, 3),
            struct.pack("<3I", old[1] - 36, old[2] - 40, old[3] - 44),
            struct.pack("<4I", 64 - 48, 0, 76 - 56, old[7] - 60),
            struct.pack("<3I", 2, buffer - 68, 140 - 72),
            struct.pack("<2I", 1, 92 - 80),
            struct.pack("<4H", 8, 12, 4, 8),
            struct.pack("<iII", 92 - 84, 104 - 96, 1),
            struct.pack("<I", 23) + PLAN.encode() + b"\0",
            struct.pack("<3H2x", 6, 8, 4),
            struct.pack("<iI", 140 - 132, 156 - 144),
            bytes(8),
            struct.pack("<I", 16),
            struct.pack("<4i", 1, 0, 1, 48),
        ]
    )
    assert embed(data, load(data), {(0, 0): 48}) == wanted + data
    assert embed(data, load(data), {(0, 1): 48, (1, 0): 16}) == (
        wanted[:-4] + struct.pack("<i", -1) + data
    )


@pytest.mark.parametrize(
    ("others", "tensors", "contents", "start"),
    [
        # contents at 148 + 8 for each other entry and its buffer + 4 for the empty one, up to 16
        (0, 1, 160, 176),
        (0, 2, 160, 192),
        (0, 5, 160, 192),
        (0, 6, 160, 208),
        (1, 1, 160, 176),
        (2, 1, 176, 192),
        (3, 1, 176, 192),
        (4, 4, 192, 224),
        (5, 5, 192, 224),
        (30, 1, 400, 416),
        (61, 3, 640, 672),
    ],
)
def test_everything_is_aligned(others: int, tensors: int, contents: int, start: int) -> None:
    data = model(*(f"m{number}" for number in range(others)), tensors=tensors)
    offsets = {(0, number): 16 * number for number in range(tensors)}
    made = embed(data, load(data), offsets)
    assert len(made) == len(data) + start
    words = (1, 0, tensors, *offsets.values())
    plan = struct.pack(f"<{3 + tensors}i", *words)
    assert made[contents - 4 : contents + len(plan)] == struct.pack("<I", len(plan)) + plan
    assert made[contents + len(plan) : start] == bytes(start - contents - len(plan))
    root = tflite.Model.GetRootAs(made, 0)
    assert root.BuffersLength() == others + 2
    assert root.Buffers(others + 1).DataAsNumpy().tobytes() == plan
    assert root.Metadata(others).Buffer() == others + 1
    table = root._tab
    lists = [table.Vector(table.Offset(4 + 2 * field)) for field in (4, 6)]
    first = 64 + 4
    assert lists == [first, first + 4 * (others + 2) + 4]
    for field, at, count in ((4, lists[0], others + 1), (6, lists[1], others)):
        moved = [at + 4 * i + struct.unpack_from("<I", made, at + 4 * i)[0] for i in range(count)]
        assert moved == old_items(data, field, start)


def test_the_rest_is_as_before() -> None:
    data = model("one", "two", tensors=3)
    made = embed(data, load(data), {})
    root = tflite.Model.GetRootAs(made, 0)
    assert (root.Version(), root.Description()) == (3, b"words")
    assert [root.Metadata(i).Name() for i in range(3)] == [b"one", b"two", PLAN.encode()]
    assert [root.Buffers(1 + i).DataAsNumpy().tobytes() for i in range(2)] == [
        struct.pack("<i", number) for number in range(2)
    ]
    assert root.SubgraphsLength() == 1
    assert root.Subgraphs(0).TensorsLength() == 3
    assert root.MetadataBufferIsNone()


@pytest.mark.parametrize("names", [(PLAN,), (PLAN, "a"), ("a", PLAN), ("a", PLAN, "b", "c")])
def test_an_old_plan_goes_and_its_buffer_stays(names: tuple[str, ...]) -> None:
    data = model(*names)
    made = embed(data, load(data), {(0, 0): 32})
    root = tflite.Model.GetRootAs(made, 0)
    found = [root.Metadata(i).Name().decode() for i in range(root.MetadataLength())]
    assert found == [*(name for name in names if name != PLAN), PLAN]
    assert root.BuffersLength() == len(names) + 2
    assert root.Metadata(len(names) - 1).Buffer() == len(names) + 1


@pytest.mark.parametrize(("offset", "is_refused"), [(0, False), (1, False), (2, True), (9, True)])
def test_buffers_behind_the_file(
    monkeypatch: pytest.MonkeyPatch, offset: int, is_refused: bool
) -> None:
    """0 and 1 say that a buffer lies inside, as TensorFlow Lite writes them."""
    data = model("one")
    loaded = load(data)
    monkeypatch.setattr(tflite.Buffer, "Offset", lambda self: offset)
    if not is_refused:
        assert embed(data, loaded, {}).endswith(data)
        return
    with pytest.raises(UnsupportedError) as error:
        embed(data, loaded, {})
    assert error.value.message == "the model's buffers lie behind its FlatBuffer"
    assert error.value.hint == "convert it without them"
