"""AVERAGE_POOL and MAX_POOL: what is done with windows is in pool_average.py and pool_max.py."""

from __future__ import annotations

from . import pool_average, pool_max


def module(arch: str) -> str:
    """Text of the MicroPython module for one of armv6m, armv7m and armv7em."""
    kernels = (make(arch).source() for make in (pool_average.average_pool, pool_max.max_pool))
    return f'"""Pools for {arch}."""\n\nimport micropython\n\n\n' + "\n\n".join(kernels)
