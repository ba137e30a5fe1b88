"""vLLM loads what modelseal verified.

`register` is the entry point that vLLM calls in each of its processes. It adds the load format `modelseal`, under which
every byte of a weight file is compared with what was signed before vLLM gets it, in memory of this process; and it puts the
policies in front of every LoRA adapter that is loaded later. vLLM is imported when it is there to be extended, so that the
rest of this module can be used and tested without it.
"""

from __future__ import annotations

import fnmatch
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import modelseal

LOAD_FORMAT = "modelseal"
"""What `--load-format` is called."""

_INDEX = "model.safetensors.index.json"
_KNOWN = ("policy", "models", "adapters", "policy_trust", "policy_unsigned")


class ConfigurationError(ValueError):
    """The settings of this plugin, or a model's layout, are not what they must be; the message says what to do."""


@dataclass(frozen=True)
class Settings:
    """Under which policies models and adapters are asked for, and by which names."""

    policies: tuple[str, ...] = ()
    """Policy files; all of them have to allow a model. Empty: nothing was configured."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Real path to reference, such as `hf://huggingface.co/acme/ranker`; the reference of others is `file://` and the path."""
    adapters: Mapping[str, str] = field(default_factory=dict)
    """Real path of a directory to reference: `NAME` in the directory is asked for as the reference, a slash and `NAME`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `modelseal.open_model`."""

    @classmethod
    def read(cls, environment: Mapping[str, str], extra: Mapping[str, Any] | None = None) -> Settings:
        """From `--model-loader-extra-config`, and what that does not say from the variables that `modelseal.enforce`
        takes (MODELSEAL_POLICY, MODELSEAL_MODELS, MODELSEAL_POLICY_TRUST, MODELSEAL_POLICY_UNSIGNED) and from
        MODELSEAL_ADAPTERS."""
        extra = dict(extra or {})
        unknown = sorted(str(name) for name in extra if name not in _KNOWN)
        if unknown:
            raise ConfigurationError(f"modelseal: there is no setting {unknown[0]!r}; there are {', '.join(_KNOWN)}")
        policies = extra.get("policy", environment.get("MODELSEAL_POLICY"))
        if isinstance(policies, str):
            policies = policies.split(os.pathsep)
        if not isinstance(policies, (list, type(None))) or not all(isinstance(p, str) and p for p in policies or []):
            raise ConfigurationError("modelseal: `policy` (MODELSEAL_POLICY) is the path of a policy, or several, none of them empty")
        options: dict[str, Any] = {}
        unsigned = extra.get("policy_unsigned", environment.get("MODELSEAL_POLICY_UNSIGNED") == "1")
        if not isinstance(unsigned, bool):
            raise ConfigurationError("modelseal: `policy_unsigned` is true or false")
        if unsigned:
            options["policy_unsigned"] = True
        trust = extra.get("policy_trust", environment.get("MODELSEAL_POLICY_TRUST"))
        if trust:
            options["policy_trust"] = trust
        return cls(
            tuple(policies or ()),
            _by_path("models", extra.get("models", environment.get("MODELSEAL_MODELS", ""))),
            _by_path("adapters", extra.get("adapters", environment.get("MODELSEAL_ADAPTERS", ""))),
            options,
        )

    def reference(self, path: str) -> str | None:
        """The name of what is at `path`, by where it really lies; None where nothing was said about it."""
        real = os.path.realpath(path)
        if real in self.models:
            return self.models[real]
        folder, name = os.path.split(real)
        return f"{self.adapters[folder]}/{name}" if folder in self.adapters else None

    def open(self, path: str) -> Any:
        """The model in the directory `path`, if the policies allow it; `modelseal.ModelDenied` otherwise. Signature and
        policy are judged now, bytes are compared as they are read."""
        if not self.policies:
            raise ConfigurationError("modelseal: no policy: set MODELSEAL_POLICY to the path of one")
        if not os.path.isdir(path):
            raise ConfigurationError(f"modelseal: there is no directory '{path}'; nothing is fetched from a hub: download the model first")
        return modelseal.open_model(path, policy=list(self.policies), as_=self.reference(path), **self.options)

    def enforce(self, path: str) -> Any:
        """A context in which what is read below `path` are verified bytes, by whatever reads it."""
        reference = self.reference(path) or "file://" + os.path.realpath(path)
        # The process may be held to policies since its start (MODELSEAL_POLICY), when nobody could name this model yet.
        modelseal.name_model(path, reference)
        return modelseal.enforce(list(self.policies), models={reference: path}, **self.options)


def _by_path(what: str, given: Any) -> dict[str, str]:
    """`REFERENCE=PATH;REFERENCE=PATH`, or an object of the same, by real path."""
    if isinstance(given, str):
        pairs = [part.strip().partition("=") for part in given.split(";") if part.strip()]
        given = {reference: path for reference, _, path in pairs}
    if not isinstance(given, dict) or not all(isinstance(p, str) and os.path.isabs(p) and r for r, p in given.items()):
        raise ConfigurationError(f"modelseal: `{what}` (MODELSEAL_{what.upper()}) has REFERENCE=PATH, separated by semicolons, with absolute paths")
    return {os.path.realpath(path): reference.rstrip("/") for reference, path in given.items()}


