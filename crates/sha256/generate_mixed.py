#!/usr/bin/env python3
"""Writes src/kernels/mixed.s: SHA-256 of four messages, the rounds by SHA instructions, the message schedule of the
next two blocks of every message by AVX-512VL (eight lanes: four messages by two blocks) between them.

    generate_mixed.py            write the file
    generate_mixed.py --check    compare it with what would be written; exit status 1 if it differs

The function, in the System V calling convention (src/kernels/mixed.rs is its one caller):

    rdi  values: 8 vectors of 16 bytes, ABEF of the four messages, then CDGH; aligned to 16
    rsi  four pointers to the messages' blocks
    rdx  pairs of blocks to take from every message, at least 1
    rcx  scratch of 4096 bytes, aligned to 64
    r8   the 64 round constants
    r9   a byte shuffle that turns each 32-bit word round, 32 bytes

The schedule (W + K of all 64 rounds, eight lanes) of one pair of blocks is written to one half of the scratch while
the rounds read the other half. While the last pair is in its rounds its own blocks are scheduled once more, so
nothing after them is read.

xmm0 is the operand of sha256rnds2, xmm1-8 hold the values, all vector registers above are the schedule's. Only
32-byte vectors are used. The caller's rbx, rbp, r12-r15 are saved; the stack is used for nothing else.
"""

import os
import sys

LANES = 4
PAIRS = 32  # of rounds, in one block
HALF = 2048  # bytes of W + K for two blocks of four messages
BIAS = 1024  # keeps displacements within the half in one byte more often
POINTERS = ["%r8", "%r9", "%r10", "%r11"]
ABEF = [f"%xmm{1 + i}" for i in range(LANES)]
CDGH = [f"%xmm{1 + LANES + i}" for i in range(LANES)]
# The upper sixteen first: an SSE instruction never has to merge with them.
POOL = [f"%ymm{i}" for i in range(16, 32)] + [f"%ymm{i}" for i in range(1 + 2 * LANES, 16)]
# Slot k of an unpacked pair holds vector lane SLOT[k].
SLOT = [0, 1, 4, 5, 2, 3, 6, 7]


class Schedule:
    """The instructions of the message schedule, over registers that are still to be allotted: (text, result,
    sources), `{0}`, `{1}` the sources and `{d}` the result in the text."""

    def __init__(self):
        self.code = []
        self.made = 0
        w = {}
        for pair in range(PAIRS):
            t = 2 * pair
            if t in (0, 8):
                w.update(self.load(t))
            if t >= 16:
                for x in (t, t + 1):
                    w[x] = self.next_word(w[x - 16], w[x - 15], w[x - 7], w[x - 2])
            first, second = (self.op(f"vpaddd {4 * x}(%r13){{{{1to8}}}},{{0}},{{d}}", w[x]) for x in (t, t + 1))
            for half, unpack in enumerate(("vpunpckldq", "vpunpckhdq")):
                both = self.op(f"{unpack} {{1}},{{0}},{{d}}", first, second)
                self.code.append((f"vmovdqa64 {{0}},{64 * pair + 32 * half - BIAS}(%rcx)", None, (both,)))

    def op(self, text, *sources):
        self.made += 1
        self.code.append((text, self.made, sources))
        return self.made

    def load(self, t):
        """Words t to t + 7 of the eight blocks, a vector of eight lanes for each word."""
        lane_of = {lane: flat for flat, lane in enumerate(SLOT)}
        rows = []
        for lane in range(8):
            message, block = divmod(lane_of[lane], 2)
            raw = self.op(f"vmovdqu64 {64 * block + 4 * t}({POINTERS[message]}),{{d}}")
            rows.append(self.op("vpshufb (%r14),{0},{d}", raw))
        two = lambda name, x, y: self.op(f"{name} {{1}},{{0}},{{d}}", x, y)
        pairs = []
        for i in range(4):
            pairs += [two(f"vpunpck{end}dq", rows[2 * i], rows[2 * i + 1]) for end in "lh"]
        quads = []
        for i in range(2):
            for j in range(2):
                quads += [two(f"vpunpck{end}qdq", pairs[4 * i + j], pairs[4 * i + 2 + j]) for end in "lh"]
        words = {}
        for i in range(4):
            words[t + i] = self.op("vinserti32x4 $1,{1x},{0},{d}", quads[i], quads[4 + i])
            words[t + 4 + i] = self.op("vshufi64x2 $3,{1},{0},{d}", quads[i], quads[4 + i])
        return words

    def next_word(self, w16, w15, w7, w2):
        one = lambda name, n, x: self.op(f"{name} ${n},{{0}},{{d}}", x)
        add = lambda x, y: self.op("vpaddd {1},{0},{d}", x, y)
        xor3 = lambda *x: self.op("xor3", *x)
        total = add(w16, w7)
        total = add(total, xor3(one("vprord", 7, w15), one("vprord", 18, w15), one("vpsrld", 3, w15)))
        return add(total, xor3(one("vprord", 17, w2), one("vprord", 19, w2), one("vpsrld", 10, w2)))


