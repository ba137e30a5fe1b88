"""Writes inputs that are made to take a reader's time and memory: hostile.py DIRECTORY prints `name<TAB>bytes of the
largest pickle in it` for each. They run nothing and hold no payload; the sizes are what hurts."""

import bz2
import gzip
import io
import lzma
import pathlib
import random
import struct
import sys
import tarfile
import zipfile
import zlib

MIB = 1 << 20
GIB = 1 << 30


def pickles():
    """Raw pickles, by name."""
    p4 = b"\x80\x04"
    yield "memo_place_of_a_billion", p4 + b"Nr" + struct.pack("<I", 10**9) + b"."
    yield "memo_places_far_apart", p4 + b"N" + b"".join(b"r" + struct.pack("<I", n * 4000) for n in range(1_000_000)) + b"."
    yield "memo_of_many_entries", p4 + b"N" + b"\x94" * (40 * MIB) + b"."
    yield "text_of_a_gigabyte_claimed", p4 + b"\x8d" + struct.pack("<Q", GIB) + b"x."
    yield "text_of_2_to_the_63_claimed", p4 + b"\x8e" + struct.pack("<Q", 1 << 63) + b"x."
    yield "texts_of_four_kibibytes", p4 + (b"X" + struct.pack("<I", 4096) + b"a" * 4096 + b"0") * 10_000 + b"N."
    yield "deep_tuples", p4 + b"N" + b"\x85" * (16 * MIB) + b"."
    yield "deep_lists", p4 + b"]" * (8 * MIB) + b"a" * (8 * MIB - 1) + b"."
    yield "marks", b"(" * (16 * MIB) + b"."
    yield "empty_tuples", p4 + b")" * (16 * MIB) + b"."
    yield "empty_dicts", p4 + b"}" * (16 * MIB) + b"."
    yield "values_doubled", p4 + b"]" + b"2\x86" * (4 * MIB) + b"."
    long = b"X" + struct.pack("<I", 4096)
    names = p4 + long + b"m" * 4096 + b"q\x00" + long + b"n" * 4096 + b"q\x01"
    yield "names_named_again", names + b"h\x00h\x01\x930" * (2 * MIB) + b"N."
    yield "names_all_different", b"\x80\x02" + b"".join(b"cm%d\nn\n0" % n for n in range(1_000_000)) + b"N."
    yield "names_of_16_kibibytes", b"\x80\x02" + b"".join(b"c" + b"%06d" % n + b"m" * 16_000 + b"\nn\n0" for n in range(1000)) + b"N."
    many = b"(" + b"N" * 100_000 + b"tq\x01"
    yield "call_with_the_same_arguments", b"\x80\x02c_codecs\nencode\nq\x00" + many + b"h\x00h\x01R0" * 500_000 + b"."
    yield "dangerous_calls", b"\x80\x02cos\nsystem\n" + b"2)R0" * (2 * MIB) + b"."
    yield "attribute_names", b"\x80\x02c" + b"a." * 8000 + b"\n" + b"b." * 8000 + b"\n" + b"2)R0" * MIB + b"."
    yield "state_set_again", b"\x80\x02ccollections\nOrderedDict\n)R}" + b"(" + b"U\x01aN" * 50_000 + b"uq\x00b" + b"h\x00b" * MIB + b"."
    yield "line_without_end", b"V" + b"a" * (64 * MIB)
    yield "number_without_end", b"L" + b"9" * (32 * MIB) + b"L\n."
    yield "pickles_in_a_row", b"N." * (8 * MIB)
    yield "pickles_that_break", b"\x80\x02\xff" * (8 * MIB)
    inner = b"gASV" + b"A" * 4090
    yield "pickles_hidden_in_text", p4 + (b"X" + struct.pack("<I", len(inner)) + inner + b"0") * 5000 + b"N."
    inner = b"\x80\x04" + b"N0" * 2000 + b"N."
    yield "pickles_hidden_in_bytes", p4 + (b"B" + struct.pack("<I", len(inner)) + inner + b"0") * 5000 + b"N."
    rng = random.Random(1)
    yield "random_opcodes", p4 + bytes(rng.choices(b"()]}N012tae\x85\x86\x87\x94hq", k=4 * MIB))


