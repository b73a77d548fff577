"""Every instruction that kernels can use: its forms, the shortest first, each with its least CPU.

The notation is that of forms.py; bits are those of the Armv7-M architecture reference manual.
Branches, IT blocks and what is relative to the program counter are in assembler.py.
"""

from __future__ import annotations

from .forms import Form

V6, V7, DSP = "armv6m", "armv7m", "armv7em"
CONDITIONS = ("eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")
"""In the order of their codes; cs and cc are other names of hs and lo."""

FORMS: dict[str, list[Form]] = {}


def _form(arch: str, name: str, kinds: str, bits: str, differ: str = "") -> None:
    """Add a form. A star after the name: it sets flags, and inside of IT blocks it does not.

    Two stars: it sets flags, and cannot stand in an IT block.
    """
    plain = name.rstrip("*")
    stars = len(name) - len(plain)
    form = Form(plain, arch, tuple(kinds.split()), bits.replace(" ", ""), stars, differ)
    FORMS.setdefault(plain, []).append(form)


def _moves() -> None:
    _form(V6, "mvns*", "rd rm", "0100001111 mmmddd")
    _form(V6, "movs*", "rd #i", "00100ddd iiiiiiii")
    _form(V6, "movs**", "rd rm", "00000000 00mmmddd")
    _form(V6, "mov", "Rd Rm", "01000110 dmmmmddd")
    _form(V6, "mov", "Rd sp", "01000110 d1101ddd")
    for s, code in (("", "0"), ("s", "1")):
        _form(V7, f"mov{s}", "Rd #const", f"11110i00010{code}1111 0iiiddddiiiiiiii")
        _form(V7, f"mvn{s}", "Rd #const", f"11110i00011{code}1111 0iiiddddiiiiiiii")
        _form(V7, f"mvn{s}", "Rd Rm~", f"11101010011{code}1111 0iiiddddiiyymmmm")
    _form(V7, "movs", "Rd Rm", "1110101001011111 0000dddd0000mmmm")
    for name in ("mov", "movw"):
        _form(V7, name, "Rd #z16", "11110i100100zzzz 0iiiddddiiiiiiii")
    _form(V7, "movt", "Rd #z16", "11110i101100zzzz 0iiiddddiiiiiiii")


def _sums() -> None:
    _form(V6, "adds*", "rd =d #i", "00110ddd iiiiiiii")
    _form(V6, "adds*", "rd rn #i", "0001110i iinnnddd")
    _form(V6, "adds*", "rd rn rm", "0001100m mmnnnddd")
    _form(V6, "add", "Rd =d Hm", "01000100 dmmmmddd")
    _form(V6, "add", "Rd Hm =d", "01000100 dmmmmddd")
    _form(V6, "add", "sp sp #i*4", "101100000iiiiiii")
    _form(V6, "add", "rd sp #i*4", "10101ddd iiiiiiii")
    _form(V6, "subs*", "rd =d #i", "00111ddd iiiiiiii")
    _form(V6, "subs*", "rd rn #i", "0001111i iinnnddd")
    _form(V6, "subs*", "rd rn rm", "0001101m mmnnnddd")
    _form(V6, "sub", "sp sp #i*4", "101100001iiiiiii")
    _form(V6, "negs*", "rd rm", "0100001001 mmmddd")
    _form(V6, "rsbs*", "rd rn #i", "0100001001 nnnddd")  # no bits for a number: 0
    for name, code, long in (("add", "1000", "0000"), ("sub", "1101", "0101")):
        _form(V7, name, "Rd Hn #const", f"11110i0{code}0nnnn 0iiiddddiiiiiiii")
        for other in (name, f"{name}w"):
            _form(V7, other, "Rd Hn #i", f"11110i1{long}0nnnn 0iiiddddiiiiiiii")
    _wide_alu("add", "1000", immediate="s")
    _wide_alu("sub", "1101", immediate="s")
    _wide_alu("rsb", "1110")


