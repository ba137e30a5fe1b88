"""``python -m modelseal``: the command line."""

from ._cli import main

main()
