"""vLLM loads what modelseal verified.

`register` is the entry point that vLLM calls in each of its processes. It adds the load format `modelseal`, under which
every byte of a weight file is compared with what was signed before vLLM gets it, from memory that nobody can write; and it
puts the same in front of every LoRA adapter that is loaded later. vLLM is imported when it is there to be extended, so
that the rest of this module can be used and tested without it.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import modelseal

LOAD_FORMAT = "modelseal"
"""What `--load-format` is called."""

_INDEX = "model.safetensors.index.json"
# The two files of an adapter that vLLM reads. The same in pickle is not handed over: loading it can run code.
_ADAPTER = ("adapter_config.json", "adapter_model.safetensors")


class ConfigurationError(ValueError):
    """The settings of this plugin are incomplete or wrong; the message says which, and what to write."""


@dataclass(frozen=True)
class Settings:
    """Under which policies models and adapters are asked for, and by which names."""

    policies: tuple[str, ...] = ()
    """Policy files; all of them have to allow the model. Empty: nothing was configured."""
    reference: str | None = None
    """The model's name, such as `hf://huggingface.co/acme/ranker`; `file://` and its path unless given."""
    policy_unsigned: bool = False
    """Obey policies that nobody signed, wherever they lie."""
    adapters: Mapping[str, str] = field(default_factory=dict)
    """Directory to reference: an adapter `NAME` in the directory is asked for as the reference, a slash and `NAME`."""

    @classmethod
    def read(cls, environment: Mapping[str, str], extra: Mapping[str, Any] | None = None) -> Settings:
        """From `--model-loader-extra-config`, and where that is silent from MODELSEAL_POLICY, MODELSEAL_AS,
        MODELSEAL_POLICY_UNSIGNED and MODELSEAL_ADAPTERS."""
        extra = dict(extra or {})
        policy = extra.pop("policy", None)
        if policy is None:
            policy = [p for p in environment.get("MODELSEAL_POLICY", "").split(os.pathsep) if p]
        policies = [policy] if isinstance(policy, str) else policy
        reference = extra.pop("as", environment.get("MODELSEAL_AS") or None)
        unsigned = extra.pop("policy_unsigned", environment.get("MODELSEAL_POLICY_UNSIGNED") == "1")
        adapters = extra.pop("adapters", None)
        if adapters is None:
            adapters = _pairs(environment.get("MODELSEAL_ADAPTERS", ""))
        if extra:
            raise ConfigurationError(
                f"modelseal: no such setting: {', '.join(sorted(map(str, extra)))}; there are policy, as, policy_unsigned, adapters"
            )
        if not isinstance(policies, list) or not all(isinstance(p, str) and p for p in policies):
            raise ConfigurationError("modelseal: `policy` is a path or a list of paths")
        if reference is not None and not isinstance(reference, str):
            raise ConfigurationError("modelseal: `as` is a reference, such as hf://huggingface.co/acme/ranker")
        if not isinstance(unsigned, bool):
            raise ConfigurationError("modelseal: `policy_unsigned` is true or false")
        if not isinstance(adapters, dict) or not all(
            isinstance(d, str) and os.path.isabs(d) and isinstance(r, str) and r for d, r in adapters.items()
        ):
            raise ConfigurationError("modelseal: `adapters` has an absolute directory and a reference in each pair")
        return cls(tuple(policies), reference, unsigned, {os.path.realpath(d): r.rstrip("/") for d, r in adapters.items()})

    def open(self, path: str, reference: str | None) -> Any:
        """The model at `path`, if the policies allow it; `modelseal.ModelDenied` otherwise. Signature and policy are
        judged now, bytes are compared as they are read."""
        if not self.policies:
            raise ConfigurationError(
                "modelseal: no policy: set MODELSEAL_POLICY, or --model-loader-extra-config '{\"policy\": \"/etc/modelseal/policy.toml\"}'"
            )
        return modelseal.open_model(
            path, policy=list(self.policies), as_=reference, policy_unsigned=self.policy_unsigned
        )

    def adapter_reference(self, path: str) -> str | None:
        """The name of the adapter at `path`, by where it really lies; None where no directory was named for it."""
        real = os.path.realpath(path)
        for directory, reference in self.adapters.items():
            if os.path.dirname(real) == directory:
                return f"{reference}/{os.path.basename(real)}"
        return None


def _pairs(text: str) -> dict[str, str]:
    pairs = {}
    for pair in filter(None, (p.strip() for p in text.split(","))):
        directory, equals, reference = pair.partition("=")
        if not equals:
            raise ConfigurationError(f"modelseal: MODELSEAL_ADAPTERS has DIRECTORY=REFERENCE, separated by commas, not '{pair}'")
        pairs[directory] = reference
    return pairs


def weight_files(model: Any, patterns: Sequence[str] | None = None, folder: str = "") -> list[str]:
    """The safetensors files that make up a verified model: those that its index names, else all of `folder`. With
    `patterns`, the files of `folder` that match one of them."""
    prefix = f"{folder.strip('/')}/" if folder else ""
    here = [name for name in model.files if name.startswith(prefix) and "/" not in name[len(prefix) :]]
    if patterns is not None:
        chosen = [n for n in here if any(fnmatch.fnmatchcase(n[len(prefix) :], p) for p in patterns)]
    elif prefix + _INDEX in model.files:
        chosen = _indexed(model, prefix)
    else:
        chosen = here
    chosen = sorted(n for n in set(chosen) if n.endswith(".safetensors"))
    if not chosen:
        raise ConfigurationError(
            f"modelseal: '{model.path}' has no safetensors weights; --load-format modelseal loads nothing else"
        )
    return chosen


