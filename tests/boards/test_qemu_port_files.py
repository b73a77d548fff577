"""Our Cortex-M board under QEMU: its filesystem, and files that lie in its memory."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board
from microinterp_boards.files import Files
from tests.boards.qemu_port import ALL_CPUS, qemu_board
from tests.marks import slow_but

BLOCK, BLOCKS, ENTRIES = 4096, 504, 128
MAPPED = bytes(range(256)) * 5
ROMAN = b"one\ntwo\nthree"


@pytest.fixture(scope="module", params=slow_but(ALL_CPUS, "m4"))
def shared(request: pytest.FixtureRequest, qemu: None) -> Iterator[Board]:
    preload = [("roman.txt", ROMAN), ("deep/er/mapped.bin", MAPPED)]
    with qemu_board(request.param, preload=preload) as board:
        yield board


@pytest.fixture
def board(shared: Board) -> Iterator[Board]:
    """Without any file of an earlier test."""
    yield shared
    shared.link.exec(
        "import os\n"
        "os.chdir('/')\n"
        "def clear(folder):\n"
        "    for entry in list(os.ilistdir(folder or '/')):\n"
        "        path = folder + '/' + entry[0]\n"
        "        if path in ('/roman.txt', '/deep/er'): continue\n"
        "        if entry[1] == 0x4000:\n"
        "            clear(path)\n"
        "            if path != '/deep': os.rmdir(path)\n"
        "        else: os.remove(path)\n"
        "clear('')"
    )
    assert Files(shared.link).room().free == BLOCK * BLOCKS


def run(board: Board, source: str) -> str:
    return board.link.exec("import os\n" + source).decode().replace("\r\n", "\n").rstrip("\n")


def error(board: Board, source: str) -> int:
    """The errno of the OSError that some code raises."""
    said = run(board, f"try:\n    {source}\nexcept OSError as e: print(e.errno)")
    assert said, f"no OSError from {source}"
    return int(said)


def test_the_host_tools_transfer_files(board: Board) -> None:
    files, data = Files(board.link), random.Random(1).randbytes(3 * BLOCK + 5)
    files.put("a.bin", data)
    files.put("a.bin", data[::-1])  # in place of the older one
    assert files.get("a.bin") == data[::-1]
    folder = files.folder("folder", create=True)
    folder.put("empty", b"")
    assert [(each.name, each.size, each.is_folder) for each in files.list()] == [
        ("a.bin", len(data), False),
        ("deep", 0, True),
        ("folder", 0, True),
        ("roman.txt", len(ROMAN), False),
    ]
    assert files.room().free == (BLOCKS - 4) * BLOCK
    assert folder.remove("empty")
    assert files.remove_folder("folder")
    assert not files.remove("nothere")


def test_reading_and_writing(board: Board) -> None:
    source = """
with open('t', 'w') as f: print(f.write('one\\ntwo\\nth'), f.tell())
with open('t', 'a') as f: f.write('ree\\n\u00e9')
with open('t') as f: print(f.readline(), f.read(3), list(f), f.read())
with open('t', 'r+b') as f:
    f.seek(4); f.write(b'TWO'); f.seek(-2, 2); print(f.read(), f.tell())
    f.seek(20); f.write(b'end'); f.seek(0); print(f.read())
    print(f.seek(1), f.seek(2, 1))
    try: f.seek(-1)
    except OSError as e: print(e.errno)
with open('t', 'w+') as f: print(f.read() == '', f.write('new'), f.seek(0), f.read())
print(os.stat('t')[6])
"""
    assert run(board, source).split("\n") == [
        "10 10",
        "one",
        " two ['\\n', 'three\\n', '\\xe9'] ",
        "b'\\xc3\\xa9' 16",
        "b'one\\nTWO\\nthree\\n\\xc3\\xa9\\x00\\x00\\x00\\x00end'",
        "1 3",
        "22",
        "True 3 0 new",
        "3",
    ]


def test_several_files_at_once_across_blocks(board: Board) -> None:
    source = """
import random
files = [open('f%d' % i, 'w+b') for i in range(3)]
for n in range(300):
    for i, f in enumerate(files): f.write(bytes([i, n & 255]) * (7 + 13 * i))
bad = 0
for i, f in enumerate(files):
    f.seek(0)
    for n in range(300): bad += f.read(2 * (7 + 13 * i)) != bytes([i, n & 255]) * (7 + 13 * i)
    bad += f.read(1) != b''
print(bad, [os.stat('f%d' % i)[6] for i in range(3)])
"""
    source = source.replace("import random\n", "")
    assert run(board, source) == "0 [4200, 12000, 19800]"


def test_rename(board: Board) -> None:
    source = """
for name in 'ab':
    with open(name, 'w') as f: f.write(name * 5000)
old = open('b')
os.rename('a', 'b')
print(sorted(os.listdir()), os.stat('b')[6], open('b').read(2), os.statvfs('')[3])
try: old.read()
except OSError as e: print(e.errno)
os.rename('b', 'b')
os.mkdir('x'); os.mkdir('x/y')
with open('x/y/z', 'w') as f: f.write('z')
os.rename('x', 'w')
print(open('/w/y/z').read(), os.listdir('w'))
"""
    lines = run(board, source).split("\n")
    assert lines == [f"['b', 'deep', 'roman.txt'] 5000 aa {BLOCKS - 2}", "9", "z ['y']"]
    assert error(board, "os.rename('w', 'w/y/w')") == 22
    assert error(board, "os.rename('nothere', 'c')") == 2
    assert error(board, "os.rename('b', 'no/folder')") == 2
    assert error(board, "os.rename('b', 'w')") == 17
    assert error(board, "os.rename('w', 'b')") == 20
    assert error(board, "os.rename('w/y', 'w/' + 'y' * 60)") == 22


def test_folders(board: Board) -> None:
    source = """
