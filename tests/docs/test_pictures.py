"""Pictures of the site: drawn by the blocks of a page, shown behind them."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt

from docs.hooks import pictures
from tests.docs.blocks import ROOT

PAGE = """\
# A page

```python
import matplotlib.pyplot as plt
from pathlib import Path

given = Path("examples/digits/digits_int8.tflite").exists()
```

Words.

```python
for number in range(5):
    _, ax = plt.subplots()
    ax.set_title(f"[{number}] {given}")
```

```text
no block
```
"""


def test_pictures_stand_behind_the_block_that_draws_them() -> None:
    plt.figure()  # of somebody else
    before = Path.cwd()
    found = pictures.drawn(PAGE, "page.md")
    assert Path.cwd() == before
    assert [len(each) for each in found] == [0, pictures.MOST]
    assert [each.path for each in found[1]] == [f"assets/page_2_{n}.png" for n in (1, 2, 3)]
    assert all(each.data.startswith(b"\x89PNG") for each in found[1])
    shown = pictures.with_pictures(PAGE, found)
    assert shown.count("![") == 3
    assert '{given}")\n```\n\n![0  True](assets/page_2_1.png)\n\n![1  True]' in shown
    assert pictures.with_pictures(PAGE, [[], []]) == PAGE


def test_pages_with_pictures_are_there() -> None:
    for page in pictures.PAGES:
        assert (ROOT / "docs" / page).exists()
