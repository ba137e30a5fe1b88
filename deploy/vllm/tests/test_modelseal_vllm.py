#!/usr/bin/env python3
"""Tests of modelseal_vllm, on models that the real program signed.

    test_modelseal_vllm.py MODELSEAL

The Python must have modelseal's package, safetensors and numpy. Where it has vLLM and torch, too, vLLM's own code loads a model and an
adapter through the plugin; on a machine without a GPU that much of vLLM runs. Otherwise these tests are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import types
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from safetensors.numpy import save_file

import modelseal
import modelseal_vllm
from modelseal_vllm import ConfigurationError, Settings

MODELSEAL = ""
POLICY = """\
schema = "modelseal.policy/v1"
id = "example.com/models"
version = 1
expires = {expires}

[signers.release]
kind = "key"
file = "release.pub"
spki-sha256 = "{fingerprint}"

[[rule]]
name = "ours"
models = ["hf://huggingface.co/example/*"]
mode = "enforce"
bind = "signer"
signature = {{ signers = ["release"] }}
"""


def has_vllm() -> str:
    """Empty, or why vLLM cannot be imported here."""
    try:
        import vllm.lora.worker_manager
        import vllm.model_executor.model_loader  # noqa: F401
    except ImportError as error:
        return f"vLLM cannot be imported: {error}"
    return ""


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.here = Path(tempfile.mkdtemp(prefix="modelseal-vllm-")).resolve()
        self.addCleanup(shutil.rmtree, self.here)
        said = self.modelseal("key", "generate", "--output", "release", "--algorithm", "p256", "--no-password")
        (fingerprint,) = [line.split()[-1] for line in said.splitlines() if line.startswith("fingerprint:")]
        expires = (datetime.now(timezone.utc) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
        (self.here / "policy.toml").write_text(POLICY.format(fingerprint=fingerprint, expires=expires))
        self.tensors = {
            "model.embed.weight": np.arange(4096, dtype=np.float32).reshape(64, 64),
            "lm_head.weight": np.ones((8, 64), dtype=np.float16),
        }

    def modelseal(self, *arguments: str) -> str:
        return subprocess.run([MODELSEAL, *arguments], cwd=self.here, check=True, stdout=subprocess.PIPE, text=True).stdout

    def sign(self, name: str, *options: str) -> Path:
        self.modelseal("sign", "key", name, "--private-key", "release.key", "--signature", f"{name}/model.sig", *options)
        return self.here / name

    def sharded(self, name: str = "sharded") -> Path:
        """A checkpoint in two files with an index, and a third one that no index names."""
        model = self.here / name
        model.mkdir(parents=True)
        for number, tensor in enumerate(self.tensors, 1):
            save_file({tensor: self.tensors[tensor]}, model / f"model-0000{number}-of-00002.safetensors")
        weight_map = {tensor: f"model-0000{n}-of-00002.safetensors" for n, tensor in enumerate(self.tensors, 1)}
        (model / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
        save_file(self.tensors, model / "consolidated.safetensors")
        (model / "config.json").write_text("{}")
        return self.sign(name)

    def environment(self, **more: str) -> dict[str, str]:
        models = ";".join(f"hf://huggingface.co/example/{n}={self.here}/{n}" for n in ("sharded", "single", "tiny"))
        given = {"MODELSEAL_POLICY": str(self.here / "policy.toml"), "MODELSEAL_POLICY_UNSIGNED": "1", "MODELSEAL_MODELS": models}
        return given | {"MODELSEAL_ADAPTERS": f"hf://huggingface.co/example={self.here}/adapters"} | more

    def settings(self) -> Settings:
        return Settings.read(self.environment())

    def flip(self, path: Path, at: int = -3) -> None:
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)


class Weights(Case):
    def load(self, path: Path) -> dict[str, np.ndarray]:
        model = self.settings().open(str(path))
        return dict(modelseal_vllm.verified_tensors(model, modelseal_vllm.weight_files(model), "numpy"))

    def assertTensors(self, loaded: dict[str, np.ndarray]) -> None:
        self.assertEqual(set(loaded), set(self.tensors))
        for name, tensor in self.tensors.items():
            np.testing.assert_array_equal(loaded[name], tensor)

    def test_what_the_index_names(self) -> None:
        path = self.sharded()
        model = self.settings().open(str(path))
        self.assertEqual(
            modelseal_vllm.weight_files(model), ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
        )
        self.assertEqual(modelseal_vllm.weight_files(model, ["consolidated*"]), ["consolidated.safetensors"])
        self.assertTensors(self.load(path))

    def test_without_an_index(self) -> None:
        (self.here / "single").mkdir()
        save_file(self.tensors, self.here / "single/model.safetensors")
        self.assertTensors(self.load(self.sign("single")))

    def test_signed_in_shards(self) -> None:
        (self.here / "single").mkdir()
        save_file(self.tensors, self.here / "single/model.safetensors")
        path = self.sign("single", "--method", "shards", "--shard-size", "1024")
        self.assertTensors(self.load(path))
        self.flip(path / "model.safetensors")
        with self.assertRaises(modelseal.ModelDenied):
            self.load(path)

    def test_while_the_whole_process_is_held_to_policies(self) -> None:
        path = self.sharded()
        with self.settings().enforce(str(path)):
            self.assertTensors(self.load(path))
            self.flip(path / "model-00001-of-00002.safetensors")
            with self.assertRaises(modelseal.ModelDenied):
                self.load(path)

    def test_an_adapter_while_the_whole_process_is_held_to_policies(self) -> None:
        from safetensors.numpy import load_file

        (self.here / "adapters/french").mkdir(parents=True)
        save_file(self.tensors, self.here / "adapters/french/adapter_model.safetensors")
        path = self.sign("adapters/french")
        with modelseal.enforce(self.here / "policy.toml", policy_unsigned=True):
            with self.settings().enforce(str(path)):
                self.assertTensors(load_file(path / "adapter_model.safetensors"))
                self.flip(path / "adapter_model.safetensors")
                with self.assertRaises(modelseal.ModelDenied):
                    load_file(path / "adapter_model.safetensors")

    def test_one_bit(self) -> None:
        for file in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"):
            with self.subTest(file):
                shutil.rmtree(self.here / "sharded", ignore_errors=True)
                path = self.sharded()
                self.flip(path / file)
                given: list[str] = []
                with self.assertRaises(modelseal.ModelDenied) as denied:
                    model = self.settings().open(str(path))
                    for name, _ in modelseal_vllm.verified_tensors(model, modelseal_vllm.weight_files(model), "numpy"):
                        given.append(name)
                self.assertEqual(denied.exception.code, "integrity.digest-mismatch")
                self.assertIn(file, str(denied.exception))
                # Nothing of the changed file was given out.
                changed = [t for n, t in enumerate(self.tensors, 1) if f"0000{n}-of" in file]
                self.assertFalse(set(changed) & set(given))

    def test_changed_after_it_was_opened(self) -> None:
        path = self.sharded()
        model = self.settings().open(str(path))
        tensors = modelseal_vllm.verified_tensors(model, modelseal_vllm.weight_files(model), "numpy")
        next(tensors)
        self.flip(path / "model-00002-of-00002.safetensors")
        with self.assertRaises(modelseal.ModelDenied):
            list(tensors)

    def test_nobody_signed_it(self) -> None:
        path = self.sharded()
        (path / "model.sig").unlink()
        with self.assertRaises(modelseal.ModelDenied):
            self.settings().open(str(path))

    def test_an_index_that_lies(self) -> None:
        for index in (
            '{"weight_map": {"a": "../../etc/passwd"}}',
            '{"weight_map": {"a": "missing.safetensors"}}',
            '{"weight_map": {"a": 7}}',
            '{"weight_map": []}',
            "[1]",
            "nonsense",
            "[" * 100_000,
        ):
            with self.subTest(index[:40]):
                shutil.rmtree(self.here / "single", ignore_errors=True)
                (self.here / "single").mkdir()
                (self.here / "single/model.safetensors.index.json").write_text(index)
                path = self.sign("single")
                model = self.settings().open(str(path))
                with self.assertRaises(ConfigurationError):
                    modelseal_vllm.weight_files(model)

    def test_pickles_are_no_weights(self) -> None:
        (self.here / "single").mkdir()
        (self.here / "single/pytorch_model.bin").write_bytes(b"\x80\x04.")
        model = self.settings().open(str(self.sign("single")))
        with self.assertRaisesRegex(ConfigurationError, "no safetensors weights"):
            modelseal_vllm.weight_files(model)


class Configuration(Case):
    def test_names(self) -> None:
        settings = self.settings()
        self.assertEqual(settings.reference(str(self.here / "sharded")), "hf://huggingface.co/example/sharded")
        (self.here / "adapters/french").mkdir(parents=True)
        self.assertEqual(settings.reference(f"{self.here}/adapters/french"), "hf://huggingface.co/example/french")
        # A path that a request brings cannot borrow a name: it counts where it really leads.
        (self.here / "adapters/link").symlink_to(self.here)
        self.assertIsNone(settings.reference(f"{self.here}/adapters/link"))
        self.assertIsNone(settings.reference(f"{self.here}/adapters/french/../../elsewhere"))

    def test_the_command_line_comes_first(self) -> None:
        settings = Settings.read(self.environment(), {"policy": "/a.toml", "policy_unsigned": False, "models": {"hf://x/y/z": "/m"}})
        self.assertEqual((settings.policies, settings.options), (("/a.toml",), {}))
        self.assertEqual(settings.models, {"/m": "hf://x/y/z"})

    def test_the_entry_point(self) -> None:
        text = (Path(modelseal_vllm.__file__).parent / "pyproject.toml").read_text()
        self.assertIn('[project.entry-points."vllm.general_plugins"]\nmodelseal = "modelseal_vllm:register"\n', text)

    def test_wrong_ones_are_told(self) -> None:
        for extra in (
            {"polices": "/a.toml"},
            {"policy": ""},
            {"policy": 7},
            {"policy": ["/a.toml", ""]},
            {"policy_unsigned": "yes"},
            {"models": {"hf://x/y/z": "relative"}},
            {"adapters": "no pair"},
        ):
            with self.subTest(extra), self.assertRaises(ConfigurationError):
                Settings.read({}, extra)
        with self.assertRaises(ConfigurationError):
            Settings.read(self.environment(MODELSEAL_POLICY=""))
        with self.assertRaisesRegex(ConfigurationError, "MODELSEAL_POLICY"):
            Settings.read({}).open(str(self.here))
        with self.assertRaisesRegex(ConfigurationError, "nothing is fetched"):
            self.settings().open("acme/ranker")


class Guard(Case):
    """The guard in front of adapters, around a stand-in for the one method of vLLM that it takes the place of. `WithVllm` runs it
    around vLLM's own."""

    def test_tensors_from_elsewhere(self) -> None:
        loaded: list[str] = []

        class NotFound(Exception):
            def __init__(self, name: str, path: str) -> None:
                super().__init__(path)

        class Manager:
            def _load_adapter(self, request: types.SimpleNamespace) -> None:
                loaded.append(request.lora_name)

        names = ("vllm", "vllm.exceptions", "vllm.lora", "vllm.lora.worker_manager")
        modules = {name: types.ModuleType(name) for name in names}
        modules["vllm.exceptions"].LoRAAdapterNotFoundError = NotFound  # type: ignore[attr-defined]
        modules["vllm.lora.worker_manager"].WorkerLoRAManager = Manager  # type: ignore[attr-defined]
        path = str(self.sharded("adapters/french"))
        # `mock.patch.dict(sys.modules)` would take away, too, what is imported meanwhile.
        here = {name: sys.modules[name] for name in names if name in sys.modules}
        self.addCleanup(lambda: ([sys.modules.pop(name, None) for name in names], sys.modules.update(here)))
        sys.modules.update(modules)
        with mock.patch.dict(os.environ, self.environment()):
            modelseal_vllm._guard_adapters()
            request = types.SimpleNamespace(lora_name="french", lora_path=path, tensorizer_config_dict=None)
            Manager()._load_adapter(request)
            self.assertEqual(loaded, ["french"])
            request.tensorizer_config_dict = {"tensorizer_dir": str(self.here)}
            with self.assertRaisesRegex(ConfigurationError, "tensorizer_config_dict"):
                Manager()._load_adapter(request)
            request.tensorizer_config_dict = None
            request.lora_path = "somebody/adapter"
            with self.assertRaises(NotFound):
                Manager()._load_adapter(request)
        self.assertEqual(loaded, ["french"])


