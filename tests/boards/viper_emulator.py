"""Runs the firmware's sources under CPython, as a board would compute.

* viper functions with ints of 32 or 64 bits that wrap, pointers into known memory, and errors
  where C would be undefined: an access outside of a buffer, an unaligned one, a shift by the word
  size or more.
* functions of the bytecode tier with an error where an int leaves [-2^30, 2^30), the small ints of
  a 32-bit board: beyond them MicroPython allocates.

Each arithmetic operation of the source is rewritten into a call of `Machine.arithmetic`.
"""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "FloorDiv": operator.floordiv,
    "BitAnd": operator.and_,
    "BitOr": operator.or_,
    "BitXor": operator.xor,
    "LShift": operator.lshift,
    "RShift": operator.rshift,
}
SMALL = 1 << 30


class BoardError(Exception):
    """The board would have crashed, corrupted memory, or allocated in invoke."""


class Uint(int):
    """viper's uint: the same word, shifted right without its sign."""


class Pointer:
    """viper's ptr8, ptr16 or ptr32."""

    def __init__(self, machine: Machine, address: int, size: int) -> None:
        self.machine, self.address, self.size = machine, address, size

    def __getitem__(self, index: int) -> int:
        """A load: zero-extended, which for a whole word of 32 bits is the word itself."""
        data = self.machine.memory(self.address + index * self.size, self.size)
        return self.machine.wrap(int.from_bytes(data, "little"))

    def __setitem__(self, index: int, value: int) -> None:
        """A store: the value's low bytes."""
        data = self.machine.memory(self.address + index * self.size, self.size)
        data[:] = (value % 256**self.size).to_bytes(self.size, "little")


class Checked:
    """A buffer as the bytecode tier sees it: no index from the end, no large int."""

    def __init__(self, buffer: Any) -> None:
        self.buffer = unwrapped(buffer)

    def __getitem__(self, index: int) -> int:
        """An item; a kernel that reads outside is faulty, also where CPython has another view."""
        if not 0 <= index < len(self.buffer):
            raise BoardError(f"read at {index} of {len(self.buffer)}")
        return small(self.buffer[index])

    def __setitem__(self, index: int, value: int) -> None:
        """A byte, in range: MicroPython's bytearrays would wrap it."""
        if not 0 <= index < len(self.buffer) or not 0 <= value < 256:
            raise BoardError(f"write of {value} at {index} of {len(self.buffer)}")
        self.buffer[index] = value


def unwrapped(buffer: Any) -> Any:
    """What a checked buffer checks: kernels hand theirs on to others."""
    return buffer.buffer if isinstance(buffer, Checked) else buffer


def small(value: int) -> int:
    """The value, if it is a small int on a 32-bit board."""
    if not -SMALL <= value < SMALL:
        raise BoardError(f"{value} is no small int of a 32-bit board")
    return value


