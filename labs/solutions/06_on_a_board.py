"""Solutions of lab 06."""

# %% task: first-answer
# No NumPy on the board: `index` of the largest element. max() takes the first of equal ones.
program = """
from microinterp import models

it = models.load("digits_int8")
it.set_input(image, 0)
it.invoke()
scores = list(it.get_output(0))
best = scores.index(max(scores))
print(best, scores[best])
"""

# %% task: which-op
# first_difference tells the op's number, its name, the tensor and the sample.
hit = damaged.first_difference.op_index

# %% task: go-back
# Both versions are there; the record of the old one is put to use, nothing is sent.
board.back("digits_int8")
proved = board.validate(model, samples=30)

# %% task: per-mac
# Pools, RESHAPE and SOFTMAX have no multiply-accumulates.


def per_mac(timed):
    """Time per multiply-accumulate of each op that has any, by the op's index."""
    return {op["index"]: op["time"] / op["macs"] for op in timed["ops"] if op["macs"]}


# %% task: at-most
# Amdahl's law: what is not that op stays as it is.


def speed_up_at_most(timed, index):
    """How many times as fast all ops together are, if op `index` takes no time."""
    times = {op["index"]: op["time"] for op in timed["ops"]}
    whole = sum(times.values())
    return whole / (whole - times[index])


# %% task: viper-dot
# x ^ 128 moves -128..127 to 0..255 with the order kept; less 128 it is the signed number.
VIPER = """
import micropython

@micropython.viper
def dot(a: ptr8, b: ptr8, n: int) -> int:
    total = 0
    for i in range(n):
        total += ((a[i] ^ 128) - 128) * ((b[i] ^ 128) - 128)
    return total
"""
