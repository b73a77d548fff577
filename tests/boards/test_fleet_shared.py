"""What several threads read of one iterator: all of it, computed once, and not kept longer."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

from microinterp_boards.fleet.shared import shared


class Item:
    """Something that can be seen to be gone."""


def test_all_get_all_and_each_is_computed_once() -> None:
    computed: list[int] = []

    def items() -> Iterator[int]:
        for number in range(2000):
            computed.append(number)
            yield number

    readers = shared(items(), 5)
    seen: list[list[int]] = [[] for _ in readers]
    threads = [
        threading.Thread(target=lambda i=i: seen[i].extend(readers[i])) for i in range(len(readers))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert computed == list(range(2000))
    assert all(each == computed for each in seen)


def test_items_go_when_the_slowest_has_them_or_is_closed() -> None:
    kept: list[weakref.ref[Item]] = []

    def items() -> Iterator[Item]:
        for _ in range(9):
            item = Item()
            kept.append(weakref.ref(item))
            yield item
            del item

    def alive() -> int:
        gc.collect()
        return sum(ref() is not None for ref in kept)

    fast, slow, gone = shared(items(), 3)
    gone.close()
    for _ in range(5):
        next(fast)
    assert alive() == 5
    next(slow)
    next(slow)
    assert alive() == 3
    slow.close()
    slow.close()
    assert list(slow) == list(gone) == []
    assert len(list(fast)) == 4


def test_an_error_is_no_end() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    first, second = shared(items(), 2)
    for reader in (first, second):
        assert next(reader) == 1
        with pytest.raises(ValueError, match="no more"):
            next(reader)
