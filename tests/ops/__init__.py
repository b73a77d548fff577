"""One file per operator family: random single-op models, spec loops, hand-worked numbers."""
