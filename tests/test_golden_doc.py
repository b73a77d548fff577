"""docs/golden.md: its C runs as it stands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.c_programs import compiled, printed
from tests.cli import good

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "golden.md").read_text()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the page's commands run: the examples are there."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("fault", [False, True])
def test_the_c_test_passes_and_fails(folder: Path, fault: bool) -> None:
    """A model that has learned the bundle by heart, and forgets a bit of one answer."""
    good(
        "golden",
        "export",
        "examples/digits/digits_tflm.golden",
        "--samples",
        "0:20",
        "-o",
        "digits.h",
    )
    test, _ = blocks("c")
    model = """
#include <string.h>
#include "digits.h"
void run_model(const int8_t *input, int8_t *output);
void run_model(const int8_t *input, int8_t *output) {
  int i = 0;
  while (memcmp(input, digits_input_0 + i * DIGITS_INPUT_0_ELEMENTS, DIGITS_INPUT_0_BYTES)) i++;
  memcpy(output, digits_output_0 + i * DIGITS_OUTPUT_0_ELEMENTS, DIGITS_OUTPUT_0_BYTES);
  if (i == 7) output[3] ^= FAULT;
}
"""
    program = compiled(folder, test, model.replace("FAULT", str(int(fault))))
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    differing = "sample 7 differs\n1" if fault else "0"
    assert done.stdout == f"{differing} of 20 samples differ\n"
    assert done.returncode == fault


def test_the_crc32_is_that_of_the_bundle(folder: Path) -> None:
    """The last op writes the output, whose CRC32 the header tells."""
    good(
        "golden",
        "export",
        "examples/digits/digits_tflm.golden",
        "--samples",
        "0:20",
        "-o",
        "digits.h",
    )
    _, crc = blocks("c")
    main = f"""
#include <stdio.h>
#include <string.h>
#include "digits.h"
uint32_t golden_crc32(const void *data, uint32_t bytes);
{crc}
int main(void) {{
  int i, last = DIGITS_CHECKS - 1;
  printf("%s", digits_checks[last].op_name);
  for (i = 0; i < DIGITS_SAMPLES; i++)
    if (golden_crc32(digits_output_0 + i * DIGITS_OUTPUT_0_ELEMENTS, digits_checks[last].bytes)
        != digits_crcs[i * DIGITS_CHECKS + last])
      return 1;
  return 0;
}}
"""
    assert printed(folder, main) == b"SOFTMAX"
