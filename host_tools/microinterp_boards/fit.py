"""Does a model fit a board, and what would make it fit: for TFLM firmware and for our own runtime.

For TFLM: the smallest arena that works on the board's kind of core against all of its RAM, and
the model with TFLM's core against its flash. For MicroPython: what `deploy` and an invoke take of
heap and filesystem.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

from microinterp.arena.embed import embed
from microinterp.arena.plan import Plan, plan
from microinterp.arena.target import target_sizes
from microinterp.errors import MicrointerpError, UnsupportedError
from microinterp.interpreter import prepare_model
from microinterp.packed import PackedModel, load, pack_with_report
from microinterp.passes import Passed, ladder, run_passes
from microinterp.prepare import Prepared
from microinterp.registry import Registry
from microinterp_boards.boards_table import BoardRow
from microinterp_boards.files import stored_bytes
from microinterp_boards.fit_verdict import BoardFit, Remedy, Verdict
from microinterp_boards.heap_need import HeapNeed, bytecode_refusal, heap_need
from microinterp_boards.kernel_sets import BYTECODE
from microinterp_boards.packing import PORTABLE
from microinterp_boards.runtime import shipped, tier_of
from microinterp_boards.source_form import NAME as SOURCE
from microinterp_boards.source_form.fit import estimate
from microinterp_boards.source_form.generate import generate

CORE_BYTES = 16_384
"""Flash of TFLM's core on a Cortex-M3, by https://www.tensorflow.org/lite/microcontrollers; the
kernels of the model's operators and the rest of the firmware come on top, and are not counted."""
TARGET_OF_CORE: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("cortex-m0", "cortex-m0plus", "cortex-m3"), "cortex-m-cmsis-nn-c"),
        **dict.fromkeys(("cortex-m4", "cortex-m7", "cortex-m33"), "cortex-m-cmsis-nn-dsp"),
        "cortex-m55": "cortex-m-cmsis-nn-mve",
    }
)
"""The build of TFLM whose sizes are taken; other cores: OTHER_TARGET, an estimate."""
OTHER_TARGET = "cortex-m-reference"
_SOURCE_START = 240  # bytes of heap that a micro:bit's firmware has taken at start (docs/boards.md)


@dataclass(frozen=True, slots=True)
class _Form:
    """A model packed after some passes, in the layout of weights of a tier."""

    passes: tuple[str, ...]
    extra_macs: float
    model: PackedModel
    data: bytes
    tier: str


