"""Operators as naive loops over Python ints, written from the specification, not the kernels."""
