"""Reports in headless Chromium: the console, the figures, hostile names, sorting, pointing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from microinterp.report.figures import measure
from microinterp.report.model_page import model_page
from tests.arena_pictures import SCRIPTED, hostile_model
from tests.browser import opened, title_of, with_script
from tests.conftest import SHARED_MODELS, shared_model
from tests.marks import slow_but
from tests.models import chain_model, conv_model
from tests.report_pages import Shown, lookup, measured_of, page_of, random_ones, says
from tests.test_arena_report import doubling_model

MODELS = sorted(path.stem for path in SHARED_MODELS.glob("*.tflite")) or ["kws_int8"]
QUICK = ("kws_int8", "ic_resnet8_int8", "micro_speech_int8", "hello_world_int8")
MOST_BYTES = 3_000_000
OP_FIGURES = ("index", "name", "macs", "weight_bytes", "output_bytes", "time_us", "path")
USE_FIGURES = ("values", "lowest", "highest", "type", "shape")


@pytest.mark.parametrize("name", slow_but(MODELS, *QUICK))
def test_shared_models(tmp_path: Path, name: str) -> None:
    """Without a word in the console, and every figure that the browser shows is the JSON's."""
    measured = measure(shared_model(f"{name}.tflite"), f"{name}.tflite", random_ones)
    page = model_page(measured)
    assert len(page) < MOST_BYTES
    shown, console = opened(tmp_path, page.decode())
    assert console == []
    check_figures(Shown(shown), measured.figures)


def check_figures(shown: Shown, figures: object) -> None:
    assert shown.data == figures
    for path, texts in shown.figures.items():
        value = lookup(figures, path)
        assert all(says(text, value) for text in texts), (path, texts, value)
    wanted = {"file.bytes", "file.sha256", "totals.ops", "totals.macs", "totals.weight_bytes",
              "arena.head_bytes", "invoke_us", "samples.count", "runs"}  # fmt: skip
    data = shown.data
    wanted |= {f"ops.{i}.{key}" for i in range(len(data["ops"])) for key in OP_FIGURES}
    for i, use in enumerate(data["activations"]):
        wanted |= {f"activations.{i}.{key}" for key in USE_FIGURES}
        if use["scale"] is not None:
            wanted |= {f"activations.{i}.at_{end}est_percent" for end in ("low", "high")}
    for i, target in enumerate(data["targets"]):
        if target["used_bytes"] is not None:
            wanted |= {f"targets.{i}.used_bytes", f"targets.{i}.minimum_bytes"}
    wanted |= {f"weights.{i}.values" for i in range(len(data["weights"]))}
    wanted |= {f"health.{i}.message" for i in range(len(data["health"]))}
    assert wanted <= shown.figures.keys()


@pytest.mark.parametrize("data", [conv_model(), chain_model(), doubling_model()])
def test_small_models(tmp_path: Path, data: bytes) -> None:
    measured = measured_of(data)
    shown, console = opened(tmp_path, model_page(measured).decode())
    assert console == []
    check_figures(Shown(shown), measured.figures)


@pytest.mark.parametrize("has_policy", [True, False])
def test_names_do_nothing(tmp_path: Path, has_policy: bool) -> None:
    """No name is run as a script, even without the policy; nor does one reach the console."""
    measured = measured_of(hostile_model(), SCRIPTED["script"])
    text = model_page(measured).decode()
    scripts = text.count("<script")
    mine = "" if has_policy else "document.title += ' still ours'"
    shown, console = opened(tmp_path, text if has_policy else with_script(text, mine))
    assert console == []
    title = title_of(shown)
    assert title.startswith("&lt;/script&gt;&lt;script&gt;document.title='owned'")
    assert title.endswith(" still ours") is not has_policy
    assert shown.count("<script") == scripts + (not has_policy)
    assert "<img" not in shown
    parts = Shown(shown)
    assert parts.data["file"]["name"] == SCRIPTED["script"]
    names = {use["name"] for use in parts.data["activations"]}
    assert set(SCRIPTED.values()) <= names
    check_figures(parts, measured.figures)


