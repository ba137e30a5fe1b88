"""`enforce` where models come from a hub: downloads, the cache and its links, and the libraries that look there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import modelseal
import pytest

pytest.importorskip("numpy", reason="numpy is not installed")
pytest.importorskip("safetensors", reason="safetensors is not installed")
huggingface_hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")

from enforcing import Publisher, enforce, flip, refused, write_model, needs_posix, nothing_stays  # noqa: E402, F401
from fake_hub import FakeHub  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402

pytestmark = needs_posix


@pytest.fixture(scope="module")
def publisher(tmp_path_factory):
    return Publisher(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def policy(publisher):
    return publisher.policy(models=("hf://huggingface.co/acme/*",))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    served = FakeHub()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", served.endpoint)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", served.endpoint)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        served.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    )
    yield served
    served.close()


@pytest.fixture
def download(hub, tmp_path):
    def download(repository, name, **options):
        return huggingface_hub.hf_hub_download(
            repository, name, cache_dir=tmp_path / "cache", endpoint=hub.endpoint, **options
        )

    return download


def test_a_signed_model_is_downloaded_as_a_whole_and_loads(hub, publisher, policy, tmp_path, download):
    hub.publish("acme/toy", publisher.sign(write_model(tmp_path / "model")))
    with enforce(policy):
        config = download("acme/toy", "config.json")
        assert json.loads(Path(config).read_text()) == {"model_type": "toy"}
        weights = Path(config).with_name("model.safetensors")
        assert load_file(weights)["w"].sum() == 45
        assert Path(download("acme/toy", "model.sig")).name == "model.sig"
        assert huggingface_hub.try_to_load_from_cache("acme/toy", "config.json", cache_dir=tmp_path / "cache") == config
        with pytest.raises(huggingface_hub.errors.EntryNotFoundError):
            download("acme/toy", "nothing.json")


def test_of_an_unsigned_model_no_weights_are_fetched(hub, policy, tmp_path, download):
    hub.publish("acme/unsigned", write_model(tmp_path / "model"))
    with enforce(policy), refused("signature.missing"):
        download("acme/unsigned", "config.json")
    assert not [request for request in hub.requests if request.endswith("model.safetensors")]


def test_somebody_elses_repository_with_our_files_is_refused(hub, publisher, policy, tmp_path, download):
    hub.publish("evil/toy", publisher.sign(write_model(tmp_path / "model")))
    with enforce(policy), refused("policy.no-matching-rule"):
        download("evil/toy", "config.json")


def test_a_snapshot_is_judged_as_a_whole(hub, publisher, policy, tmp_path):
    def snapshot(repository, **options):
        return huggingface_hub.snapshot_download(
            repository, cache_dir=tmp_path / "cache", endpoint=hub.endpoint, **options
        )

    hub.publish("acme/toy", publisher.sign(write_model(tmp_path / "model")))
    hub.publish("acme/unsigned", write_model(tmp_path / "unsigned"))
    with enforce(policy):
        folder = snapshot("acme/toy", allow_patterns=["config.json"])
        assert load_file(f"{folder}/model.safetensors")["w"].sum() == 45
        with refused("signature.missing"):
            snapshot("acme/unsigned")


def test_offline_a_model_that_is_here_in_part_is_refused(hub, publisher, policy, tmp_path, download):
    hub.publish("acme/toy", publisher.sign(write_model(tmp_path / "model")))
    for name in ("config.json", "model.sig"):
        download("acme/toy", name)
    with enforce(policy), refused("integrity.file-missing"):
        download("acme/toy", "config.json", local_files_only=True)


def test_a_cache_is_read_through_links_into_its_own_blobs_only(hub, publisher, policy, tmp_path, download):
    hub.publish("acme/toy", publisher.sign(write_model(tmp_path / "model")))
    hub.publish("acme/evil", write_model(tmp_path / "evil", values=3))
    evil = os.path.realpath(download("acme/evil", "model.safetensors"))
    with enforce(policy):
        weights = Path(download("acme/toy", "model.safetensors"))
    blob = weights.resolve()
    with enforce(policy):
        # The blob itself, as code that resolves links opens it.
        assert load_file(blob)["w"].sum() == 45
        assert open(blob, "rb").read() == open(weights, "rb").read()
    good = os.readlink(weights)
    for target in (evil, os.path.relpath(evil, weights.parent), str(tmp_path / "evil/model.safetensors")):
        subprocess.run(["ln", "-sfn", target, weights], check=True)
        with enforce(policy):
            with pytest.raises(modelseal.ModelDenied):
                load_file(weights)
            with pytest.raises(modelseal.ModelDenied):
                open(weights, "rb").read()
            with pytest.raises(modelseal.ModelDenied):
                load_file(evil)
    subprocess.run(["ln", "-sfn", good, weights], check=True)
    with enforce(policy):
        load_file(weights)
        # Of a model that is open by now, where links lead was read: the verified bytes, or nothing.
        subprocess.run(["ln", "-sfn", evil, weights], check=True)
        try:
            assert load_file(weights)["w"].sum() == 45
        except modelseal.ModelDenied:
            pass
        subprocess.run(["ln", "-sfn", good, weights], check=True)
        flip(blob)
        with refused("integrity.digest-mismatch"):
            open(weights, "rb").read()
        with refused("integrity.digest-mismatch"):
            load_file(blob)


def test_a_dataset_is_no_model(hub, policy, tmp_path, download):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.json").write_text("{}")
    hub.publish("datasets/acme/data", tmp_path / "data")
    with enforce(policy):
        assert Path(download("acme/data", "x.json", repo_type="dataset")).read_text() == "{}"


def test_to_a_local_folder(hub, publisher, policy, tmp_path):
    hub.publish("acme/unsigned", write_model(tmp_path / "unsigned"))
    with enforce(policy), refused("signature.missing"):
        huggingface_hub.hf_hub_download(
            "acme/unsigned", "config.json", local_dir=tmp_path / "here", endpoint=hub.endpoint
        )


@pytest.fixture
def transformers(tmp_path, monkeypatch):
    """Transformers with a code cache of its own, as it would be on a machine with others' files in it."""
    module = pytest.importorskip("transformers", reason="transformers is not installed")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    yield module
    for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
        del sys.modules[name]


