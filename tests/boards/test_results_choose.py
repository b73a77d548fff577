"""Which run a name means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from microinterp.errors import InputError
from microinterp_boards.results import choose
from microinterp_boards.results.choose import pick, pick_two
from microinterp_boards.results.store import Store
from tests.boards.bench_results import result

OTHER = {"model__name": "kws", "model__tflite_sha256": "b" * 64}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """1 digits 'base', 2 kws 'base', 3 digits, 4 kws, 5 digits, 6 kws on an ESP32 'esp'."""
    with Store(tmp_path / "r.sqlite", write=True) as made:
        made.save(result(), "base")
        made.save(result(**OTHER), "base")
        made.save(result())
        made.save(result(**OTHER))
        made.save(result())
        made.save(result(**OTHER, board__machine="ESP32"), "esp")
        yield made


def two(store: Store, before: str, after: str = "latest") -> tuple[int | None, int | None]:
    first, second = pick_two(lambda: store, before, after)
    return first.id, second.id


def test_one(store: Store) -> None:
    for name, number in (("3", 3), ("latest", 6), ("base", 2), ("esp", 6)):
        assert pick(lambda: store, name).id == number
    for name in ("7", "nothing", "", "-1", "\u0663"):
        with pytest.raises(InputError, match="there is no run"):
            pick(lambda: store, name)
    with pytest.raises(InputError, match="there is no run"):
        pick(lambda: store, "9" * 30)


def test_a_label_means_the_run_of_the_others_model_and_board(store: Store) -> None:
    assert two(store, "base", "5") == (1, 5)
    assert two(store, "base", "4") == (2, 4)
    store.remove_all([6])
    assert two(store, "base") == (1, 5)  # the last is of digits
    store.save(result(**OTHER))
    assert two(store, "base") == (2, 7)
    assert two(store, "5", "base") == (5, 1)


def test_latest_beside_a_number_is_of_its_model_and_board(store: Store) -> None:
    assert two(store, "1") == (1, 5)
    assert two(store, "2") == (2, 4)
    assert two(store, "5") == (5, 3)  # itself does not count


def test_latest_beside_itself_is_the_one_before(store: Store) -> None:
    store.remove_all([6])
    assert two(store, "latest") == (3, 5)


def test_where_there_is_no_other_it_is_one_of_another_board(store: Store) -> None:
    assert two(store, "base", "6") == (2, 6)  # and compare refuses that, by name


def test_a_run_is_not_compared_with_itself(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'3' and '3' are the same run"):
        two(store, "3", "3")
    with pytest.raises(InputError, match="no run with the label 'esp' other than run 6"):
        two(store, "esp")
    path = tmp_path / "a.json"
    path.write_text(json.dumps(store.run(3).run.raw))
    with pytest.raises(InputError, match="are the same run"):
        two(store, str(path), "3")
    for number in (2, 3, 4, 5, 6):
        store.remove_all([number])
    with pytest.raises(InputError, match="there is no run other than run 1"):
        two(store, "latest")


def test_files_of_json_need_no_store(tmp_path: Path) -> None:
    def none() -> Store:
        raise AssertionError

    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(json.dumps(result()))
    first, second = pick_two(none, str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    assert (first.id, second.id) == (None, None)


def test_files_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(InputError, match=r"cannot read .*No such file"):
        choose.read_json(path)
    with pytest.raises(InputError, match="cannot read"):
        choose.read_json(tmp_path)
    path.write_text('{"ports": []}')
    with pytest.raises(InputError, match="it is no result of a benchmark"):
        choose.read_json(path)
    monkeypatch.setattr(choose, "MAX_BYTES", 100)
    path.write_text(json.dumps(result()))
    with pytest.raises(InputError, match="it has more than 100 bytes"):
        choose.read_json(path)
