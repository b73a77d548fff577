"""What pyproject.toml cannot say: the digits example is packed into the wheel."""

from pathlib import Path
from shutil import copy2

from setuptools import setup
from setuptools.command.build_py import build_py

FILES = (
    "*_int8.tflite",
    "*_float.tflite",
    "digits.npz",
    "test_images.npz",
    "*.golden",
    "README.md",
)


class BuildWithExample(build_py):
    """The packages, and examples/digits inside of them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:  # microinterp.examples finds the clone's
            return
        target = Path(self.build_lib) / "microinterp" / "_examples" / "digits"
        target.mkdir(parents=True, exist_ok=True)
        for pattern in FILES:
            for path in Path("examples/digits").glob(pattern):
                copy2(path, target)


setup(cmdclass={"build_py": BuildWithExample})
