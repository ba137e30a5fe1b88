#!/usr/bin/env python3
"""Writes the 7z archives of the tests into 7z/, with py7zr: one for each way of packing."""

import pathlib

import py7zr

HERE = pathlib.Path(__file__).parent / "7z"
WAYS = {
    "copy": [{"id": py7zr.FILTER_COPY}],
    "lzma": [{"id": py7zr.FILTER_LZMA}],
    "lzma2": [{"id": py7zr.FILTER_LZMA2, "preset": 1}],
    "bcj": [{"id": py7zr.FILTER_X86}, {"id": py7zr.FILTER_LZMA2, "preset": 1}],
    "delta": [{"id": py7zr.FILTER_DELTA}, {"id": py7zr.FILTER_LZMA2, "preset": 1}],
    "bzip2": [{"id": py7zr.FILTER_BZIP2}],
    "deflate": [{"id": py7zr.FILTER_DEFLATE}],
    "ppmd": [{"id": py7zr.FILTER_PPMD, "order": 6, "mem": 20}],
}


def fill(archive):
    archive.writestr("text " * 200, "m/README.md")
    archive.writestr(b"\x80\x04K\x01.", "m/a.pkl")
    archive.writestr(b"", "m/empty.txt")
    archive.writestr("more", "m/notes.txt")


def main():
    HERE.mkdir(exist_ok=True)
    for name, filters in WAYS.items():
        with py7zr.SevenZipFile(HERE / f"{name}.7z", "w", filters=filters) as archive:
            fill(archive)
    with py7zr.SevenZipFile(HERE / "aes.7z", "w", password="p") as archive:
        fill(archive)
    with py7zr.SevenZipFile(HERE / "aes_names.7z", "w", password="p", header_encryption=True) as archive:
        fill(archive)
    with py7zr.SevenZipFile(HERE / "plain_header.7z", "w") as archive:
        archive.set_encoded_header_mode(False)
        fill(archive)
    with py7zr.SevenZipFile(HERE / "evil.7z", "w") as archive:
        archive.writestr("text", "a.txt")
        archive.writestr(b"cos\nsystem\n(S'true'\ntR.", "b/data.pkl")


if __name__ == "__main__":
    main()