def write_tokenizer(folder: Path) -> None:
    import tokenizers

    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 1, "[UNK]": 2}, unk_token="[UNK]"))
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}'
    )
    (folder / "config.json").write_text('{"model_type": "bert", "hidden_size": 64}')


def test_transformers_reads_settings_and_tokenizers_that_were_verified(transformers, publisher, tmp_path):
    model = write_model(tmp_path / "model")
    write_tokenizer(model)
    publisher.sign(model)
    with enforce(publisher.policy("local", models=("file:///**",))):
        assert transformers.AutoConfig.from_pretrained(model).hidden_size == 64
        assert len(transformers.AutoTokenizer.from_pretrained(str(model))) == 3
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            flip(model / name)
            with refused("integrity.digest-mismatch"):
                transformers.AutoTokenizer.from_pretrained(model)
            with refused("integrity.digest-mismatch"):
                transformers.AutoConfig.from_pretrained(model)
            flip(model / name)
        unsigned = tmp_path / "unsigned"
        shutil.copytree(model, unsigned, ignore=shutil.ignore_patterns("model.sig"))
        with refused("signature.missing"):
            transformers.AutoConfig.from_pretrained(unsigned)


def test_transformers_from_the_hub(transformers, hub, publisher, policy, tmp_path):
    model = write_model(tmp_path / "model")
    write_tokenizer(model)
    hub.publish("acme/unsigned", model)
    hub.publish("acme/toy", publisher.sign(model))
    with enforce(policy):
        where = {"cache_dir": str(tmp_path / "cache")}
        assert transformers.AutoConfig.from_pretrained("acme/toy", **where).hidden_size == 64
        assert len(transformers.AutoTokenizer.from_pretrained("acme/toy", **where)) == 3
        with refused("signature.missing"):
            transformers.AutoConfig.from_pretrained("acme/unsigned", **where)
        with refused("signature.missing"):
            transformers.AutoTokenizer.from_pretrained("acme/unsigned", **where)


CODE = """
from transformers import PretrainedConfig

class ToyConfig(PretrainedConfig):
    model_type = "toy-with-code"
    made_by = "the publisher"
"""


def write_code(folder: Path, code: str = CODE) -> Path:
    folder.mkdir()
    (folder / "configuration_toy.py").write_text(code)
    settings = {"model_type": "toy-with-code", "auto_map": {"AutoConfig": "configuration_toy.ToyConfig"}}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


