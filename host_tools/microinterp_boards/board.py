"""A board on a serial port: the object that everything done with a board goes through."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from microinterp.closing import Closing
from microinterp_boards import bench, deploy, mlperf, runtime, source_form, validate
from microinterp_boards.app import boot, deploying
from microinterp_boards.app.deploying import AppOptions
from microinterp_boards.app.outcome import AppState
from microinterp_boards.app.source import read_program
from microinterp_boards.deploy import Deployment, Progress
from microinterp_boards.files import Files
from microinterp_boards.framed.service import PACKAGE
from microinterp_boards.link import Link
from microinterp_boards.mlperf.setup import Wanted
from microinterp_boards.packing import MemoryPasses, ModelSource
from microinterp_boards.probe import Probe, probe
from microinterp_boards.source_form import install as source_install
from microinterp_boards.store import models as store_models
from microinterp_boards.store.places import remove_all
from microinterp_boards.store.requests import Kept
from microinterp_boards.validate import Validation


def _silent(done: int, of: int) -> None:
    """Progress that nobody watches."""


class Board(Closing):
    """A MicroPython board. A context manager; the port is this process's alone until its end.

    Every method raises DeviceError when the board, or the line to it, does not do what is asked.
    A model is given by the path or the contents of an untouched .tflite file, and raises
    ModelError, UnsupportedError or PrepareError if boards cannot run it. Its name on the board is
    the file's without suffix, or `name`.

    `passes`, `ram_limit` and `max_extra_macs` of deploy, validate and bench are those of
    microinterp.Interpreter: memory passes, which keep every bit and run in a smaller arena. A model
    is validated and timed with what it was deployed with. They raise InputError where there is no
    such pass, and ArenaError where the arena's head is larger than ram_limit.
    """

    def __init__(self, port: str, *, baud: int = 115200, patience: float = 10.0) -> None:
        """Open a port (any pyserial URL) and interrupt what runs, within `patience` seconds.

        `baud`: bits a second; USB ports ignore it.
        """
        self.link = Link(port, baud, patience)
        self.files = Files(self.link)

    @property
    def port(self) -> str:
        """The port as it was given."""
        return self.link.port

    def close(self) -> None:
        """Give the board its prompt back and close the port."""
        self.link.close()

    def probe(self) -> Probe:
        """What the board is, has free, and can run."""
        return probe(self.link)

    def exec(self, code: str, timeout: float = 10.0) -> str:
        """Run code on the board, at most `timeout` seconds; returns what it printed.

        Line ends are plain. If the code raised, DeviceError has the board's traceback.
        """
        output = self.link.exec(code, timeout)
        return output.decode(errors="backslashreplace").replace("\r\n", "\n")

    def soft_reset(self) -> None:
        """Start MicroPython again with an empty heap; boot.py runs, main.py does not."""
        self.link.soft_reset()

    def deploy(
        self,
        model: ModelSource,
        name: str | None = None,
        *,
        mpy_set: str | None = None,
        passes: str | Sequence[str] = "none",
        ram_limit: int | None = None,
        max_extra_macs: float = 0.1,
        version: int | None = None,
        key: bytes | None = None,
        app: str | os.PathLike[str] | None = None,
        watch: float = deploying.WATCH,
        progress: Progress = _silent,
    ) -> Deployment:
        """Pack a model, install or update the runtime, send both, and have the board test it.

        The model goes into the slot that is not in use, and is put to use once the board has read
        it again from flash and has computed some golden samples with it. Whatever goes wrong before
        leaves the old one in use. Only what differs is sent; what an attempt that broke off has
        sent is there already. The board is soft reset.

        Args:
            model: a .tflite file.
            name: of the model on the board, 1 to 27 of A-Z a-z 0-9 . _ -
            mpy_set: one of the probe's `sets`: "bytecode" for the runtime without native code,
                "viper-armv7m" for viper kernels, "armv6m" for those of a smaller processor. None is
                the first of them.
            version: of the model; a board with a key takes none that is lower than the one in use.
                None is that one's, or 0.
            key: of the board, if it takes only what is signed; see schemas/link.md.
            app: a MicroPython program that the board starts at boot from then on, and now. In the
                end the port is closed and the program runs, until another Board opens the port.
            watch: seconds that the program is tried for; if it crashes, it and the model are taken
                back, and DeviceError tells why.
            progress: told the bytes of the model that are there, and of how many.

        Raises:
            InputError: `app` is no program, or one that Ctrl-C could not stop.
        """
        asked = MemoryPasses(passes, ram_limit, max_extra_macs)

        def deployed() -> Deployment:
            return deploy.deploy(self.link, model, name, mpy_set, progress, asked, version, key)

        if app is None:
            return deployed()
        options = AppOptions(version, key, watch)
        return deploying.deploy_app(self.link, read_program(app), options, deployed)

    def app(self) -> AppState:
        """The program that the board starts at boot, and what became of it."""
        return deploying.state(self.link)

    def start_app(self) -> None:
        """Start that program now, as if it had never crashed; the port is closed, and it runs."""
        deploying.start(self.link)

    def back_app(self) -> AppState:
        """Put the program to use again that was in use before; it is not started."""
        return deploying.back(self.link)

    def remove_app(self) -> bool:
        """Remove the program, so that nothing starts at boot; whether there was one."""
        return deploying.remove(self.link)

    def models(self) -> list[Kept]:
        """The models on the board, by name: both slots of each, and which one is in use."""
        return store_models.kept(self.link)

    def back(self, name: str) -> Kept:
        """Put the model to use again that was in use before; DeviceError if there is none."""
        return store_models.back(self.link, name)

    def remove_model(self, name: str) -> bool:
        """Remove a model with both slots; whether there was something of it."""
        return store_models.remove(self.link, name)

    def set_key(self, key: bytes) -> None:
        """Have the board take only what is signed with `key`, 16 to 256 bytes, from now on."""
        store_models.set_key(self.link, key)

    def validate(
        self,
        model: ModelSource,
        samples: int | None = None,
        per_op: bool = False,
        golden: str | os.PathLike[str] | None = None,
        seed: int = 0,
        *,
        name: str | None = None,
        passes: str | Sequence[str] = "none",
        ram_limit: int | None = None,
        max_extra_macs: float = 0.1,
        progress: Progress = _silent,
    ) -> Validation:
        """Run a deployed model and compare every byte of its outputs with what is expected.

        Samples run one after the other from a fresh start, so that models with state are held to
        their sequence. A plain invoke runs with the board's heap locked: it allocates nothing.

        Args:
            model: the .tflite file that was deployed.
            samples: how many; None is 20, or all of a bundle.
            per_op: compare the CRC32 of everything that each op writes too. Without it, that is
                done only after a difference, to find the first op, and for a model whose file on
                the board is not what `deploy` would write.
            golden: a bundle of `microinterp golden record`; otherwise inputs are random and the
                host computes what is expected.
            seed: of random inputs.
            name: as for deploy.
            progress: told the samples done, and of how many.

        Raises:
            DeviceError: also if the model on the board is of another .tflite file or was packed
                another way, or the runtime is damaged or another version.
            InputError: the bundle is not of this model, or damaged.
        """
        asked = MemoryPasses(passes, ram_limit, max_extra_macs)
        return validate.validate(
            self.link, model, samples, per_op, golden, seed, name, progress, asked
        )

    def bench(
        self,
        model: ModelSource,
        runs: int = bench.RUNS,
        *,
        name: str | None = None,
        seed: int = 0,
        passes: str | Sequence[str] = "none",
        ram_limit: int | None = None,
        max_extra_macs: float = 0.1,
        progress: Progress = _silent,
    ) -> dict[str, Any]:
        """Time a deployed model with random inputs, by the board's own clock.

        Returns a dict that follows schemas/bench_result.schema.json. Raises as validate.
        """
        asked = MemoryPasses(passes, ram_limit, max_extra_macs)
        return bench.bench(self.link, model, runs, name, seed, progress, asked)

    def mlperf(
        self,
        model: ModelSource,
        kind: str,
        *,
        files: str | os.PathLike[str] | None = None,
        stimuli: str | os.PathLike[str] | None = None,
        boot: bool = False,
        name: str | None = None,
        passes: str | Sequence[str] = "none",
        ram_limit: int | None = None,
        max_extra_macs: float = 0.1,
        progress: Progress = _silent,
    ) -> mlperf.Setup:
        """Deploy a model and let the board answer MLPerf Tiny's runner (protocol, unofficial).

        In the end the port is closed and the board goes on, until another Board opens the port.
        What the runner measures are no MLPerf results: those are reviewed.

        Args:
            model: a .tflite file.
            kind: "kws", "vww", "ic" or "ad".
            files: a folder for the runner's -d and -t, with counts from a first measurement.
            stimuli: a folder in the form of the runner's data sets, for a look at the accuracy.
            boot: answer after each boot, from main.py. Without it a main.py of an earlier call is
                removed.
            name: as for deploy.
            progress: told the stimuli done, and of how many.

        Raises:
            InputError: there is no such kind, it does not take such a model, the stimuli do not
                fit, or the files cannot be written.
            DeviceError: as deploy; with `boot` also if there is a main.py that is not ours.
        """
        asked = MemoryPasses(passes, ram_limit, max_extra_macs)
        wanted = Wanted(kind, files, stimuli, boot)
        return mlperf.set_up(self.link, model, wanted, name, asked, progress)

    def uninstall(self) -> list[str]:
        """Remove the runtime, all models and a program that starts at boot; their paths.

        The board is soft reset.
        """
        self.soft_reset()  # in a small heap, what an earlier program left is too much for the probe
        if source_form.is_for(self.probe()):
            return source_install.uninstall(self.link)
        removed = [boot.MAIN] if boot.remove_main(self.link) else []
        removed += [*runtime.uninstall(self.link), *runtime.uninstall(self.link, PACKAGE)]
        return removed + remove_all(self.link)
