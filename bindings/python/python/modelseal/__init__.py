"""Sign machine-learning models, verify them, and load the bytes that were verified.

>>> import modelseal
>>> modelseal.digest("my-model").root                                       # doctest: +SKIP
'sha256:f14a3d031e8866f20dc3748d072916a5bf674beb94feb3249f02cdf15b7d7ef9'
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from ._native import __version__ as __version__

if _TYPE_CHECKING:
    from ._api import digest as digest
    from ._api import sign as sign
    from ._api import verify as verify
    from ._enforce import enforce as enforce
    from ._enforce import name_model as name_model
    from ._errors import ModelDenied as ModelDenied
    from ._errors import ModelsealError as ModelsealError
    from ._errors import UndecidedError as UndecidedError
    from ._errors import UsageError as UsageError
    from ._files import VerifiedFile as VerifiedFile
    from ._model import Model as Model
    from ._model import open_model as open_model
    from ._results import Digest as Digest
    from ._results import Resource as Resource
    from ._results import Signed as Signed
    from ._results import Signer as Signer
    from ._results import Verified as Verified
    from ._safetensors import SafeTensors as SafeTensors
    from ._safetensors import TensorInfo as TensorInfo

# Imported when they are first asked for: the command line needs none of them.
_WHERE = {
    "enforce": "_enforce",
    "name_model": "_enforce",
    "digest": "_api",
    "sign": "_api",
    "verify": "_api",
    "ModelDenied": "_errors",
    "ModelsealError": "_errors",
    "UndecidedError": "_errors",
    "UsageError": "_errors",
    "VerifiedFile": "_files",
    "Model": "_model",
    "open_model": "_model",
    "Digest": "_results",
    "Resource": "_results",
    "Signed": "_results",
    "Signer": "_results",
    "Verified": "_results",
    "SafeTensors": "_safetensors",
    "TensorInfo": "_safetensors",
}

__all__ = ["__version__", *_WHERE]


def __getattr__(name: str) -> _Any:
    where = _WHERE.get(name)
    if where is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_import_module("." + where, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> "list[str]":
    return sorted({*globals(), *_WHERE})
