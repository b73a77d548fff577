"""Put bytes into a constant that is longer than a piece: it lies in one block from the start."""
# mypy: ignore-errors


def _fill(constant, at, data):
    for v in data:
        constant[at] = v
        at += 1
