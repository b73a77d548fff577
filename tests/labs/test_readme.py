"""labs/README.md: its table says what the labs say."""

from __future__ import annotations

import importlib
import re
import shutil
from pathlib import Path

import pytest

from tests.labs.labs import LABS, module

README = (LABS / "README.md").read_text()
ROW = re.compile(r"^\| \[(.+?)\]\((.+?)\) \| (\d+) \| (.*?) \|", re.MULTILINE)


def test_the_table_is_the_labs() -> None:
    rows = ROW.findall(README)
    sources = module("pairs").sources()
    assert [file for _, file, _, _ in rows] == [f"{source.stem}.ipynb" for source in sources]
    for (title, _, minutes, before), source in zip(rows, sources, strict=True):
        text = " ".join(source.read_text().replace("\n# ", " ").split())
        assert f"# # {title}\n" in source.read_text()
        assert f"**Time:** {minutes} minutes" in text
        needs = source.read_text().split("**Needs:**")[1].split("\n\n")[0]
        assert sorted({*re.findall(r"lab (\d\d)", needs)}) == re.findall(r"\d\d", before), title


def test_what_is_handed_out_works_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All modules that notebooks import are named; lab.py finds the digits without a clone."""
    (line,) = (line for line in README.splitlines() if line.endswith(" COURSE"))
    named = {Path(word).name for word in line.split() if word.endswith(".py")}
    own = {path.stem for path in LABS.glob("[a-z]*.py")}
    wanted = {"lab.py"}
    for path in (*LABS.glob("*.py"), LABS / "lab.py"):
        if path.name in {"run.py", "pairs.py", "grade.py"}:
            continue
        imports = re.findall(r"^(?:import|from) (\w+)", path.read_text(), re.MULTILINE)
        wanted |= {f"{name}.py" for name in imports if name in own}
    assert named == wanted
    shutil.copy(LABS / "lab.py", tmp_path / "lab_alone.py")
    monkeypatch.syspath_prepend(tmp_path)
    alone = importlib.import_module("lab_alone")
    assert alone.digits().inputs.shape == (899, 1, 8, 8, 1)