class Fitter:
    """One model, asked about many boards; what several of them need is computed once."""

    def __init__(
        self, data: bytes, max_extra_macs: float = 0.1, registry: Registry | None = None
    ) -> None:
        """Prepare and pack the model.

        Args:
            data: contents of a .tflite file.
            max_extra_macs: share of its multiply-accumulates that a pass may do twice.
            registry: operators, as for Interpreter; boards have none but the package's.

        Raises:
            ModelError, UnsupportedError, PrepareError: it is not sound, or uses what TFLM lacks.
        """
        self.data = data
        self._max_extra_macs = max_extra_macs
        self._registry = registry
        self._prepared = prepare_model(data, registry=registry, kernels="plain")
        self._arenas: dict[tuple[str, str], int] = {}
        self._packed: dict[str, _Form] = {}
        self._rungs: dict[tuple[str, bool], Sequence[_Form]] = {}
        self.refusal = ""
        self.packed: _Form | None = None
        try:
            self.packed = self._as_it_is(PORTABLE)
        except UnsupportedError as error:
            self.refusal = _refusal(error)

    def fit(self, row: BoardRow) -> BoardFit:
        """The verdicts for a board."""
        tflm = None if row.ram_bytes is None else self.tflm(row)
        return BoardFit(row, tflm, self.micropython(row))

    def tflm(self, row: BoardRow) -> Verdict:
        """Whether the model fits with TFLM firmware."""
        target = TARGET_OF_CORE.get(row.core, OTHER_TARGET)
        verdict = Verdict(None, target=target, is_estimate=row.core not in TARGET_OF_CORE)
        try:
            needed = self._arena("tflm", target)
        except MicrointerpError as error:
            return replace(verdict, reason=error.message)
        flash = len(self.data) + CORE_BYTES
        verdict = replace(
            verdict,
            needed_bytes=needed,
            available_bytes=row.ram_bytes,
            short_bytes=_short(needed, row.ram_bytes),
            flash_needed_bytes=flash,
            flash_available_bytes=row.flash_bytes,
            flash_short_bytes=_short(flash, row.flash_bytes),
        )
        if row.flash_bytes is None and not verdict.short_bytes:
            return replace(verdict, reason="the size of its flash is not in the table")
        verdict = _decided(verdict, "")
        if verdict.short_bytes and not verdict.flash_short_bytes:
            with_best = self._arena("best", target)
            if not _short(with_best, row.ram_bytes):
                return replace(verdict, remedy=Remedy(("best",), 0.0, "", with_best))
        return verdict

    def micropython(self, row: BoardRow) -> Verdict:
        """Whether the model fits with MicroPython and our runtime."""
        verdict = Verdict(
            None,
            available_bytes=row.micropython_heap_bytes,
            flash_available_bytes=row.filesystem_bytes,
            is_estimate=row.heap_basis == "estimate",
        )
        try:
            form = self._as_it_is(PORTABLE if row.kernels == SOURCE else tier_of(row.kernels))
        except UnsupportedError as error:
            return replace(verdict, fits=False, reason=_refusal(error))
        if row.kernels == SOURCE:
            return self._source(form, row, verdict)
        refusal = bytecode_refusal(form.model) if row.kernels == BYTECODE else ""
        if refusal:
            return replace(verdict, fits=False, reason=refusal)
        need = self._need(form, row)
        files = None
        if row.filesystem_block_bytes is not None:
            files = self._files(form, row.kernels, row.filesystem_block_bytes)
        verdict = replace(
            verdict,
            needed_bytes=need.total,
            short_bytes=_short(need.total, row.micropython_heap_bytes),
            flash_needed_bytes=files,
            flash_short_bytes=_short(files or 0, row.filesystem_bytes),
            parts=need,
        )
        verdict = _decided(verdict, "the size of its heap is not in the table")
        if verdict.fits or row.micropython_heap_bytes is None:
            return verdict
        return replace(verdict, remedy=self._remedy(form, row, row.micropython_heap_bytes))

    def _source(self, form: _Form, row: BoardRow, verdict: Verdict) -> Verdict:
        """Firmware that loads no .mpy files takes the model as generated source."""
        try:
            source = generate(form.data)
        except UnsupportedError as error:
            reason = f"its firmware loads no .mpy files, and as source: {error.message}"
            return replace(verdict, fits=False, reason=reason)
        needed = estimate(source) + _SOURCE_START
        short = _short(needed, row.micropython_heap_bytes)
        verdict = replace(verdict, needed_bytes=needed, short_bytes=short, is_estimate=True)
        return _decided(replace(verdict, flash_available_bytes=None), "")

    def _remedy(self, as_it_is: _Form, row: BoardRow, heap: int) -> Remedy | None:
        """Passes, weights in mapped flash, or both; the first that is enough."""
        if self._files_short(as_it_is, row, mapped=True):
            return None
        maps = bool(row.mapping) and len(as_it_is.model.weights) <= row.mappable_bytes
        for mapping in ("", row.mapping) if maps else ("",):
            for form in self._forms(as_it_is, row, heap, mapping):
                need = self._need(form, row, mapped=bool(mapping)).total
                fits_flash = not mapping or len(form.data) <= row.mappable_bytes
                if need <= heap and fits_flash and not self._files_short(form, row, bool(mapping)):
                    return Remedy(form.passes, form.extra_macs, mapping, need)
        return None

    def _forms(self, as_it_is: _Form, row: BoardRow, heap: int, mapping: str) -> Iterator[_Form]:
        """The model as it is, then after passes if a smaller arena can be enough, and is wanted."""
        yield as_it_is
        need = self._need(as_it_is, row, mapped=bool(mapping))
        main = self._prepared.graph.main
        least = max(sum(t.nbytes for t in side) for side in (main.inputs, main.outputs))
        if need.total - need.arena + least <= heap < need.total:
            yield from self._after_passes(as_it_is.tier, quick=True)
            yield from self._after_passes(as_it_is.tier, quick=False)

    def _as_it_is(self, tier: str) -> _Form:
        """The model in a tier's layout. Raises UnsupportedError if boards cannot run it."""
        if tier not in self._packed:
            self._packed[tier] = _pack(self._prepared, plan(self._prepared), tier)
        return self._packed[tier]

    def _after_passes(self, tier: str, quick: bool) -> Sequence[_Form]:
        """The rungs of the ladder, in a tier's layout."""
        key = tier, quick
        if key not in self._rungs:
            rungs = self._quick_ladder if quick else self._ladder
            self._rungs[key] = list(_packed_rungs(rungs, tier))
        return self._rungs[key]

    @cached_property
    def _quick_ladder(self) -> Sequence[Passed]:
        """Two rungs of the ladder for which nothing is searched but an order."""
        chosen = (("in-place",), ("fold-pad", "reorder", "in-place", "overlap"))
        return [run_passes(self._prepared, names) for names in chosen]

    @cached_property
    def _ladder(self) -> Sequence[Passed]:
        """The model after passes, from those that cost nothing on."""
        return ladder(self._prepared, self._max_extra_macs, strips=True)[1:]

    def _need(self, form: _Form, row: BoardRow, mapped: bool = False) -> HeapNeed:
        return heap_need(form.model, len(form.data), row.kernels, mapped, row.is_virtual)

    def _files(self, form: _Form, mpy_set: str, block: int, mapped: bool = False) -> int:
        """Bytes of a filesystem with such blocks; a model that is mapped lies elsewhere."""
        sizes = [len(data) for data in shipped(mpy_set).values()]
        return sum(stored_bytes(size, block) for size in (*sizes, 0 if mapped else len(form.data)))

    def _files_short(self, form: _Form, row: BoardRow, mapped: bool) -> int:
        if row.filesystem_bytes is None or row.filesystem_block_bytes is None:
            return 0
        needed = self._files(form, row.kernels, row.filesystem_block_bytes, mapped)
        if mapped and row.mapping == "rp2.Flash":  # it is the filesystem that gives way
            needed += len(form.data)
        return _short(needed, row.filesystem_bytes)

    def _arena(self, planner: str, target: str) -> int:
        """Bytes of the smallest arena in which TFLM runs the model with that plan."""
        key = planner, target
        if key not in self._arenas:
            prepared, planned = self._plans[planner]
            self._arenas[key] = target_sizes(prepared, planned, target).minimum_bytes
        return self._arenas[key]

    @cached_property
    def _plans(self) -> Mapping[str, tuple[Prepared, Plan]]:
        """TFLM's own plan, and the best one as TFLM follows it when it is in the file."""
        usual = self._prepared, plan(self._prepared)
        best = plan(self._prepared, "best")
        written = embed(self.data, self._prepared.graph.model, best.tensors)
        embedded = prepare_model(written, registry=self._registry, kernels="plain")
        followed = embedded, plan(embedded)
        is_smaller = followed[1].head_bytes < usual[1].head_bytes
        return {"tflm": usual, "best": followed if is_smaller else usual}


