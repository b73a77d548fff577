"""A host that deploys, and tells how far it is: for tests that kill it.

    deploy_child.py PORT NAME FILE IDLE

Waits for a line on its standard input before it begins. IDLE: seconds after which the board gives
up on a host that is silent.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from microinterp_boards import Board
from microinterp_boards.store import committing


def main() -> None:
    port, name, file, idle = sys.argv[1:]
    committing.start_service = partial(committing.start_service, idle=float(idle))
    model = Path(file).read_bytes()
    print("ready", flush=True)
    sys.stdin.readline()
    with Board(port) as board:
        done = board.deploy(model, name, progress=lambda sent, of: print(sent, flush=True))
    print("done", done.path, flush=True)


if __name__ == "__main__":
    main()
