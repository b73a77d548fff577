"""The process that workers.py starts: takes a job, then pieces, and answers each; all pickled."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from typing import Any, BinaryIO

from microinterp.errors import MicrointerpError
from microinterp.evaluation.engine import Engine


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    engine: Engine | None = None
    while True:
        try:
            request = pickle.load(requests)
        except EOFError:
            return
        answer: tuple[Any, Any]
        try:
            if engine is None:
                engine = Engine(request)
                answer = (None, None)
            else:
                answer = (None, engine.run(request))
        except MicrointerpError as error:
            answer = (error, None)
        except Exception:  # the parent must hear of it
            answer = (traceback.format_exc(limit=-4), None)
        answers.write(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
        answers.flush()


def main() -> None:
    """Serve on the pipes; what libraries print to stdout goes to stderr. Ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
