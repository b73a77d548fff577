"""Fixed-point arithmetic exactly as TFLM does it: multipliers, rounding, tables, profiles."""