def _wide_alu(name: str, code: str, immediate: str = "*") -> None:
    """Thumb-2: a modified constant, or a register that may be shifted; with and without flags."""
    for s, flag in (("", "0"), ("s", "1")):
        if immediate in ("*", s):
            _form(V7, name + s, "Rd Rn #const", f"11110i0{code}{flag}nnnn 0iiiddddiiiiiiii")
        _form(V7, name + s, "Rd Rn Rm~", f"1110101{code}{flag}nnnn 0iiiddddiiyymmmm")


def _logic() -> None:
    narrow = (
        ("and", "0000", "0000"),
        ("eor", "0001", "0100"),
        ("adc", "0101", "1010"),
        ("orr", "1100", "0010"),
    )
    for name, code, wide in narrow:
        _form(V6, f"{name}s*", "rd =d rm", f"010000{code} mmmddd")
        _form(V6, f"{name}s*", "rd rm =d", f"010000{code} mmmddd")
        _wide_alu(name, wide)
    for name, code, wide in (("sbc", "0110", "1011"), ("bic", "1110", "0001")):
        _form(V6, f"{name}s*", "rd =d rm", f"010000{code} mmmddd")
        _wide_alu(name, wide)
    _wide_alu("orn", "0011")


def _compares() -> None:
    _form(V6, "cmp", "rn #i", "00101nnn iiiiiiii")
    _form(V6, "cmp", "rn rm", "0100001010 mmmnnn")
    _form(V6, "cmp", "Hn Rm", "01000101 nmmmmnnn")
    _form(V6, "cmn", "rn rm", "0100001011 mmmnnn")
    _form(V6, "tst", "rn rm", "0100001000 mmmnnn")
    for name, code in (("cmp", "1101"), ("cmn", "1000"), ("tst", "0000"), ("teq", "0100")):
        _form(V7, name, "Rn #const", f"11110i0{code}1nnnn 0iii1111iiiiiiii")
        _form(V7, name, "Rn Rm~", f"1110101{code}1nnnn 0iii1111iiyymmmm")


def _shifts() -> None:
    narrow = {"lsl": "00000", "lsr": "00001", "asr": "00010"}
    by_register = {"lsl": "0010", "lsr": "0011", "asr": "0100", "ror": "0111"}
    for number, (name, code) in enumerate(by_register.items()):
        count = {"lsl": "#i~31", "ror": "#i~31"}.get(name, "#i~32")
        if name in narrow:
            _form(V6, f"{name}s*", f"rd rm {count}", f"{narrow[name]}iii iimmmddd")
        _form(V6, f"{name}s*", "rd =d rm", f"010000{code} mmmddd")
        for s, flag in (("", "0"), ("s", "1")):
            kind = f"{number:02b}"
            _form(V7, name + s, f"Rd Rm {count}", f"11101010010{flag}1111 0iiiddddii{kind}mmmm")
            _form(V7, name + s, "Rd Rn Rm", f"111110100{kind}{flag}nnnn 1111dddd0000mmmm")


def _products() -> None:
    _form(V6, "muls*", "rd =d rm", "0100001101 mmmddd")
    _form(V6, "muls*", "rd rm =d", "0100001101 mmmddd")
    _form(V7, "mul", "Rd Rn Rm", "111110110000nnnn 1111dddd0000mmmm")
    _form(V7, "mla", "Rd Rn Rm Ra", "111110110000nnnn aaaadddd0000mmmm")
    _form(V7, "mls", "Rd Rn Rm Ra", "111110110000nnnn aaaadddd0001mmmm")
    _form(V7, "sdiv", "Rd Rn Rm", "111110111001nnnn 1111dddd1111mmmm")
    _form(V7, "udiv", "Rd Rn Rm", "111110111011nnnn 1111dddd1111mmmm")
    long = (("smull", "000"), ("umull", "010"), ("smlal", "100"), ("umlal", "110"))
    for name, code in long:
        _form(V7, name, "Rd Re Rn Rm", f"111110111{code}nnnn ddddeeee0000mmmm", "de")
    _form(DSP, "umaal", "Rd Re Rn Rm", "111110111110nnnn ddddeeee0110mmmm", "de")
    for name, code in (("smlald", "100"), ("smlsld", "101")):
        for x in (0, 1):
            bits = f"111110111{code}nnnn ddddeeee110{x}mmmm"
            _form(DSP, name + "x" * x, "Rd Re Rn Rm", bits, "de")
    _dual_products()


