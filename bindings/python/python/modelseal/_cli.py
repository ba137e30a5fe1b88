"""The command line: the same program as the one without Python, in this process."""

import os
import signal
import sys
from typing import NoReturn

from . import _native


def main() -> NoReturn:
    """Runs ``modelseal`` with the arguments of this process and exits as it does."""
    _open_standard_descriptors()
    # Ctrl-C ends the program, as it does before any program has said otherwise.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Python ignores it, and what is ignored stays so for a command that `modelseal exec` becomes.
    if hasattr(signal, "SIGXFSZ"):
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    sys.exit(_native.main(["modelseal", *sys.argv[1:]]))


def _open_standard_descriptors() -> None:
    """Where one of the first three is closed, the next file that is opened would be taken for it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