def _pack(prepared: Prepared, planned: Plan, tier: str) -> _Form:
    data = pack_with_report(prepared, planned, tier=tier)[0]
    return _Form((), 0.0, load(data), data, tier)


def _refusal(error: UnsupportedError) -> str:
    return f"{error.where}: {error.message}" if str(error.where) else error.message


def _packed_rungs(rungs: Sequence[Passed], tier: str) -> Iterator[_Form]:
    for rung in rungs:
        with suppress(UnsupportedError):  # boards do not run what some passes make
            form = _pack(rung.prepared, rung.plan, tier)
            yield replace(form, passes=_useful(rung), extra_macs=rung.extra_macs)


def _useful(rung: Passed) -> tuple[str, ...]:
    """What to ask for: the passes up to the last that made the head smaller.

    The planner's search runs with any of them, and is none that can be asked for alone.
    """
    asked = [each for each in rung.reports if each.name != "best"]
    helped = [i for i, each in enumerate(asked) if each.head_after < each.head_before]
    return tuple(each.name for each in asked[: max(helped, default=0) + 1])


def _short(needed: int, available: int | None) -> int:
    return 0 if available is None else max(0, needed - available)


def _decided(verdict: Verdict, unknown: str) -> Verdict:
    """A verdict from its numbers; `unknown` is why it stays open, if nothing is short."""
    if verdict.short_bytes or verdict.flash_short_bytes:
        return replace(verdict, fits=False)
    if verdict.needed_bytes is None or verdict.available_bytes is None:
        return replace(verdict, reason=unknown)
    return replace(verdict, fits=True)
