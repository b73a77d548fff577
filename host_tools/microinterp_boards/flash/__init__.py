"""Firmware onto boards: what a file is for, where such a board waits, and getting it there."""