def _indexed(model: Any, prefix: str) -> list[str]:
    try:
        names = set(json.loads(model.read(prefix + _INDEX))["weight_map"].values())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ConfigurationError(f"modelseal: '{prefix}{_INDEX}' of '{model.path}' is no index: {error}") from None
    missing = sorted(n for n in names if not isinstance(n, str) or prefix + n not in model.files)
    if missing:
        raise ConfigurationError(f"modelseal: the index of '{model.path}' names {missing[0]!r}, which was not signed")
    return [prefix + n for n in names]


def verified_tensors(model: Any, names: Sequence[str], framework: str = "pt") -> Iterator[tuple[str, Any]]:
    """The tensors of these files, one file in memory at a time: a sealed one, which was compared with what was signed."""
    from safetensors import safe_open

    for name in names:
        descriptor = model.descriptor(name)
        try:
            opened = safe_open(f"/proc/self/fd/{descriptor}", framework=framework)
        finally:
            # What was opened has the memory mapped.
            os.close(descriptor)
        with opened as tensors:
            for tensor in tensors.keys():
                yield tensor, tensors.get_tensor(tensor)


@contextlib.contextmanager
def verified_adapter(settings: Settings, path: str) -> Iterator[str]:
    """A directory that looks like the adapter at `path`, whose files are sealed memory with verified bytes. It lasts as
    long as the context."""
    model = settings.open(path, settings.adapter_reference(path))
    missing = [name for name in _ADAPTER if name not in model.files]
    if missing:
        raise ConfigurationError(f"modelseal: the adapter '{path}' has no signed {missing[0]}; other formats are not loaded")
    descriptors: list[int] = []
    directory = tempfile.mkdtemp(prefix="modelseal-adapter-")
    try:
        for name in _ADAPTER:
            descriptors.append(model.descriptor(name))
            os.symlink(f"/proc/self/fd/{descriptors[-1]}", os.path.join(directory, name))
        yield directory
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
        shutil.rmtree(directory, ignore_errors=True)


_registered = False
# What the loader was configured with. The worker that loads the model is the process that loads its adapters.
_loader_settings: Settings | None = None


def register() -> None:
    """Adds the load format, and puts verification in front of LoRA loading. Called once or more in each process. Raises
    where vLLM has not the places that are needed, which stops it from starting."""
    global _registered
    if _registered:
        return
    from vllm.model_executor.model_loader import register_model_loader

    # A mistake in the environment is told at the start, not with the first adapter.
    Settings.read(os.environ)
    register_model_loader(LOAD_FORMAT)(_model_loader())
    _guard_adapters()
    _registered = True


def _model_loader() -> type:
    from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

    class ModelsealLoader(DefaultModelLoader):
        """Weights whose bytes were compared with what was signed."""

        def __init__(self, load_config: Any) -> None:
            global _loader_settings
            extra = load_config.model_loader_extra_config
            if not isinstance(extra, dict):
                raise ConfigurationError("modelseal: --model-loader-extra-config is a JSON object")
            self.settings = Settings.read(os.environ, extra)
            _loader_settings = self.settings
            plain = load_config.__class__(load_format="safetensors")
            super().__init__(plain)
            self.load_config = load_config

        def download_model(self, model_config: Any) -> None:
            """Nothing is downloaded; signature and policy are judged."""
            self._open(model_config.model, self.settings.reference)

        def get_all_weights(self, model_config: Any, model: Any) -> Iterator[tuple[str, Any]]:
            """The tensors that vLLM's own loader would yield."""
            if getattr(self.load_config, "safetensors_load_strategy", None) == "torchao":
                raise ConfigurationError("modelseal: weights in torchao's own layout are not loaded by --load-format modelseal")
            import time

            self.counter_before_loading_weights = time.perf_counter()
            primary = self._open(model_config.model, self.settings.reference)
            patterns = getattr(model, "allow_patterns_overrides", None)
            yield from verified_tensors(primary, weight_files(primary, patterns))
            for source in getattr(model, "secondary_weights", ()):
                if os.path.realpath(source.model_or_path) == os.path.realpath(model_config.model):
                    opened = primary
                else:
                    # Another model: under its own name.
                    opened = self._open(source.model_or_path, self.settings.adapter_reference(source.model_or_path))
                files = weight_files(opened, source.allow_patterns_overrides, source.subfolder or "")
                for name, tensor in verified_tensors(opened, files):
                    yield source.prefix + name, tensor

        def _open(self, path: str, reference: str | None) -> Any:
            if not Path(path).is_dir():
                raise ConfigurationError(
                    f"modelseal: '{path}' is not a directory here; --load-format modelseal loads no model from a hub: download it first"
                )
            return self.settings.open(path, reference)

    return ModelsealLoader


def _guard_adapters() -> None:
    import msgspec
    from vllm.exceptions import LoRAAdapterNotFoundError
    from vllm.lora.worker_manager import WorkerLoRAManager

    load = WorkerLoRAManager._load_adapter

    def load_verified(self: Any, lora_request: Any) -> Any:
        settings = _loader_settings or Settings.read(os.environ)
        if not settings.policies:
            return load(self, lora_request)
        path = os.path.expanduser(lora_request.lora_path)
        if not os.path.isdir(path):
            # vLLM would look for it on a hub.
            raise LoRAAdapterNotFoundError(lora_request.lora_name, lora_request.lora_path)
        with verified_adapter(settings, path) as directory:
            return load(self, msgspec.structs.replace(lora_request, lora_path=directory))

    WorkerLoRAManager._load_adapter = load_verified