def _dual_products() -> None:
    for x in (0, 1):
        end = "x" * x
        for name, code in (("smuad", "010"), ("smusd", "100")):
            _form(DSP, name + end, "Rd Rn Rm", f"111110110{code}nnnn 1111dddd000{x}mmmm")
        for name, code in (("smlad", "010"), ("smlsd", "100")):
            _form(DSP, name + end, "Rd Rn Rm Ra", f"111110110{code}nnnn aaaadddd000{x}mmmm")
        r = "r" * x
        _form(DSP, "smmul" + r, "Rd Rn Rm", f"111110110101nnnn 1111dddd000{x}mmmm")
        _form(DSP, "smmla" + r, "Rd Rn Rm Ra", f"111110110101nnnn aaaadddd000{x}mmmm")
        _form(DSP, "smmls" + r, "Rd Rn Rm Ra", f"111110110110nnnn aaaadddd000{x}mmmm")
        for y in (0, 1):
            halves, code = "bt"[x] + "bt"[y], f"00{x}{y}"
            _form(DSP, "smul" + halves, "Rd Rn Rm", f"111110110001nnnn 1111dddd{code}mmmm")
            _form(DSP, "smla" + halves, "Rd Rn Rm Ra", f"111110110001nnnn aaaadddd{code}mmmm")
            bits = f"111110111100nnnn ddddeeee10{x}{y}mmmm"
            _form(DSP, "smlal" + halves, "Rd Re Rn Rm", bits, "de")
        half = "bt"[x]
        _form(DSP, "smulw" + half, "Rd Rn Rm", f"111110110011nnnn 1111dddd000{x}mmmm")
        _form(DSP, "smlaw" + half, "Rd Rn Rm Ra", f"111110110011nnnn aaaadddd000{x}mmmm")


def _fields() -> None:
    narrow = {"sxth": "00", "sxtb": "01", "uxth": "10", "uxtb": "11"}
    wide = {"sxth": "000", "uxth": "001", "sxtb16": "010", "uxtb16": "011"}
    wide |= {"sxtb": "100", "uxtb": "101"}
    for name, code in wide.items():
        if name in narrow:
            _form(V6, name, "rd rm", f"10110010{narrow[name]} mmmddd")
        arch = V7 if name in narrow else DSP
        _form(arch, name, "Rd Rm~ror", f"111110100{code}1111 1111dddd10oommmm")
        adding = name.replace("xt", "xta")
        _form(DSP, adding, "Rd Rn Rm~ror", f"111110100{code}nnnn 1111dddd10oommmm")
    for name, code in (("rev", "00"), ("rev16", "01"), ("revsh", "11")):
        _form(V6, name, "rd rm", f"10111010{code} mmmddd")
        _form(V7, name, "Rd Rm", f"111110101001mmmm 1111dddd10{code}mmmm")
    _form(V7, "ubfx", "Rd Rn #i #w+1", "111100111100nnnn 0iiiddddii0wwwww")
    _form(V7, "sbfx", "Rd Rn #i #w+1", "111100110100nnnn 0iiiddddii0wwwww")


def _saturating() -> None:
    _form(V7, "ssat", "Rd #k+1 Rn~sat", "1111001100y0nnnn 0iiiddddii0kkkkk")
    _form(V7, "usat", "Rd #k Rn~sat", "1111001110y0nnnn 0iiiddddii0kkkkk")
    _form(DSP, "ssat16", "Rd #k+1 Rn", "111100110010nnnn 0000dddd0000kkkk")
    _form(DSP, "usat16", "Rd #k Rn", "111100111010nnnn 0000dddd0000kkkk")
    for name, code in (("qadd", "00"), ("qdadd", "01"), ("qsub", "10"), ("qdsub", "11")):
        _form(DSP, name, "Rd Rm Rn", f"111110101000nnnn 1111dddd10{code}mmmm")


