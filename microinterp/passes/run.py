"""Runs passes by name, or those that are needed: the smallest head, or the first that fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from types import MappingProxyType

from microinterp.arena.check import check_plan
from microinterp.arena.plan import Plan, plan, plan_pieces
from microinterp.errors import ArenaError, InputError, UnsupportedError, printable
from microinterp.passes.fold_edges import fold_quantize, fold_transpose
from microinterp.passes.fold_pad import fold_pad
from microinterp.passes.in_place import in_place
from microinterp.passes.in_place_depthwise import in_place_depthwise
from microinterp.passes.overlap import least_head, overlap
from microinterp.passes.patch_search import Limits, promising
from microinterp.passes.patches import patches
from microinterp.passes.price import extra_macs
from microinterp.passes.reorder import reorder
from microinterp.prepare import Prepared, PreparedNode

Pass = Callable[[Prepared], Prepared]
_BEFORE: Mapping[str, Pass] = MappingProxyType(
    {
        "fold-pad": fold_pad,
        "fold-transpose": fold_transpose,
        "fold-quantize": fold_quantize,
        "reorder": reorder,
    }
)
_BEHIND: Mapping[str, Pass] = MappingProxyType(
    {
        "in-place": in_place,
        "in-place-depthwise": in_place_depthwise,
        "overlap": overlap,
    }
)
NAMES = (*_BEFORE, "patches", *_BEHIND)
"""Every pass, in the order in which they are run, however they are listed."""


@dataclass(frozen=True)
class PassReport:
    """What one pass did.

    Attributes:
        name: of the pass; "best" is the planner's search.
        head_before, head_after: bytes of the arena's head.
        extra_macs: share of the model's multiply-accumulates that are done besides, 0.05 is 5 %.
        how: the grid of patches, else empty.
    """

    name: str
    head_before: int
    head_after: int
    extra_macs: float
    how: str = ""


@dataclass(frozen=True, eq=False)
class Passed:
    """A model after passes.

    Attributes:
        prepared, plan: to be bound.
        reports: one for each pass that ran, in order.
        extra_macs: share of the model's multiply-accumulates that are done besides.
    """

    prepared: Prepared
    plan: Plan
    reports: tuple[PassReport, ...]
    extra_macs: float

    @property
    def names(self) -> tuple[str, ...]:
        """The passes that ran."""
        return tuple(report.name for report in self.reports)


_MOST_GRIDS = 6
"""Grids of patches that are planned in earnest."""
_MOST_FINISHED = 2
"""Grids of patches behind which the other passes run."""


def run_passes(
    prepared: Prepared,
    passes: str | Sequence[str] = "none",
    ram_limit: int | None = None,
    max_extra_macs: float = 0.1,
    strips: bool = False,
) -> Passed:
    """Rewrite a prepared graph so that it needs less memory; every output keeps its bits.

    Args:
        passes: "none", "auto" (what is needed to come below ram_limit, in the order of what it
            costs; all that helps without one), or names, see NAMES.
        ram_limit: bytes that the arena's head should not exceed.
        max_extra_macs: multiply-accumulates that patches may do twice, as a share of all.
        strips: patches are strips of whole rows, which boards can run.

    Returns:
        The cheapest result that fits ram_limit, or the smallest head if none does.

    Raises:
        InputError: no such pass, or a limit below 0.
        UnsupportedError: an op leaves elements of its outputs as they were.
    """
    _require_limits(ram_limit, max_extra_macs)
    names = _checked(passes)
    if names is None:
        rungs = ladder(prepared, max_extra_macs, strips)
        fitting = [rung for rung in rungs if _fits(rung, ram_limit)]
        return _checked_result(fitting[0] if fitting else rungs[-1])
    if not names:
        return _start(prepared)
    keeper = _keeper(prepared)
    if keeper is not None:
        raise UnsupportedError(
            "the op leaves elements of its outputs as they were, so that they depend on the plan",
            keeper.node.where(),
            "run this model without memory passes",
        )
    best = _best(_start(prepared))
    return _checked_result(_run(best, names, Limits(max_extra_macs, strips), ram_limit))


def ladder(
    prepared: Prepared, max_extra_macs: float = 0.1, strips: bool = False
) -> tuple[Passed, ...]:
    """From TFLM's own plan to the smallest head, each step smaller than all before it.

    The planner's search comes first, then passes that compute nothing twice, then patches.

    Args:
        max_extra_macs, strips: as for run_passes.

    Raises:
        InputError: the limit is below 0.
    """
    _require_limits(None, max_extra_macs)
    start = _start(prepared)
    if _keeper(prepared) is not None:
        return (start,)
    limits, best = Limits(max_extra_macs, strips), _best(start)
    rungs = [start]
    for names in _LADDER:
        made = _run(best, names, limits, None)
        if made.plan.head_bytes < rungs[-1].plan.head_bytes:
            rungs.append(made)
    return tuple(rungs)


_FREE = ("fold-pad", "reorder", "in-place")
_LADDER: tuple[tuple[str, ...], ...] = (
    (),
    ("in-place",),
    _FREE,
    (*_FREE, "overlap"),
    (*_FREE, "in-place-depthwise", "overlap"),
    ("fold-pad", "patches", "in-place", "overlap"),
)


def _checked_result(passed: Passed) -> Passed:
    """The result, which code that trusts no pass has found sound."""
    problems = check_plan(passed.prepared, passed.plan) if passed.prepared.rewritten else []
    if problems:
        raise ArenaError(
            f"memory passes made an unsound plan: {problems[0].message}",
            problems[0].where,
            "this is a fault of ours: please report it with the model; passes='none' runs",
        )
    return passed


def _require_limits(ram_limit: object, max_extra_macs: object) -> None:
    for name, limit in (("ram_limit", ram_limit), ("max_extra_macs", max_extra_macs)):
        is_number = isinstance(limit, Real) and not isinstance(limit, bool)
        if name == "ram_limit" and limit is None:
            continue
        if not is_number or not limit >= 0:  # type: ignore[operator]
            raise InputError(f"{name} is {printable(repr(limit))}, wanted a number, 0 or more")


def _checked(passes: str | Sequence[str]) -> tuple[str, ...] | None:
    """Names in their order; None for "auto"."""
    if passes == "auto":
        return None
    if passes == "none":
        return ()
    asked = [passes] if isinstance(passes, str) or not isinstance(passes, Iterable) else [*passes]
    for name in asked:
        if name not in NAMES:
            raise InputError(
                f"no memory pass {printable(repr(name))}",
                hint=f"there are: auto, none, {', '.join(NAMES)}",
            )
    return tuple(name for name in NAMES if name in asked)


def _keeper(prepared: Prepared) -> PreparedNode | None:
    """An op whose outputs depend on what lay there before, if there is one."""
    return next((item for item in prepared.nodes() if item.kernel.keeps_outputs), None)


def _fits(passed: Passed, ram_limit: int | None) -> bool:
    return ram_limit is not None and passed.plan.head_bytes <= ram_limit


def _start(prepared: Prepared) -> Passed:
    return Passed(prepared, plan(prepared), (), 0.0)


def _run(best: Passed, names: Sequence[str], limits: Limits, ram_limit: int | None) -> Passed:
    """Passes in the order of NAMES, behind the planner's search."""
    now = best
    for name in (name for name in _BEFORE if name in names):
        now = _stepped(now, name, _BEFORE[name](now.prepared))
    behind = [name for name in _BEHIND if name in names]
    if "patches" not in names:
        return _finished(now, behind)
    limits = replace(limits, by_rows="overlap" in behind)
    cut = sorted(_patched(now, limits), key=lambda made: _least(made, behind))
    tried = [_finished(made, behind) for made in (_unpatched(now), *cut[:_MOST_FINISHED])]
    fitting = [made for made in tried if _fits(made, ram_limit)]
    if fitting:
        return min(fitting, key=lambda made: made.extra_macs)
    return min(tried, key=lambda made: made.plan.head_bytes)


