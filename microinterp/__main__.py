"""`python -m microinterp` is the command line."""

from __future__ import annotations

from microinterp.cli import main

if __name__ == "__main__":
    main()
