"""Where files of models are found: the hub's cache and downloads, transformers, diffusers, PEFT, sentence-transformers.

A model is signed as a whole, so one that was downloaded in part is completed before it is judged.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import sys
import tempfile
from typing import Any

from . import gate
from .patching import Call, Point

#: What of a download's arguments says where from and how, for the rest of the same repository.
_HOW = ("cache_dir", "local_dir", "token", "endpoint", "headers", "local_files_only", "library_name", "user_agent")
#: Where the copies of models' code are imported from, by module.
_CODE = ("transformers.dynamic_module_utils", "diffusers.utils.dynamic_modules_utils")

#: Where models' code is put while something is enforced, and the process that may remove it.
_code_directory: str | None = None
_code_owner = 0
_code_before: dict[str, str] = {}


def points() -> list[Point]:
    """The hooks of this module."""
    methods = [
        ("transformers.modeling_utils", "PreTrainedModel"),
        ("transformers.tokenization_utils_base", "PreTrainedTokenizerBase"),
        ("transformers.configuration_utils", "PreTrainedConfig"),
        ("transformers.configuration_utils", "PretrainedConfig"),
        ("transformers.processing_utils", "ProcessorMixin"),
        ("transformers.models.auto.auto_factory", "_BaseAutoModelClass"),
        ("transformers.models.auto.tokenization_auto", "AutoTokenizer"),
        ("transformers.models.auto.configuration_auto", "AutoConfig"),
        ("transformers.models.auto.processing_auto", "AutoProcessor"),
        ("diffusers.pipelines.pipeline_utils", "DiffusionPipeline"),
        ("diffusers.models.modeling_utils", "ModelMixin"),
        ("peft.config", "PeftConfigMixin"),
    ]
    return [
        Point("huggingface_hub.file_download", "hf_hub_download", _download),
        Point("huggingface_hub.file_download", "try_to_load_from_cache", _from_cache),
        Point("huggingface_hub._snapshot_download", "snapshot_download", _snapshot),
        *(
            Point("transformers.utils.hub", name, _Entry(f"transformers.{name}", "path_or_repo_id", finds=True))
            for name in ("cached_files", "cached_file")
        ),
        *(
            Point(
                module,
                f"{name}.from_pretrained",
                _Entry(f"{name}.from_pretrained", "pretrained_model_name_or_path", at=1),
            )
            for module, name in methods
        ),
        Point(
            "diffusers.configuration_utils",
            "ConfigMixin.load_config",
            _Entry("diffusers load_config", "pretrained_model_name_or_path", at=1),
        ),
        Point(
            "diffusers.utils.hub_utils",
            "_get_model_file",
            _Entry("diffusers._get_model_file", "pretrained_model_name_or_path", finds=True),
        ),
        Point("diffusers.utils.dynamic_modules_utils", "get_cached_module_file", _diffusers_code),
        Point("torch.hub", "_load_local", _Entry("torch.hub.load", "hubconf_dir")),
        Point("peft.config", "PeftConfigMixin._get_peft_type", _Entry("peft", "model_id", at=1)),
        Point("peft.peft_model", "PeftModel.from_pretrained", _Entry("PeftModel.from_pretrained", "model_id", at=2)),
        Point("peft.utils.save_and_load", "load_peft_weights", _Entry("peft.load_peft_weights", "model_id")),
        *(
            Point(module, name, _Entry("sentence_transformers", "model_name_or_path", finds=True))
            for module in ("sentence_transformers.util.file_io", "sentence_transformers.util")
            for name in ("load_file_path", "load_dir_path")
        ),
        *(
            Point(module, "SentenceTransformer.__init__", _Entry("SentenceTransformer", "model_name_or_path", at=1))
            for module in (
                "sentence_transformers.sentence_transformer.model",
                "sentence_transformers.SentenceTransformer",
            )
        ),
        *(Point(module, "init_hf_modules", _private_code) for module in _CODE),
        *(Point(module, "get_class_in_module", _private_code) for module in _CODE),
    ]


class _Entry:
    """A function that is given a model: a directory is judged before it runs, a repository when its files come.

    A refusal comes out as what it is, also where the library makes another error of it.
    """

    def __init__(self, by: str, argument: str, at: int = 0, finds: bool = False) -> None:
        self._by, self._argument, self._at = by, argument, at
        #: Whether it returns paths in the model, or out of it: `subfolder` and names may say `..`.
        self._finds = finds

    def __call__(self, original: Call, *args: Any, **kwargs: Any) -> Any:
        model = args[self._at] if len(args) > self._at else kwargs.get(self._argument)
        here = isinstance(model, (str, bytes, os.PathLike)) and os.path.exists(model)
        if here:
            gate.admit(model, self._by)
        try:
            loaded = original(*args, **kwargs)
        except Exception as error:
            refusal = _refusal(error)
            if refusal is None or refusal is error:
                raise
            raise refusal from None
        if here:
            # What was taken away meanwhile the library has done without.
            gate.admit(model, self._by)
            if self._finds:
                for path in loaded if isinstance(loaded, (list, tuple)) else [loaded]:
                    if isinstance(path, (str, os.PathLike)):
                        gate.admit(path, self._by)
        return loaded


def restore() -> None:
    """Models' code is imported from where it was before."""
    global _code_directory
    for name, before in _code_before.items():
        module = sys.modules.get(name)
        if module is not None and "modelseal-code-" in getattr(module, "HF_MODULES_CACHE", ""):
            module.HF_MODULES_CACHE = before  # type: ignore[attr-defined]
    _code_before.clear()
    if _code_directory is not None:
        sys.path[:] = [path for path in sys.path if path != _code_directory]
        _remove_code()
        _code_directory = None


