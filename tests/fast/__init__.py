"""Tests of the fast kernels: bytes equal to those of the plain ones."""
