"""Answer MLPerf Tiny's runner, unofficial (returns when it is interrupted)."""
# mypy: ignore-errors


def _mlperf(path, kind):
    """`path` of a packed model, `kind` of the benchmark: see firmware/microinterp/mlperf.py."""
    from microinterp import mlperf

    mlperf.serve(path.decode(), kind.decode())
