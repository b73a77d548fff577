"""Facts about the machine and the software of a run, kept beside its figures."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

PACKAGES = ("microinterp", "numpy", "tflite-micro", "ai-edge-litert")


def machine_facts() -> dict[str, Any]:
    """CPU, cores, load, BLAS and versions; None for what cannot be told."""
    np.dot(np.ones((2, 2)), np.ones((2, 2)))  # threadpoolctl sees a BLAS that is loaded
    blas = [info for info in threadpool_info() if info["user_api"] == "blas"]
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "blas": [f"{i['internal_api']} {i.get('architecture', '')} {i['version']}" for i in blas],
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [
                line.split(":", 1)[1].strip() for line in file if line.startswith("model name")
            ]
        return names[0]
    except (OSError, IndexError):
        return platform.processor()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
