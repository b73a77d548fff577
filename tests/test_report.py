"""The report's figures and page: against other commands, by hand, and what may stand in a page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from microinterp.arena.target import TARGETS
from microinterp.interpreter import Interpreter
from microinterp.model_builder import ModelBuilder
from microinterp.report import arena_section
from microinterp.report.cells import words
from tests.arena_pictures import SCRIPTED, hostile_model
from tests.browser import POLICY
from tests.cli import broken_models, call, good, good_json, refused, stored, sums_model
from tests.conftest import shared_model
from tests.flow_models import control_flow_model
from tests.health_models import dense, sound_weights
from tests.models import conv_model
from tests.report_pages import Shown, measured_of, page_of
from tests.test_arena_report import doubling_model

KEYS = {
    *("file", "microinterp", "profile", "runs", "totals", "inputs", "outputs", "samples"),
    *("invoke_us", "arena", "targets", "ops", "activations", "weights", "health", "problems"),
    *("comparison", "explanations"),
}


def test_figures_by_hand(tmp_path: Path) -> None:
    """int8 [1, 4] -> FULLY_CONNECTED -> [1, 2] of the weights 1 1 1 1 and 1 -1 0 0."""
    sample = tmp_path / "x.npy"
    np.save(sample, np.array([[13, 4, 3, 3], [3, 3, 3, 3]], np.int8))
    made = good_json("report", stored(tmp_path, sums_model()), "--input", sample)
    assert made.keys() == KEYS
    assert made["totals"] == {"ops": 1, "fast_ops": 1, "macs": 8, "weight_bytes": 8}
    (op,) = made["ops"]
    assert (op["macs"], op["weight_bytes"], op["output_bytes"]) == (8, 8, 2)
    assert op["output"] == {"type": "int8", "shape": [1, 2]}
    assert 0 < op["time_us"] <= 1e6 * 10
    assert made["samples"] == {"count": 2, "random": False, "seed": None, "notes": []}
    x, y = made["activations"]
    assert (x["op"], x["values"], x["lowest"], x["highest"]) == (None, 8, 3, 13)
    assert (y["op"], y["values"], y["lowest"], y["highest"]) == (0, 4, 0, 11)
    assert y["range_used_percent"] == round(100 * 12 / 256, 2)
    assert (sum(y["bins"]), y["bins"][32], y["bins"][34]) == (4, 2, 2)  # 0 0, 9 11: four a bar
    (w,) = made["weights"]
    assert (w["values"], w["lowest"], w["highest"], sum(w["bins"])) == (8, -1, 1, 8)
    assert (w["bins"][31], w["bins"][32]) == (1, 7)


def test_figures_are_those_of_other_commands(tmp_path: Path) -> None:
    path = stored(tmp_path, shared_model("kws_int8.tflite"))
    made, facts = good_json("report", path), good_json("inspect", path)
    plan = good_json("plan", path)
    assert made["arena"]["head_bytes"] == plan["head_bytes"]
    assert made["arena"]["peak_bytes"] == plan["peak_bytes"]
    for key in ("macs", "weight_bytes", "ops"):
        assert made["totals"][key] == facts[key]
    shared = facts["subgraphs"][0]["ops"][0].keys()
    assert [{k: op[k] for k in shared} for op in made["ops"]] == facts["subgraphs"][0]["ops"]
    assert made["health"] == facts["health"]
    arena = Interpreter.from_file(str(path)).arena
    assert {t["target"]: t["used_bytes"] for t in made["targets"]} == {
        name: arena.used_bytes(name) for name in TARGETS
    }


def test_the_page_holds_the_printed_json(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    printed = good("report", stored(tmp_path, conv_model()), "-o", page, "--json")
    assert Shown(page.read_text()).data == json.loads(printed)


def test_the_page_alone_says_where_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    said = good("report", stored(tmp_path, conv_model()), "-o", page)
    size = f"{page.stat().st_size:,} bytes"
    assert said.replace("\n", "") == f"{page}: {size}, 0 findings of quantisation health"


@pytest.mark.parametrize("more", [(), ("--samples", "3", "--seed", "5")])
def test_random_samples_are_called_so(tmp_path: Path, more: tuple[str, ...]) -> None:
    page = tmp_path / "page.html"
    made = json.loads(good("report", stored(tmp_path, conv_model()), "-o", page, "--json", *more))
    count, seed = (3, 5) if more else (16, 0)
    assert made["samples"] == {"count": count, "random": True, "seed": seed, "notes": []}
    text = page.read_text()
    assert "those of noise, not of your data" in text
    assert "These are answers to random numbers" in text


def test_ranges_are_judged_by_real_samples_only(tmp_path: Path) -> None:
    """Inputs of 0 leave the layer with its bias."""
    model = stored(tmp_path, dense(sound_weights(64, 16)))
    zeros = tmp_path / "zeros.npy"
    np.save(zeros, np.zeros((8, 1, 16), np.int8))
    found = good_json("report", model, "-i", zeros)["health"]
    assert [each["rule"] for each in found] == ["constant-activation"]
    assert found[0]["where"]["op_index"] == 0
    assert good_json("report", model, "--samples", "8")["health"] == []


def test_files_are_read_as_run_reads_them(tmp_path: Path) -> None:
    model = stored(tmp_path, sums_model())
    real = tmp_path / "real.npy"
    np.save(real, np.array([[5.0, 0.5, 0.0, 1e9]], np.float32))
    made = good_json("report", model, "-i", real)
    assert (made["activations"][0]["lowest"], made["activations"][0]["highest"]) == (3, 127)
    assert "clamped" in made["samples"]["notes"][0]


def test_refusals(tmp_path: Path) -> None:
    model = stored(tmp_path, conv_model())
    assert "-o OUT.html" in refused("report", model)
    out = tmp_path / "o.html"
    assert "--samples" in refused("report", model, "-o", out, "-i", "x.npy", "--samples", "3")
    assert "x.npy" in refused("report", model, "-o", out, "-i", tmp_path / "x.npy")
    assert refused("report", stored(tmp_path, b"no model", "bad.tflite"), "-o", out)
    assert "cannot" in refused("report", model, "-o", tmp_path / "no" / "folder.html")
    assert not out.exists()


def test_random_numbers_that_do_not_suit_a_model(tmp_path: Path) -> None:
    """GATHER takes no index outside its table."""
    b = ModelBuilder()
    g = b.subgraph("main")
    table = g.constant("table", np.arange(4, dtype=np.int8), scale=1.0, zero_point=0)
    at = g.input("at", (2,), "int32")
    y = g.tensor("y", (2,), "int8", scale=1.0, zero_point=0)
    g.op("GATHER", [table, at], [y])
    g.output(y)
    model = stored(tmp_path, b.finish())
    assert "give samples (--input FILE)" in refused("report", model, "--json")
    index = tmp_path / "index.npy"
    np.save(index, np.array([[1, 3]], np.int32))
    assert good_json("report", model, "-i", index)["activations"][1]["highest"] == 3


@pytest.mark.parametrize("name", ["rules", "operators"])
def test_models_that_do_not_run_have_a_page_too(tmp_path: Path, name: str) -> None:
    data, wanted = broken_models()[name]
    page = tmp_path / "page.html"
    result = call("report", stored(tmp_path, data), "-o", page)
    assert result.exit_code == 1
    shown = Shown(page.read_text())
    assert shown.figures["runs"] == ["no"]
    messages = " ".join(text for path, texts in shown.figures.items() if path.startswith("problems")
                        for text in texts)  # fmt: skip
    text = page.read_text()
    assert all(any(each in place for place in (messages, text)) for each in wanted)
    assert shown.data["arena"] is None
    assert "The arena" not in text


def test_what_may_stand_in_a_page() -> None:
    text = page_of(hostile_model(), SCRIPTED["image"])
    shown = Shown(text)
    assert not {"img", "link", "iframe", "object", "base", "form", "a:href"} & set(shown.tags)
    handlers = [name for name, _ in shown.attributes if name.startswith("on") or name == "src"]
    assert handlers == []
    links = {value[:1] for name, value in shown.attributes if name == "href"}
    assert links == {"#"}
    assert not re.search(r"(https?:)?//(?!www\.w3\.org/2000/svg)[\w.]+\.\w", "".join(
        text.split("<script")[0]))  # fmt: skip
    policy = POLICY.search(text)
    assert policy is not None
    own = [each for each in shown.scripts if each != shown.json_text]
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in own]
    assert policy[1] == "default-src 'none'; style-src 'unsafe-inline'; script-src " + " ".join(
        f"'sha256-{digest}'" for digest in digests
    )
    assert len(own) == 2
    ids = [value for name, value in shown.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_bars_are_the_bins() -> None:
    """A bar for each count that is not 0, in each picture."""
    measured = measured_of(conv_model())
    text = page_of(conv_model())
    drawn = [d.count("M") for d in re.findall(r'class="mi-bars" d="([^"]*)"', text)]
    made = [*measured.figures["activations"], *measured.figures["weights"]]
    assert drawn == [sum(count > 0 for count in each["bins"]) for each in made]


def test_sections_without_contents_are_left_out() -> None:
    text = page_of(doubling_model())
    assert "Weights in their ranges" not in text
    assert "What is wrong with the file" not in text
    assert "No rule finds anything." in page_of(conv_model())


def test_findings_are_marked_in_the_graph_and_link_to_rows() -> None:
    text = page_of(dense(bias=[3 * 2**29] * 8))
    assert text.count('class="mi-alarm"') == 1
    assert re.search(r'<a href="#mi-op-0-0">op <span data-figure="health.0.where.op_index">', text)
    notes = page_of(dense(out_scale=0.0002))
    assert 'class="mi-alarm"' not in notes


def test_several_subgraphs_are_drawn() -> None:
    text = page_of(control_flow_model())
    assert text.count('class="mi-graph"') > 1
    assert "subgraph 1" in text


@pytest.mark.parametrize(
    ("value", "said"),
    [(1234567, "1,234,567"), (0.00392156, "0.003922"), (12345.67, "12,345.7"), (True, "yes"),
     (None, "-"), ("", "-"), ([1, 2, 3], "1\u00d72\u00d73"), ([], "scalar"), (-0.5, "-0.5")],
)  # fmt: skip
def test_figures_as_words(value: object, said: str) -> None:
    assert words(value) == said


def test_the_arenas_section_is_plans() -> None:
    it = Interpreter(doubling_model())
    assert arena_section(it.prepared, it.arena.plan) in page_of(doubling_model())