class Machine:
    """Words of 32 or 64 bits, and buffers at addresses like a board's: some are negative ints."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.regions: dict[int, tuple[int, memoryview, Any]] = {}
        self.first = self.next = 0x7FFF0000 if bits == 32 else 0x7FFF12340000

    def wrap(self, value: int) -> int:
        """The value as a signed word."""
        half = 1 << (self.bits - 1)
        return (value + half) % (2 * half) - half

    def arithmetic(self, name: str, left: Any, right: Any) -> Any:
        """One operation on words."""
        if name in ("LShift", "RShift") and not 0 <= right < 32:
            raise BoardError(f"shift by {right}")
        if name == "RShift" and isinstance(left, Uint):
            return Uint(left >> right)
        return self.wrap(OPERATIONS[name](int(left), int(right)))

    def address_of(self, buffer: Any) -> int:
        """Where a buffer lies; it gets a place at its first use."""
        buffer = unwrapped(buffer)
        if id(buffer) not in self.regions:
            view = memoryview(buffer).cast("B")
            self.regions[id(buffer)] = (self.next, view, buffer)
            self.next += (view.nbytes + 0x1000F) & ~15
        return self.regions[id(buffer)][0]

    def forget(self) -> None:
        """Forget all buffers."""
        self.regions.clear()
        self.next = self.first

    def memory(self, address: int, size: int) -> memoryview:
        """The bytes at an address, which must lie in one buffer."""
        address %= 1 << self.bits
        if address % size:
            raise BoardError(f"unaligned access of {size} bytes")
        for start, view, _ in self.regions.values():
            if start <= address and address + size <= start + view.nbytes:
                return view[address - start : address - start + size]
        raise BoardError(f"access of {size} bytes at {address:#x}, outside of every buffer")

    def pointer_type(self, size: int) -> Callable[[Any], Pointer]:
        """ptr8, ptr16 or ptr32."""
        return lambda value: Pointer(self, self.integer(value), size)

    def integer(self, value: Any) -> int:
        """viper's int()."""
        return self.wrap(value.address if isinstance(value, Pointer) else int(value))

    def unsigned(self, value: int) -> Uint:
        """viper's uint()."""
        return Uint(value % (1 << self.bits))

    def viper(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The decorator: buffers become pointers."""
        kinds = [kind for name, kind in function.__annotations__.items() if name != "return"]

        def call(*arguments: Any) -> Any:
            words = [kind(self.address_of(v)) for kind, v in zip(kinds, arguments, strict=True)]
            return function(*words)

        return call


class _Rewriter(ast.NodeTransformer):
    """Sends the arithmetic of viper functions, or of all functions, to `arithmetic`."""

    def __init__(self, only_viper: bool) -> None:
        self.only_viper = only_viper
        self.machine = ""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        is_viper = any("viper" in ast.unparse(d) for d in node.decorator_list)
        self.machine = "_word" if is_viper else "" if self.only_viper else "_small"
        if self.machine:
            node.body = [self.visit(statement) for statement in node.body]
        self.machine = ""
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        return self._call(node.op, node.left, node.right, node) if self.machine else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        self.generic_visit(node)
        if not self.machine:
            return node
        assert isinstance(node.target, ast.Name)
        value = self._call(node.op, ast.Name(node.target.id, ast.Load()), node.value, node)
        return ast.copy_location(ast.Assign([node.target], value), node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.UnaryOp:
        constant = isinstance(node.operand, ast.Constant)
        if not constant and self.machine == "_word" and not isinstance(node.op, ast.Not):
            raise AssertionError("some firmware compiles unary minus and ~ in viper wrongly")
        self.generic_visit(node)
        return node

    def _call(self, op: ast.operator, left: ast.expr, right: ast.expr, at: ast.AST) -> ast.expr:
        name = ast.Constant(type(op).__name__)
        call = ast.Call(ast.Name(self.machine, ast.Load()), [name, left, right], [])
        return ast.fix_missing_locations(ast.copy_location(call, at))


def _small_arithmetic(name: str, left: Any, right: Any) -> Any:
    if name in ("LShift", "RShift") and right < 0:
        raise BoardError("negative shift")
    return small(OPERATIONS[name](left, right))


class Board:
    """The board package `microinterp` of one tier, imported apart from the host's.

    `bits` is 32 or 64 for the viper tier, which then computes with such words; the bytecode tier
    has the small ints of a 32-bit board.
    """

    def __init__(self, tier: str, bits: int = 32) -> None:
        self.tier, self.machine = tier, Machine(bits)
        self.modules: dict[str, ModuleType] = {}
        self.package = self.load("__init__", "microinterp")

    def load(self, stem: str, name: str) -> ModuleType:
        """Execute one source file as module `name`."""
        if name in self.modules:
            return self.modules[name]
        path = FIRMWARE / "microinterp" / f"{stem}.py"
        path = path if path.exists() else FIRMWARE / self.tier / f"{stem}.py"
        path = path if path.exists() else FIRMWARE / "portable" / f"{stem}.py"
        text = path.read_text()
        if self.tier == "bytecode":
            text = text.replace("@micropython.viper\n", "")
        tree = ast.parse(text)
        is_kernel = any(
            isinstance(node, ast.FunctionDef) and [a.arg for a in node.args.args] == ["a", "b", "p"]
            for node in tree.body
        )
        tree = _Rewriter(only_viper=not is_kernel).visit(tree)
        module = self.modules[name] = ModuleType(name)
        module.__dict__.update(self._names())
        exec(compile(tree, str(path), "exec", dont_inherit=True), module.__dict__)
        if is_kernel:
            self._wrap_kernels(tree, module)
        return module

    def _names(self) -> dict[str, Any]:
        m = self.machine
        pointers = {f"ptr{8 * size}": m.pointer_type(size) for size in (1, 2, 4)}
        integer = m.integer if self.tier == "viper" else int
        shims = {**vars(builtins), "__import__": self._import, "int": integer, **pointers}
        return {
            "__builtins__": {**shims, "uint": m.unsigned},
            "_word": m.arithmetic,
            "_small": _small_arithmetic,
        }

    def _import(self, name: str, _globals: Any = None, _locals: Any = None, *rest: Any) -> Any:
        if name == "micropython":
            return SimpleNamespace(viper=self.machine.viper)
        if name == "sys":
            return SimpleNamespace(modules={})
        if name == "gc":
            return SimpleNamespace(collect=lambda: None)
        if name.split(".")[0] != "microinterp":
            return builtins.__import__(name, _globals, _locals, *rest)
        fromlist = (rest[0] if rest else None) or ()
        if name == "microinterp":
            for part in fromlist:
                if part.startswith("_"):
                    setattr(self.modules[name], part, self.load(part, f"{name}.{part}"))
            return self.modules[name]
        return self.load(name.split(".")[1], name)

    def _wrap_kernels(self, tree: ast.Module, module: ModuleType) -> None:
        """Plain functions get checked buffers; viper ones have their pointers."""
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.decorator_list:
                plain = getattr(module, node.name)

                def call(a: Any, b: Any, p: Any, plain: Any = plain) -> None:
                    plain(Checked(a), Checked(b), Checked(p))

                setattr(module, node.name, call)

    @property
    def interpreter(self) -> Any:
        """The board's class Interpreter."""
        return self.package.Interpreter

    @property
    def model_error(self) -> Any:
        """The board's class ModelError."""
        return self.package.ModelError

    def run(self, model: bytes, content: bytes, invokes: int = 1) -> bytes:
        """What the arena holds after loading a model, filling the arena, and invoking."""
        self.machine.forget()
        arena = bytearray(len(content))
        it = self.interpreter(model, arena)
        arena[:] = content
        it._set_state(True)
        for _ in range(invokes):
            it.invoke()
        return bytes(arena)