def zipped(members, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def shared(data, times):
    """An archive whose directory has one member many times."""
    one = zipped([("a", data)])
    end = one.rindex(b"PK\x05\x06")
    start = one.index(b"PK\x01\x02", end - 200)
    directory = one[start:end] * times
    return one[:start] + directory + b"PK\x05\x06\0\0\0\0" + struct.pack("<HHIIH", times, times, len(directory), start, 0)


def zeros(pack, count=GIB, head=b""):
    """`count` zeros through a compressor, a piece at a time."""
    piece, out = bytes(MIB), [pack.compress(head)]
    for _ in range(count // MIB):
        out.append(pack.compress(piece))
    return b"".join([*out, pack.flush()])


def containers():
    """Pairs of name and bytes, and how large the largest pickle in them is."""
    giant = b"\x80\x04\x8e" + struct.pack("<Q", GIB)
    deflated = zeros(zlib.compressobj(9, wbits=-15), GIB, giant)
    yield "zip_of_a_gigabyte_of_bytes.pt", raw_zip("archive/data.pkl", deflated, GIB + 11), GIB
    yield "gzip_of_a_gigabyte.pkl.gz", zeros(zlib.compressobj(9, wbits=31)), 0
    yield "gzip_of_gzip.gz", gzip.compress(gzip.compress(zeros(zlib.compressobj(9, wbits=31)))), 0
    yield "bzip2_of_a_gigabyte.bz2", bz2.compress(bz2.compress(bytes(256 * MIB))) , 0
    yield "xz_of_zeros.xz", zeros(lzma.LZMACompressor(preset=9), 512 * MIB), 0
    rng = random.Random(2)
    noise = rng.randbytes(15 * MIB)
    inner = noise
    for _ in range(4):
        inner = lzma.compress(inner, preset=9)
    yield "xz_in_xz.xz", inner, 0
    big = lzma.compress(rng.randbytes(4096) * (20 * 256) + noise * 5, preset=9)
    yield "xz_of_a_large_window.xz", big, 0
    for _ in range(3):
        big = lzma.compress(big, preset=9)
    yield "xz_of_large_windows.xz", big, 0
    inner = noise
    for _ in range(12):
        inner = zipped([("inner.zip", inner)])
    yield "zip_in_zip.zip", inner, 0
    inner = b"N."
    for _ in range(100):
        inner = zipped([("inner.zip", inner)], zipfile.ZIP_STORED)
    yield "zip_a_hundred_deep.zip", inner, 2
    inner = b"\x80\x02}."
    for _ in range(3):
        inner = shared(inner, 1000)
    yield "zip_of_shared_members.zip", inner, 4
    yield "zip_of_a_shared_bomb.zip", shared(bytes(64 * MIB), 60_000), 0
    yield "zip_of_small_pickles.zip", zipped([(f"{n}.pkl", b"\x80\x02}.") for n in range(60_000)], zipfile.ZIP_STORED), 4
    yield "zip_of_long_names.zip", zipped([(f"{n}" + "n" * 60_000, b"") for n in range(1000)], zipfile.ZIP_STORED), 0
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for n in range(100_000):
            archive.addfile(tarfile.TarInfo(f"{n}.pkl"))
    yield "tar_of_many_members.tar", tar.getvalue(), 0
    yield "tar_of_many_members.tar.gz", gzip.compress(tar.getvalue()), 0
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (" + b"1," * 30_000 + b"), }"
    yield "npy_of_many_dimensions.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header + b"N.", 2
    header = b"{'descr': " + b"[" * 30_000 + b"]" * 30_000 + b", }"
    yield "npy_of_deep_header.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header, 0


def raw_zip(name, deflated, size):
    """One member that is compressed already. The checksum is not right; nobody gets that far."""
    common = struct.pack("<HHHIIIHH", 8, 0, 0, 0, len(deflated), size, len(name), 0)
    local = b"PK\x03\x04\x14\0\0\0" + common + name.encode() + deflated
    central = b"PK\x01\x02\x14\0\x14\0\0\0" + common + bytes(10) + bytes(4) + name.encode()
    return local + central + b"PK\x05\x06\0\0\0\0" + struct.pack("<HHIIH", 1, 1, len(central), len(local), 0)


def main():
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)

    def write(name, data, largest):
        (directory / name).write_bytes(data)
        print(f"{name}\t{largest}", flush=True)

    for name, data in pickles():
        write(f"{name}.pkl", data, len(data))
    for name, data, largest in containers():
        write(name, data, largest)
    # A gigabyte that is really there, as a hole in the file.
    with open(directory / "text_of_a_gigabyte.pkl", "wb") as file:
        file.write(b"\x80\x04\x8d" + struct.pack("<Q", GIB))
        file.seek(GIB, io.SEEK_CUR)
        file.write(b".")
    print(f"text_of_a_gigabyte.pkl\t{GIB}")


if __name__ == "__main__":
    main()