def test_a_models_own_code_runs_only_when_it_is_signed(transformers, publisher, tmp_path):
    policy = publisher.policy("local", models=("file:///**",))
    model = write_code(tmp_path / "model")
    publisher.sign(model)
    unsigned = write_code(tmp_path / "unsigned", "raise SystemExit('evil code ran')")

    def load(path):
        return transformers.AutoConfig.from_pretrained(path, trust_remote_code=True)

    with enforce(policy):
        assert load(model).made_by == "the publisher"
        with refused("signature.missing"):
            load(unsigned)
        flip(model / "configuration_toy.py")
        with refused("integrity.digest-mismatch"):
            load(model)


def test_code_that_lies_in_the_shared_cache_of_modules_does_not_run(transformers, publisher, tmp_path):
    """Whoever can write there would decide what is imported under a signed model's name."""
    policy = publisher.policy("local", models=("file:///**",))
    model = write_code(tmp_path / "model")
    publisher.sign(model)
    assert transformers.AutoConfig.from_pretrained(model, trust_remote_code=True).made_by == "the publisher"
    (copied,) = (tmp_path / "modules").rglob("configuration_toy.py")
    # Of the same size and time as the file that it was copied from, so that nobody sees a reason to copy it again.
    copied.write_text(CODE.replace("the publisher", "somebody else"[:13]))
    original = (model / "configuration_toy.py").stat()
    os.utime(copied, ns=(original.st_atime_ns, original.st_mtime_ns))
    for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
        del sys.modules[name]
    with enforce(policy):
        assert transformers.AutoConfig.from_pretrained(model, trust_remote_code=True).made_by == "the publisher"
    import transformers.dynamic_module_utils as code

    assert code.HF_MODULES_CACHE == str(tmp_path / "modules")
    assert not [path for path in sys.path if "modelseal-code-" in path]


def test_a_pipeline_of_the_community_is_refused(policy):
    pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("diffusers", reason="diffusers is not installed")
    from diffusers.utils import dynamic_modules_utils

    with enforce(policy), refused("signature.missing"):
        dynamic_modules_utils.get_cached_module_file("clip_guided_stable_diffusion", "pipeline.py")


def test_diffusers_reads_what_was_verified(publisher, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")
    network = diffusers.UNet2DModel(
        sample_size=8,
        block_out_channels=(8, 8),
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        norm_num_groups=4,
    )
    pipeline = tmp_path / "pipeline"
    diffusers.DDPMPipeline(network, diffusers.DDPMScheduler()).save_pretrained(pipeline)
    publisher.sign(pipeline)
    weight = next(iter(network.state_dict()))
    with enforce(publisher.policy("local", models=("file:///**",))):
        loaded = diffusers.DDPMPipeline.from_pretrained(pipeline)
        assert torch.equal(loaded.unet.state_dict()[weight], network.state_dict()[weight])
        for name in ("model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors"):
            flip(pipeline / name)
            with refused("integrity.digest-mismatch"):
                diffusers.DDPMPipeline.from_pretrained(pipeline)
            flip(pipeline / name)
        (pipeline / "model.sig").rename(tmp_path / "away")
    with enforce(publisher.policy("local", models=("file:///**",))):
        with refused("signature.missing"):
            diffusers.DDPMPipeline.from_pretrained(pipeline)
        with refused("signature.missing"):
            diffusers.UNet2DModel.from_pretrained(pipeline / "unet")


def test_an_adapter_that_is_pulled_at_run_time(hub, publisher, policy, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    peft = pytest.importorskip("peft", reason="peft is not installed")
    base = torch.nn.Sequential(torch.nn.Linear(4, 4))
    folder = tmp_path / "adapter"
    peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules=["0"], init_lora_weights=False)).save_pretrained(
        folder
    )
    hub.publish("acme/unsigned", folder)
    hub.publish("acme/lora", publisher.sign(folder))
    fresh = lambda: torch.nn.Sequential(torch.nn.Linear(4, 4))  # noqa: E731
    with enforce(policy):
        with refused("signature.missing"):
            peft.PeftModel.from_pretrained(fresh(), "acme/unsigned", cache_dir=str(tmp_path / "cache"))
        peft.PeftModel.from_pretrained(fresh(), "acme/lora", cache_dir=str(tmp_path / "cache"))
        with refused("policy.no-matching-rule"):  # where it lies has another name
            peft.PeftModel.from_pretrained(fresh(), str(folder))