def weight_files(model: Any, patterns: Sequence[str] | None = None, folder: str = "") -> list[str]:
    """The safetensors files that make up a verified model: those that its index names, else all of `folder`. With
    `patterns`, the files of `folder` that match one of them."""
    prefix = f"{folder.strip('/')}/" if folder else ""
    here = [name for name in model.files if name.startswith(prefix) and "/" not in name[len(prefix) :]]
    if patterns is not None:
        here = [n for n in here if any(fnmatch.fnmatchcase(n[len(prefix) :], p) for p in patterns)]
    elif prefix + _INDEX in model.files:
        here = _indexed(model, prefix)
    chosen = sorted(n for n in set(here) if n.endswith(".safetensors"))
    if not chosen:
        raise ConfigurationError(f"modelseal: '{model.path}' has no safetensors weights, and --load-format modelseal loads no others")
    return chosen


def _indexed(model: Any, prefix: str) -> list[str]:
    try:
        names = set(json.loads(model.read(prefix + _INDEX))["weight_map"].values())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ConfigurationError(f"modelseal: '{prefix}{_INDEX}' of '{model.path}' is no index: {error!r}") from None
    signed = model.files
    missing = sorted(repr(n) for n in names if not isinstance(n, str) or prefix + n not in signed)
    if missing:
        raise ConfigurationError(f"modelseal: the index of '{model.path}' names {missing[0]}, which is no signed file of it")
    return [prefix + n for n in names]


def verified_tensors(model: Any, names: Sequence[str], framework: str = "torch") -> Iterator[tuple[str, Any]]:
    """The tensors of these files, one file after the other."""
    for name in names:
        tensors = model.safetensors(name, framework)
        for tensor in tensors:
            yield tensor, tensors[tensor]


_registered = False
# What the loader was configured with. The worker that loads the model is the process that loads its adapters.
_loader_settings: Settings | None = None


def register() -> None:
    """Adds the load format, and puts the policies in front of LoRA adapters. Called once or more in each process. Raises
    where vLLM has not the places that are needed, or the settings are wrong, which stops vLLM from starting."""
    global _registered
    if _registered:
        return
    from vllm.model_executor.model_loader import register_model_loader

    Settings.read(os.environ)
    register_model_loader(LOAD_FORMAT)(_model_loader())
    _guard_adapters()
    _registered = True


def _model_loader() -> type:
    from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

    class ModelsealLoader(DefaultModelLoader):
        """vLLM's own loader, with tensors whose bytes were compared with what was signed."""

        def __init__(self, load_config: Any) -> None:
            global _loader_settings
            extra = load_config.model_loader_extra_config
            if not isinstance(extra, dict):
                raise ConfigurationError("modelseal: --model-loader-extra-config is a JSON object")
            if load_config.safetensors_load_strategy == "torchao":
                raise ConfigurationError("modelseal: weights in torchao's own layout are not loaded by --load-format modelseal")
            self.settings = Settings.read(os.environ, extra)
            # The settings of its own that it looks for are not these.
            super().__init__(type(load_config)(load_format="safetensors"))
            self.load_config = load_config
            _loader_settings = self.settings

        def download_model(self, model_config: Any) -> None:
            """Fetches nothing; signature and policy are judged."""
            self.settings.open(model_config.model)

        def get_all_weights(self, model_config: Any, model: Any) -> Iterator[tuple[str, Any]]:
            """What vLLM's own loader would read: the model's tensors, and those that it wants from elsewhere."""
            self.counter_before_loading_weights = time.perf_counter()
            primary = self.settings.open(model_config.model)
            patterns = getattr(model, "allow_patterns_overrides", None)
            yield from verified_tensors(primary, weight_files(primary, patterns))
            for source in getattr(model, "secondary_weights", ()):
                opened = self.settings.open(source.model_or_path)
                files = weight_files(opened, source.allow_patterns_overrides, source.subfolder or "")
                for name, tensor in verified_tensors(opened, files):
                    yield source.prefix + name, tensor

        def load_weights(self, model: Any, model_config: Any) -> None:
            """As vLLM's own."""
            if model_config.quantization == "torchao":
                raise ConfigurationError("modelseal: weights in torchao's own layout are not loaded by --load-format modelseal")
            super().load_weights(model, model_config)

    return ModelsealLoader


def _guard_adapters() -> None:
    from vllm.exceptions import LoRAAdapterNotFoundError
    from vllm.lora.worker_manager import WorkerLoRAManager

    load = WorkerLoRAManager._load_adapter

    def load_verified(self: Any, lora_request: Any) -> Any:
        settings = _loader_settings or Settings.read(os.environ)
        if not settings.policies:
            return load(self, lora_request)
        if getattr(lora_request, "tensorizer_config_dict", None):
            # vLLM would read the tensors from where that says, and not from the adapter.
            raise ConfigurationError(
                f"modelseal: the adapter '{lora_request.lora_name}' has a tensorizer_config_dict, and nobody verifies what that names; leave it out"
            )
        path = os.path.expanduser(lora_request.lora_path)
        if not os.path.isdir(path):
            # vLLM would look for it on a hub.
            raise LoRAAdapterNotFoundError(lora_request.lora_name, lora_request.lora_path)
        with settings.enforce(path):
            return load(self, lora_request)

    WorkerLoRAManager._load_adapter = load_verified