NO_VLLM = has_vllm() if os.environ.get("MODELSEAL_TEST_VLLM") else "MODELSEAL_TEST_VLLM is not set"


@unittest.skipIf(NO_VLLM, NO_VLLM)
class WithVllm(Case):
    """vLLM's own code, as far as it runs without a GPU."""

    def setUp(self) -> None:
        super().setUp()
        before = dict(os.environ)
        self.addCleanup(lambda: (os.environ.clear(), os.environ.update(before)))
        os.environ.update(self.environment())
        modelseal_vllm.register()
        # As in a process that has loaded no model yet.
        modelseal_vllm._loader_settings = None

    def loader(self):
        from vllm.config.load import LoadConfig
        from vllm.model_executor.model_loader import get_model_loader

        return get_model_loader(LoadConfig(load_format="modelseal"))

    def test_vllm_finds_the_plugin(self) -> None:
        from vllm.model_executor.model_loader import get_model_loader  # noqa: F401
        from vllm.plugins import load_plugins_by_group

        found = load_plugins_by_group("vllm.general_plugins")
        self.assertIs(found["modelseal"], modelseal_vllm.register)
        modelseal_vllm.register()
        self.assertEqual(type(self.loader()).__name__, "ModelsealLoader")

    def test_a_model_is_loaded_by_vllms_loader(self) -> None:
        import torch
        from vllm.config import DeviceConfig, VllmConfig, set_current_vllm_config

        path = self.sharded()

        class Model(torch.nn.Module):
            """With the method that vLLM's models have, and vLLM's function that fills a parameter."""

            def __init__(self) -> None:
                super().__init__()
                self.model = torch.nn.Module()
                self.model.embed = torch.nn.Embedding(64, 64)
                self.lm_head = torch.nn.Linear(64, 8, bias=False, dtype=torch.float16)

            def load_weights(self, weights):
                from vllm.model_executor.model_loader.weight_utils import default_weight_loader

                parameters, loaded = dict(self.named_parameters()), set()
                for name, tensor in weights:
                    default_weight_loader(parameters[name], tensor)
                    loaded.add(name)
                return loaded

        config = types.SimpleNamespace(model=str(path), revision=None, quantization=None, is_moe=False, multimodal_config=None)
        with set_current_vllm_config(VllmConfig(device_config=DeviceConfig(device="cpu"))):
            loader, model = self.loader(), Model()
            loader.download_model(config)
            loader.load_weights(model, config)
            for name, parameter in model.named_parameters():
                np.testing.assert_array_equal(parameter.detach().numpy(), self.tensors[name])
            self.flip(path / "model-00001-of-00002.safetensors")
            with self.assertRaises(modelseal.ModelDenied):
                self.loader().load_weights(Model(), config)
            config.model = "acme/ranker"
            with self.assertRaisesRegex(ConfigurationError, "nothing is fetched"):
                self.loader().download_model(config)

    def adapter(self, name: str) -> Path:
        import torch
        from safetensors.torch import save_file as save_torch

        path = self.here / "adapters" / name
        path.mkdir(parents=True)
        prefix = "base_model.model.model.layers.0.self_attn.q_proj"
        save_torch(
            {f"{prefix}.lora_A.weight": torch.ones(4, 16), f"{prefix}.lora_B.weight": torch.full((16, 4), 2.0)},
            path / "adapter_model.safetensors",
        )
        config = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "peft_type": "LORA"}
        (path / "adapter_config.json").write_text(json.dumps(config))
        return self.sign(f"adapters/{name}")

    def load_adapter(self, path: str):
        import torch
        from vllm.config.lora import LoRAConfig
        from vllm.lora import lora_model
        from vllm.lora.lora_model import LoRAModel
        from vllm.lora.request import LoRARequest
        from vllm.lora.worker_manager import WorkerLoRAManager

        # Memory that a GPU can read from, where there is none.
        lora_model.PIN_MEMORY = False
        # A worker's manager without its model, which needs a GPU.
        manager = WorkerLoRAManager.__new__(WorkerLoRAManager)
        manager.lora_config = LoRAConfig(max_lora_rank=16, lora_dtype=torch.float32)
        manager.max_position_embeddings = None
        manager.vocab_size = 32
        manager._lora_model_cls = LoRAModel
        manager._adapter_manager = types.SimpleNamespace(
            supported_lora_modules=["q_proj"],
            packed_modules_mapping={},
            model=torch.nn.Module(),
            moe_ep_load_spec=None,
            _validate_moe_lora_format=lambda lora: None,
            _validate_classification_head_lora=lambda lora: None,
        )
        return manager._load_adapter(LoRARequest("french", 1, path))

    def test_adapters(self) -> None:
        import torch
        from vllm.exceptions import LoRAAdapterNotFoundError

        path = self.adapter("french")
        lora = self.load_adapter(str(path))
        layer = lora.get_lora("model.layers.0.self_attn.q_proj")
        self.assertTrue(torch.equal(layer.lora_a, torch.ones(4, 16)))

        for file in ("adapter_model.safetensors", "adapter_config.json"):
            with self.subTest(file):
                shutil.rmtree(path)
                path = self.adapter("french")
                self.flip(path / file)
                with self.assertRaises(modelseal.ModelDenied) as denied:
                    self.load_adapter(str(path))
                self.assertEqual(denied.exception.code, "integrity.digest-mismatch")
        shutil.rmtree(path)
        path = self.adapter("french")
        (path / "model.sig").unlink()
        with self.assertRaises(modelseal.ModelDenied):
            self.load_adapter(str(path))
        # vLLM would look for it on the hub.
        with self.assertRaises(LoRAAdapterNotFoundError):
            self.load_adapter("somebody/adapter")


if __name__ == "__main__":
    MODELSEAL = str(Path(sys.argv.pop(1)).resolve())
    unittest.main()
