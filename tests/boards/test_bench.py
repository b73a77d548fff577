"""Benchmarks: their result follows the schema, and says what was measured."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import jsonschema
import pytest

from microinterp.errors import InputError
from microinterp.interpreter import Interpreter
from microinterp_boards.bench import percentile
from microinterp_boards.results.environment import git_state
from microinterp_boards.results.environment import host as host_facts
from tests.boards.model_boards import MODEL, NAME, board_with, needs_viper
from tests.boards.unix_port import ROOT
from tests.test_wakewords import wakeword

SCHEMA = json.loads((ROOT / "schemas" / "bench_result.schema.json").read_text())


def follows_schema(result: object) -> None:
    """Raises ValidationError; what JSON cannot hold raises TypeError."""
    plain = json.loads(json.dumps(result, allow_nan=False))
    jsonschema.validate(plain, SCHEMA, cls=jsonschema.Draft202012Validator)


def test_schema_is_sound_and_closed() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        follows_schema({"format": "microinterp bench 2"})

    def objects(part: object) -> list[dict[str, object]]:
        if not isinstance(part, dict):
            return []
        inner = [each for value in part.values() for each in objects(value)]
        return [part, *inner] if part.get("type") == "object" else inner

    for each in objects(SCHEMA):
        assert each["additionalProperties"] is False
        assert set(each["required"]) == set(each["properties"])  # type: ignore[call-overload]


@needs_viper
@pytest.mark.usefixtures("interpreter")
def test_digits() -> None:
    host = Interpreter.from_file(MODEL)
    with board_with() as board:
        deployed = board.deploy(MODEL)
        result = board.bench(MODEL, runs=8, seed=7)
        probe = board.probe()
    follows_schema(result)
    assert (result["runs"], result["op_runs"]) == (8, 5)
    assert 0 < result["p10"] <= result["median"] <= result["p90"]
    assert [(op["index"], op["name"]) for op in result["ops"]] == [
        (node.index, node.name) for node in host.graph.main.nodes
    ]
    assert all(op["runs"] == 5 for op in result["ops"])
    assert all(0 <= op["least"] <= op["time"] <= op["most"] for op in result["ops"])
    assert result["seed"] == 7
    assert result["host"] == host_facts()
    assert (result["git"] is None) == (git_state() is None)
    # op by op the board does the same work: the ops' sum is near the whole, with slack for noise
    assert 0.3 * result["p10"] < sum(op["time"] for op in result["ops"]) < 10 * result["p90"]
    model = result["model"]
    assert (model["name"], model["tflite_sha256"]) == (NAME, deployed.sha256)
    assert (model["model_bytes"], model["arena_bytes"], model["head_bytes"]) == (
        deployed.model_bytes,
        deployed.arena_bytes,
        host.arena.head_bytes,
    )
    heap = result["heap_free"]
    assert heap["start"] > heap["runtime_imported"] > heap["model_loaded"] > 0
    assert heap["after_invoke"] >= heap["model_loaded"] - 2048  # the harness's own few words
    assert result["board"]["version"] == probe.version
    assert result["runtime"] == {"version": "0.1.0", "mpy_set": "x64", "kernels": "viper"}
    age = datetime.now(timezone.utc) - datetime.fromisoformat(result["timestamp"])
    assert timedelta(0) <= age < timedelta(minutes=5)


@needs_viper
@pytest.mark.usefixtures("interpreter")
def test_ops_of_subgraphs_and_ops_that_run_once() -> None:
    data = wakeword("okay_nabu")
    with board_with() as board:
        board.deploy(data, "nabu")
        result = board.bench(data, runs=3, name="nabu")
    follows_schema(result)
    assert {op["subgraph"] for op in result["ops"]} == {0}  # CALL_ONCE ran in the plain invokes
    assert all(op["runs"] == 3 for op in result["ops"])


@needs_viper
@pytest.mark.usefixtures("interpreter")
def test_the_tier_that_ran_is_told() -> None:
    with board_with() as board:
        board.deploy(MODEL, mpy_set="bytecode")
        slow = board.bench(MODEL, runs=3)
        board.deploy(MODEL)
        fast = board.bench(MODEL, runs=3)
        with pytest.raises(InputError, match="wanted 1 to 100000 runs, got 0"):
            board.bench(MODEL, runs=0)
    assert (slow["runtime"]["kernels"], slow["board"]["kernels"]) == ("bytecode", "viper")
    assert slow["median"] > 2 * fast["median"]


def test_percentiles() -> None:
    times = [50, 10, 40, 20, 30, 60, 70, 80, 90, 100]
    assert (percentile(times, 10), percentile(times, 50), percentile(times, 90)) == (10, 50, 90)
    assert percentile([7], 10) == percentile([7], 90) == 7
    assert percentile([1, 2, 3], 10) == 1
    assert percentile([1, 2, 3], 90) == 3
