"""`microinterp explain`: one output element of an integer op, opened up step by step.

    explanation = explain(model, op=3, index=(0, 4, 5, 2), inputs=[images])
    explanation.steps        # every step of the integer arithmetic, in order
    explanation.as_dict()    # the same for JSON
    html_section(explanation)  # the same for a page

How it works: the model runs with a Trace (`subject.Capture`) that copies what the op finds. The
op's explainer then does the arithmetic of that element again, on plain ints, through a `Recorder`,
each method of which does one step and writes it down. It ends at the interpreter's byte, or
`explain` raises: a wrong story is never told. Who reads the steps can do each of them again from
the printed numbers alone; tests/explain/ does.

An explainer, in a file of `ops/` (its line in ops/__init__.py):

    def _relu(subject: Subject, recorder: Recorder) -> Outcome:
        p = subject.params                                  # the kernel's Params, integers folded
        x = subject.read(recorder, 0, subject.index)        # a number of input 0: step "read"
        x = recorder.do("subtract", "subtract the zero point", x=x, y=p.input_zero_point)
        x = recorder.requantise(x, p.requantise, p.multiplier, p.shift, "factor ...")
        value = recorder.output(x, p.output_zero_point, p.low, p.high, subject.scale)
        return Outcome(value, real=...)

    EXPLAINERS = {"RELU": _relu}

- Pass on what a method returned: it remembers its step, which becomes the operand's source. Plain
  Python arithmetic on it gives a bare number without source, so leave arithmetic to the recorder;
  numbers from Params (zero points, multipliers) and from the file enter bare.
- `recorder.do(kind, label, **operands)` is any kind of arithmetic.ARITHMETIC; a new kind is a
  function and a line there, and the same arithmetic written anew in tests/explain/evaluator.py.
- `recorder.requantise` takes the function that Params hold, so profiles are followed.
- Many numbers at once (taps, pixels, rows) are the Terms of one step: sum_of_products, sum,
  maximum, minimum, and `recorder.rows` any kind of kinds.ROWS. Their rows may hold results of
  steps too.
- Fixed-point functions (exp, log, 1/x, 1/sqrt(x), tables) are recorded step by step in
  fixed_point.py; an FFT's butterflies are one step for each part of a number.
- `with recorder.section("forget gate"):` heads the steps inside.
- `Outcome.real` is the op on dequantised numbers in real arithmetic, None where that has no sense.
- Arrays are those of a single run: they have the file's shapes.
"""

from __future__ import annotations

from microinterp.explain.explaining import Explanation, explain
from microinterp.explain.html import html_section

__all__ = ["Explanation", "explain", "html_section"]