def allot(sequence):
    """Gives the schedule's values registers. `sequence` mixes finished lines and schedule instructions."""
    last = {}
    for at, item in enumerate(sequence):
        if not isinstance(item, str):
            last.update({value: at for value in item[2]})
    free, register, lines = list(POOL), {}, []
    for at, item in enumerate(sequence):
        if isinstance(item, str):
            lines.append(item)
            continue
        text, result, sources = item
        held = [register[value] for value in sources]
        dying = [value for value in dict.fromkeys(sources) if last[value] == at]
        if text == "xor3":  # the result replaces a source, which must not be needed again
            into = dying[0]
            x, y = (register[value] for value in sources if value != into)
            lines.append(f"vpternlogd $0x96,{x},{y},{register[into]}")
            register[result] = register[into]
            free += [register[value] for value in dying[1:]]
            continue
        free += [register[value] for value in dying]
        names = {}
        if result is not None:
            names["d"] = register[result] = free.pop() if dying else free.pop(0)
        if "{1x}" in text:  # the lower half of the second source
            text = text.replace("{1x}", held[1].replace("ymm", "xmm"))
        lines.append(text.format(*held, **names))
    return lines


def rounds(block, group):
    """Four rounds of the four messages: one list of lines for each SHA instruction and its operand."""
    out = []
    for half in (0, 1):
        for message in range(LANES):
            at = (2 * group + half) * 64 + (2 * message + block) * 8 - BIAS
            a, c = ABEF[message], CDGH[message]
            into = f"sha256rnds2 {a},{c}" if half == 0 else f"sha256rnds2 {c},{a}"
            out.append([f"vmovq {at}(%rax),%xmm0", into])
    return out


def body():
    """The rounds of two blocks, the schedule of the next two spread evenly between them."""
    schedule = Schedule().code
    lines, taken, step = [], 0, 0
    for block in range(2):
        for group in range(16):
            step += 1
            until = step * len(schedule) // 32
            share, taken = schedule[taken:until], until
            steps = rounds(block, group)
            done = 0
            for n, sha in enumerate(steps):
                end = (n + 1) * len(share) // len(steps)
                lines += sha + share[done:end]
                done = end
        values = ABEF + CDGH
        lines += [f"vpaddd {16 * i}(%rdi),{x},{x}" for i, x in enumerate(values)]
        lines += [f"vmovdqa {x},{16 * i}(%rdi)" for i, x in enumerate(values)]
    return allot(lines)


def program():
    saved = ["rbx", "rbp", "r12", "r13", "r14", "r15"]
    out = ["# Written by generate_mixed.py, which explains it. Do not edit.", ".cfi_startproc", "endbr64"]
    for name in saved:
        out += [f"push %{name}", ".cfi_adjust_cfa_offset 8", f".cfi_rel_offset %{name},0"]
    out += ["mov %r8,%r13", "mov %r9,%r14", "mov %rdx,%r12"]
    out += [f"lea {BIAS}(%rcx),%rax", f"lea {HALF + BIAS}(%rcx),%r15"]
    out += [f"mov {8 * i}(%rsi),{p}" for i, p in enumerate(POINTERS)]
    out += [f"vmovdqa {16 * i}(%rdi),{x}" for i, x in enumerate(ABEF + CDGH)]
    out += ["mov %rax,%rcx"] + allot(Schedule().code) + ["mov %r15,%rcx"]
    # In the loop rax is the half that the rounds read and rcx the half that the schedule writes.
    out += [".p2align 6", "2:", "xor %edx,%edx", "mov $128,%esi", "cmp $1,%r12", "cmove %rdx,%rsi"]
    out += [f"add %rsi,{p}" for p in POINTERS]
    out += body()
    out += ["xchg %rax,%rcx", "dec %r12", "jnz 2b", "vzeroupper"]
    for name in reversed(saved):
        out += [f"pop %{name}", ".cfi_adjust_cfa_offset -8", f".cfi_restore %{name}"]
    out += ["ret", ".cfi_endproc"]
    return "\n".join(out) + "\n"


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "src", "kernels", "mixed.s")
    if sys.argv[1:] == ["--check"]:
        with open(path, encoding="ascii") as file:
            if file.read() != program():
                sys.exit(f"{path} is not what generate_mixed.py writes: run it, or undo the edit")
    elif not sys.argv[1:]:
        with open(path, "w", encoding="ascii") as file:
            file.write(program())
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