def run_script(tmp_path: Path, data: bytes, script: str) -> str:
    """What a script, run in the page, has put into the title."""
    shown, console = opened(tmp_path, with_script(page_of(data), script))
    assert console == []
    return title_of(shown)


SORTING = """
const rows = () => [...document.querySelectorAll(".mi-ops tbody tr")]
  .map((row) => row.cells[0].textContent).join("");
const heads = [...document.querySelectorAll(".mi-ops th")];
const click = (name) => {
  const head = heads.find((each) => each.textContent === name);
  head.querySelector("button").click();
  return name + " " + head.ariaSort + " " + rows();
};
document.title = [click("MACs"), click("MACs"), click("name"), click("name"), click("op"),
  click("op"), heads.filter((each) => each.ariaSort).length].join("; ");
"""


def test_sorting(tmp_path: Path) -> None:
    """Numbers from the greatest at first, words from A; equal ones stay as they are."""
    seen = run_script(tmp_path, doubling_model(), SORTING).split("; ")
    assert seen == [
        "MACs descending 01",
        "MACs ascending 01",
        "name ascending 10",  # CONCATENATION, RELU
        "name descending 01",
        "op descending 10",
        "op ascending 01",
        "1",
    ]


def test_sorting_by_numbers(tmp_path: Path) -> None:
    """kws: four layers of 512,000 MACs, op 0's 320,000, four of 72,000, op 11's 768, then none."""
    script = SORTING[: SORTING.index("document.title")] + "document.title = click('MACs');"
    seen = run_script(tmp_path, shared_model("kws_int8.tflite"), script)
    order = [2, 4, 6, 8, 0, 1, 3, 5, 7, 11, 9, 10, 12]
    assert seen == "MACs descending " + "".join(map(str, order))


POINTING = """
const near = (what) => [...document.querySelectorAll(what + ".mi-near")]
  .map((each) => each.dataset.op || each.dataset.from + ">" + each.dataset.to || each.id).join(" ");
const graph = document.querySelector(".mi-graph");
const say = () => [graph.classList.contains("mi-focus"), near(".mi-node"), near(".mi-link"),
  [...document.querySelectorAll("tr.mi-near")].map((row) => row.id).join(" ")].join("|");
const send = (what, kind) => document.querySelector(what).dispatchEvent(
  new MouseEvent(kind, {bubbles: true}));
const said = [];
send(".mi-node[data-op='0:0'] rect", "mouseover"); said.push(say());
send(".mi-graph svg", "mouseover"); said.push(say());
send(".mi-link[data-from='2'] path", "mouseover"); said.push(say());
send(".mi-node[data-op='0:1'] rect", "click"); send(".mi-graph", "mouseleave"); said.push(say());
said.push(location.hash);
send(".mi-graph svg", "click"); said.push(say());
send("#mi-op-0-0", "mouseenter"); said.push(say());
document.title = said.join("; ").replaceAll(">", "-");
"""


def test_pointing_at_ops(tmp_path: Path) -> None:
    """x -> RELU -> a; CONCATENATION of a and a -> b: boxes 0 x, 1 and 2 the ops, 3 the output."""
    seen = run_script(tmp_path, doubling_model(), POINTING).split("; ")
    relu = "true|undefined-undefined 0:0 0:1|0-1 1-2|mi-op-0-0"
    assert seen == [
        relu,
        "false|||",
        "true|0:1 undefined-undefined|2-3|",
        "true|0:0 0:1 undefined-undefined|1-2 2-3|mi-op-0-1",
        "#mi-op-0-1",
        "false|||",
        relu,
    ]


def test_links_lead_to_rows(tmp_path: Path) -> None:
    text = page_of(shared_model("vww_96_int8.tflite"))
    ids = set(re.findall(r' id="([^"]*)"', text))
    links = re.findall(r' href="([^"]*)"', text)
    assert len(links) > 31
    assert {link.removeprefix("#") for link in links} <= ids