os.mkdir('a'); os.mkdir('a/b')
os.chdir('a')
with open('f', 'w') as f: f.write('here')
print(os.getcwd(), sorted(os.listdir()), open('../a/./b//../f').read(), open('/a/f').read())
os.chdir('..')
print(os.getcwd(), os.stat('a')[0] == 0x4000, os.stat('a/f')[:7])
"""
    expected = "/a ['b', 'f'] here here\n/ True (32768, 0, 0, 0, 0, 0, 4)"
    assert run(board, source) == expected
    assert error(board, "os.mkdir('a')") == 17
    assert error(board, "os.mkdir('c/d')") == 2
    assert error(board, "os.mkdir('a/f/d')") == 20
    assert error(board, "os.rmdir('a')") == 39
    assert error(board, "os.rmdir('a/f')") == 20
    assert error(board, "os.rmdir('/')") in (22, 39)
    assert error(board, "os.remove('a')") == 21
    assert error(board, "open('a')") == 21
    assert error(board, "os.chdir('nothere')") == 2
    assert error(board, "os.listdir('a/f')") == 20
    assert error(board, "os.stat('nothere')") == 2
    assert error(board, "open('nothere')") == 2
    assert error(board, "open('nothere/f', 'w')") == 2
    assert error(board, "open('n' * 64, 'w')") == 22
    assert error(board, "open('a/f').write('x')") == 9
    assert error(board, "open('g', 'w').read()") == 9
    with pytest.raises(DeviceError, match="mode is one of"):
        board.link.exec("open('g', 'q')")


def test_a_closed_or_removed_file_is_no_file(board: Board) -> None:
    assert error(board, "f = open('f', 'w'); f.close(); f.write('x')") == 9
    assert error(board, "f = open('f'); os.remove('f'); f.read()") == 9
    source = "f = open('f', 'w'); os.remove('f'); open('g', 'w').write('other'); f.write('x')"
    assert error(board, source) == 9
    assert run(board, "print(open('g').read())") == "other"


def test_a_full_filesystem(board: Board) -> None:
    source = f"""
data = bytes({BLOCK * 8 + 100})
count = 0
f = open('big', 'wb')
try:
    while True: count += f.write(data)
except OSError as e: print(e.errno)
f.close()
print(count, os.statvfs('')[3], os.stat('big')[6] >= count)
os.remove('big')
print(os.statvfs('/')[3])
"""
    lines = run(board, source).split("\n")
    assert lines[0] == "28"
    count, free, whole = lines[1].split()
    assert int(count) <= BLOCK * BLOCKS
    assert (free, whole) == ("0", "True")
    assert lines[2] == str(BLOCKS)
    with pytest.raises(DeviceError, match="no room"):
        Files(board.link).put("big", bytes(BLOCK * BLOCKS + 1))


def test_a_full_table(board: Board) -> None:
    many = f"for i in range({ENTRIES} + 1): open('f%d' % i, 'w').close()"
    assert error(board, many) == 28
    assert run(board, "print(len(os.listdir()))") == str(ENTRIES + 2)


def test_preloaded_files_are_mapped(board: Board) -> None:
    source = """
import gc, uctypes
gc.collect(); before = gc.mem_free()
with open('deep/er/mapped.bin', 'rb') as f: view = memoryview(f)
print(before - gc.mem_free() < 300, len(view), uctypes.addressof(view) % 16, view[1279])
print(open('roman.txt').read(5).encode(), os.stat('deep/er/mapped.bin')[6], os.listdir('deep'))
try: view[0] = 1
except TypeError: print('read-only')
try: memoryview(open('g', 'w+b'))
except TypeError: print('no buffer')
with open('deep/own', 'w') as f: f.write('beside it')
print(sorted(os.listdir('deep')))
"""
    assert run(board, source).split("\n") == [
        f"True {len(MAPPED)} 0 255",
        "b'one\\nt' 1280 ['er']",
        "read-only",
        "no buffer",
        "['er', 'own']",
    ]
    path = "'deep/er/mapped.bin'"
    read_only = 30
    for code in (f"open({path}, 'w')", f"open({path}, 'ab')", f"open({path}, 'r+')"):
        assert error(board, code) == read_only
    assert error(board, f"os.remove({path})") == read_only
    assert error(board, f"os.rename({path}, 'm')") == read_only
    assert error(board, f"os.rename('g', {path})") == read_only
    assert error(board, "os.rename('deep', 'm')") == read_only
    assert error(board, "os.rmdir('deep')") == 39
    assert error(board, "os.mkdir('deep/er')") == 17


def test_files_stay_through_resets(board: Board) -> None:
    board.link.exec("with open('kept', 'w') as f: f.write('kept')")
    board.soft_reset()
    assert run(board, "print(open('kept').read())") == "kept"
    board.link.start("import machine\nmachine.reset()")
    board.link.transport.read_until(b">>> ", 5.0, "the prompt after a reset")
    board.link.enter()
    assert run(board, "print(open('kept').read())") == "kept"
