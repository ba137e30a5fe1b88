"""Imported by `modelseal.pth` in each process that starts with MODELSEAL_POLICY set."""

from __future__ import annotations

import os

from ._enforce import from_environment

from_environment(os.environ).install()
