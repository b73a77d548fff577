"""Golden tests under pytest: what a .golden.toml says, who computes, what a failure reads like.

The entry point of pytest names this package, and not the plugin itself: so the plugin is
registered under one name also where `-p microinterp.pytest_plugin` or a conftest.py names it too.
Nothing here may load NumPy before a golden test runs.
"""

from __future__ import annotations

pytest_plugins = ("microinterp.pytest_plugin",)