@atexit.register
def _remove_code() -> None:
    if _code_directory is not None and _code_owner == os.getpid():
        shutil.rmtree(_code_directory, ignore_errors=True)


def _download(original: Call, *args: Any, **kwargs: Any) -> Any:
    path = original(*args, **kwargs)
    repository = args[0] if args else kwargs.get("repo_id")
    if isinstance(path, (str, os.PathLike)) and _is_of_model(kwargs):
        _admit(path, repository, "hf_hub_download", kwargs)
    return path


def _from_cache(original: Call, *args: Any, **kwargs: Any) -> Any:
    path = original(*args, **kwargs)
    repository = args[0] if args else kwargs.get("repo_id")
    if isinstance(path, str) and _is_of_model(kwargs):
        where = args[2] if len(args) > 2 else kwargs.get("cache_dir")
        _admit(path, repository, "try_to_load_from_cache", {"cache_dir": where})
    return path


def _snapshot(original: Call, *args: Any, **kwargs: Any) -> Any:
    path = original(*args, **kwargs)
    repository = args[0] if args else kwargs.get("repo_id")
    if isinstance(path, (str, os.PathLike)) and _is_of_model(kwargs):
        _admit(path, repository, "snapshot_download", kwargs)
    return path


def _admit(path: Any, repository: Any, by: str, arguments: dict[str, Any]) -> None:
    """Judges what the hub's client has found, with the rest of the repository when that is not here yet."""
    if arguments.get("local_dir") is not None:
        gate.name(arguments["local_dir"], f"hf://huggingface.co/{repository}")
    gate.admit(path, by, functools.partial(_complete, path, repository, arguments))


def _complete(path: Any, repository: Any, arguments: dict[str, Any], code: str) -> bool:
    """Fetches the signatures first, and the rest of the repository only when somebody who is believed has signed it."""
    if code == "signature.missing":
        patterns: list[str] | None = ["model.sig", "*.sigstore.json", "*.intoto.jsonl"]
    elif code == "integrity.file-missing":
        patterns = None
    else:
        return False
    how = {name: arguments[name] for name in _HOW if arguments.get(name) is not None}
    revision = arguments.get("revision")
    if arguments.get("local_dir") is None:
        head, _, tail = os.path.abspath(path).rpartition(f"{os.sep}snapshots{os.sep}")
        revision = tail.split(os.sep)[0] if head else revision
    try:
        _whole_snapshot()(repository, revision=revision, allow_patterns=patterns, **how)
    except Exception:
        return False  # what was said about what is here stands
    return True


def _whole_snapshot() -> Any:
    """The client's own function, without our hook."""
    from huggingface_hub import snapshot_download

    return getattr(snapshot_download, "__modelseal_original__", snapshot_download)


def _is_of_model(kwargs: dict[str, Any]) -> bool:
    """Whether a caller asked for a model, and is not the download of a whole one, which is judged when it is here."""
    if kwargs.get("repo_type") not in (None, "model"):
        return False
    frame, depth = sys._getframe(2), 0
    while frame is not None and depth < 8:
        if frame.f_globals.get("__name__") == "huggingface_hub._snapshot_download":
            return False
        frame, depth = frame.f_back, depth + 1  # type: ignore[assignment]
    return True


def _diffusers_code(original: Call, *args: Any, **kwargs: Any) -> Any:
    """Pipelines of the community are code that no model's signature covers."""
    model = str(args[0] if args else kwargs.get("pretrained_model_name_or_path"))
    if os.path.exists(model):
        gate.admit(model, "diffusers custom code")
    elif "/" not in model:
        raise gate.refuse(
            "diffusers",
            model,
            "code of a community pipeline belongs to no signed model",
            "signature.missing",
            "put the pipeline's code into the model, and sign it",
        )
    return _private_code(original, *args, **kwargs)


def _private_code(original: Call, *args: Any, **kwargs: Any) -> Any:
    """Lets models' code be copied to, and imported from, a directory of this process alone.

    The usual one is kept between processes, where whoever can write there decides what is imported.
    """
    global _code_directory, _code_owner
    if _code_directory is None or _code_owner != os.getpid():
        _code_directory, _code_owner = tempfile.mkdtemp(prefix="modelseal-code-"), os.getpid()
    for name in _CODE:
        module = sys.modules.get(name)
        if module is not None and getattr(module, "HF_MODULES_CACHE", _code_directory) != _code_directory:
            _code_before.setdefault(name, module.HF_MODULES_CACHE)
            module.HF_MODULES_CACHE = _code_directory  # type: ignore[attr-defined]
    return original(*args, **kwargs)


def _refusal(error: BaseException) -> BaseException | None:
    """The refusal that an error was made of."""
    from modelseal import ModelsealError

    pending, seen = [error], 0
    while pending and seen < 64:
        current, seen = pending.pop(0), seen + 1
        if isinstance(current, ModelsealError):
            return current
        pending.extend(cause for cause in (current.__cause__, current.__context__) if cause is not None)
    return None
