"""`make audit`: known vulnerabilities of what is installed, by pip-audit and npm.

pip-audit passes over packages that its service does not answer for, and ends well if it has asked
about none at all: here each that is passed over fails the audit.

Exit status: 0 every package was asked about, and nothing is known; 1 something is known;
3 a service could not be reached, so that nothing is known either way.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.dependencies import NPM

OUR_OWN = "microinterp"
FEW = 5
CLEAN, VULNERABLE, UNKNOWN = 0, 1, 3
PIP_AUDIT = (sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off")
NPM_AUDIT = ("npm", "audit", "--json")


def pip_verdict(answer: str) -> tuple[int, list[str]]:
    """The status, and lines to print, of what pip-audit has written."""
    packages = [each for each in _json(answer).get("dependencies", ()) if each["name"] != OUR_OWN]
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    bad = [
        f"{each['name']} {each['version']}: {fault['id']}, fixed in "
        f"{', '.join(fault['fix_versions']) or 'no version'}"
        for each in packages
        for fault in each.get("vulns", ())
    ]
    asked = len(packages) - len(skipped)
    lines = [
        f"PyPI: {asked} of {len(packages)} packages asked about, {len(bad)} known faults",
        *bad,
    ]
    if skipped:
        named = ", ".join(skipped[:FEW]) + (" and others" if skipped[FEW:] else "")
        lines.append(f"no answer about {len(skipped)} packages: {named}")
    if bad:
        return VULNERABLE, lines
    return (UNKNOWN if skipped or not packages else CLEAN), lines


def npm_verdict(answer: str) -> tuple[int, list[str]]:
    """The status, and lines to print, of what npm has written."""
    counts = _json(answer).get("metadata", {}).get("vulnerabilities")
    if counts is None:
        return UNKNOWN, ["npm: no answer about the playground's packages"]
    status = VULNERABLE if counts["total"] else CLEAN
    return status, [f"npm: the playground's packages asked about, {counts['total']} known faults"]


def _json(text: str) -> dict[str, Any]:
    """What a tool has written; nothing if it ended before that."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _answer(words: Sequence[str], folder: str | None = None) -> str:
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, cwd=folder, timeout=600
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def main() -> int:
    """Ask both services."""
    verdicts = [
        pip_verdict(_answer(PIP_AUDIT)),
        npm_verdict(_answer(NPM_AUDIT, str(NPM.parent))),
    ]
    for _, lines in verdicts:
        print("\n".join(lines))
    statuses = [status for status, _ in verdicts]
    if VULNERABLE in statuses:
        return VULNERABLE
    if UNKNOWN in statuses:
        print("nothing is known of those: their service cannot be reached from here")
        return UNKNOWN
    return CLEAN


if __name__ == "__main__":
    sys.exit(main())
