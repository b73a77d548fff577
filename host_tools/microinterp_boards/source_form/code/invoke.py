"""The module's invoke: all steps in order; allocates nothing."""
# mypy: ignore-errors
# ruff: noqa: F821


def _invoke():
    for s in S:
        s[0](A, s)