def _lanes() -> None:
    _form(DSP, "pkhbt", "Rd Rn Rm~lsl", "111010101100nnnn 0iiiddddii00mmmm")
    _form(DSP, "pkhtb", "Rd Rn Rm~asr", "111010101100nnnn 0iiiddddii10mmmm")
    _form(DSP, "sel", "Rd Rn Rm", "111110101010nnnn 1111dddd1000mmmm")
    kinds = {"add8": "000", "add16": "001", "asx": "010"}
    kinds |= {"sub8": "100", "sub16": "101", "sax": "110"}
    for sign, unsigned in (("s", "0"), ("u", "1")):
        saturating = {"s": "q", "u": "uq"}[sign]
        for prefix, code in ((sign, "00"), (saturating, "01"), (f"{sign}h", "10")):
            for name, kind in kinds.items():
                bits = f"111110101{kind}nnnn 1111dddd0{unsigned}{code}mmmm"
                _form(DSP, prefix + name, "Rd Rn Rm", bits)
    _form(DSP, "usad8", "Rd Rn Rm", "111110110111nnnn 1111dddd0000mmmm")
    _form(DSP, "usada8", "Rd Rn Rm Ra", "111110110111nnnn aaaadddd0000mmmm")


def _memory() -> None:
    # name, code by immediate, units, code by register, wide sign and size and direction
    table = (
        ("str", "01100", 4, "000", "0 10 0"),
        ("ldr", "01101", 4, "100", "0 10 1"),
        ("strb", "01110", 1, "010", "0 00 0"),
        ("ldrb", "01111", 1, "110", "0 00 1"),
        ("strh", "10000", 2, "001", "0 01 0"),
        ("ldrh", "10001", 2, "101", "0 01 1"),
        ("ldrsb", "", 1, "011", "1 00 1"),
        ("ldrsh", "", 2, "111", "1 01 1"),
    )
    for name, code, units, by_register, wide in table:
        sign, size, load = wide.split()
        if code:
            _form(V6, name, f"rt [rn,#i*{units}]", f"{code}iii iinnnttt")
        if units == 4:
            _form(V6, name, "rt [sp,#i*4]", f"1001{load}ttt iiiiiiii")
        _form(V6, name, "rt [rn,rm]", f"0101{by_register}m mmnnnttt")
        head = f"1111100{sign}"
        _form(V7, name, "Rt [Hn,#i]", f"{head}1{size}{load}nnnn ttttiiiiiiiiiiii")
        _form(V7, name, "Rt [Hn+-#i]", f"{head}0{size}{load}nnnn tttt1pswiiiiiiii")
        _form(V7, name, "Rt [Hn,Rm~lsl]", f"{head}0{size}{load}nnnn tttt000000iimmmm")
    for name, load in (("strd", "0"), ("ldrd", "1")):
        differ = "tu" if load == "1" else ""
        _form(V7, name, "Rt Ru [Hn+-#i*4]", f"1110100ps1w{load}nnnn ttttuuuuiiiiiiii", differ)


def _blocks() -> None:
    _form(V6, "push", "{l}", "1011010l llllllll")
    _form(V6, "pop", "{l}", "10111100 llllllll")
    _form(V7, "push", "{L}", "1110100100101101 llllllllllllllll")
    _form(V7, "pop", "{L}", "1110100010111101 llllllllllllllll")
    _form(V6, "stm", "rn! {l}", "11000nnn llllllll")
    _form(V6, "ldm", "rn! {l}", "11001nnn llllllll")
    _form(V6, "ldm", "rn {ln}", "11001nnn llllllll")
    for name, load in (("stm", "0"), ("ldm", "1")):
        _form(V7, name, "Rn! {L}", f"11101000101{load}nnnn llllllllllllllll")
        _form(V7, name, "Hn {L?}", f"11101000100{load}nnnn llllllllllllllll")


def _rest() -> None:
    _form(V6, "nop", "", "1011111100000000")
    _form(V6, "bx", "Hm", "010001110mmmm000")
    _form(V6, "blx", "Hm", "010001111mmmm000")
    _form(V7, "clz", "Rd Rm", "111110101011mmmm 1111dddd1000mmmm")
    _form(V7, "rbit", "Rd Rm", "111110101001mmmm 1111dddd1010mmmm")


for _add in (
    _moves, _sums, _logic, _compares, _shifts, _products, _fields, _saturating, _lanes, _memory,
    _blocks, _rest,
):  # fmt: skip
    _add()