def _unpatched(now: Passed) -> Passed:
    head = now.plan.head_bytes
    report = PassReport("patches", head, head, 0.0, "does not help")
    return replace(now, reports=(*now.reports, report))


def _best(start: Passed) -> Passed:
    """The planner's search. Offsets in the file are for TFLM, and kept only if they are better."""
    found = plan(start.prepared, "best", offline=False)
    if found.head_bytes > start.plan.head_bytes:
        found = start.plan
    report = PassReport("best", start.plan.head_bytes, found.head_bytes, 0.0)
    return replace(start, plan=found, reports=(*start.reports, report))


def _patched(now: Passed, limits: Limits) -> Iterator[Passed]:
    for estimate in promising(now.prepared, limits, _MOST_GRIDS):
        yield _stepped(now, "patches", patches(now.prepared, estimate.grid), how=str(estimate.grid))


def _least(now: Passed, behind: Sequence[str]) -> int:
    """What the head can come to at best."""
    return least_head(now.prepared) if "overlap" in behind else now.plan.head_bytes


def _finished(now: Passed, names: Sequence[str]) -> Passed:
    for name in names:
        now = _stepped(now, name, _BEHIND[name](now.prepared))
    return now


def _stepped(now: Passed, name: str, made: Prepared, how: str = "") -> Passed:
    """The result of one pass; what it does not better stays as it was."""
    found = plan_pieces(made) if made.rewritten else now.plan
    price = extra_macs(made) if made.rewritten else 0.0
    report = PassReport(name, now.plan.head_bytes, found.head_bytes, price, how)
    if found.head_bytes > now.plan.head_bytes and name != "patches":
        report = replace(report, head_after=now.plan.head_bytes, how="does not help")
        return replace(now, reports=(*now.reports, report))
    return Passed(made, found, (*now.reports, report), price)
