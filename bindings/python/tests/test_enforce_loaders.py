"""`enforce`: constructors that read files, packages, file objects that unpack others, and files that go away."""

from __future__ import annotations

import bz2
import copy
import gzip
import io
import json
import lzma
import pickle
import tarfile
from pathlib import Path

import modelseal
import pytest

numpy = pytest.importorskip("numpy", reason="numpy is not installed")
safetensors = pytest.importorskip("safetensors", reason="safetensors is not installed")

from enforcing import (  # noqa: E402, F401
    enforce,
    flip,
    model,
    needs_posix,
    nothing_stays,
    policy,
    publisher,
    refused,
    write_model,
)

from modelseal._hooks import gate  # noqa: E402

try:
    import tokenizers
    from tokenizers.models import BPE, WordLevel, WordPiece  # bound before anything is enforced
except ImportError:
    tokenizers = None

pytestmark = needs_posix
needs_tokenizers = pytest.mark.skipif(tokenizers is None, reason="tokenizers is not installed")


def write_vocabularies(folder: Path) -> Path:
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({"h": 0, "e": 1, "he": 2, "[UNK]": 3}))
    (folder / "merges.txt").write_text("#version: 0.2\nh e\n")
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhe\n")
    return folder


def vocabulary_loaders():
    models = tokenizers.models

    def encode(made):
        return tokenizers.Tokenizer(made).encode("he").ids

    return {
        "BPE(..)": lambda at: encode(BPE(f"{at}/vocab.json", f"{at}/merges.txt")),
        "models.BPE(vocab=..)": lambda at: encode(models.BPE(vocab=f"{at}/vocab.json", merges=f"{at}/merges.txt")),
        "BPE.from_file": lambda at: encode(BPE.from_file(f"{at}/vocab.json", f"{at}/merges.txt")),
        "BPE.from_file(vocab=..)": lambda at: encode(BPE.from_file(vocab=f"{at}/vocab.json", merges=f"{at}/merges.txt")),
        "BPE.read_file": lambda at: BPE.read_file(f"{at}/vocab.json", f"{at}/merges.txt"),
        "WordLevel(..)": lambda at: encode(WordLevel(f"{at}/vocab.json", "[UNK]")),
        "WordLevel.from_file": lambda at: encode(WordLevel.from_file(f"{at}/vocab.json", unk_token="[UNK]")),
        "WordPiece(..)": lambda at: encode(WordPiece(f"{at}/vocab.txt", unk_token="[UNK]")),
        "WordPiece.from_file": lambda at: encode(WordPiece.from_file(f"{at}/vocab.txt", unk_token="[UNK]")),
        "WordPiece.read_file": lambda at: WordPiece.read_file(f"{at}/vocab.txt"),
        "BertWordPieceTokenizer": lambda at: tokenizers.BertWordPieceTokenizer(f"{at}/vocab.txt").encode("he").ids,
        "ByteLevelBPETokenizer": lambda at: tokenizers.ByteLevelBPETokenizer(
            f"{at}/vocab.json", f"{at}/merges.txt"
        ).encode("he").ids,
    }


@needs_tokenizers
def test_vocabularies_are_read_from_verified_memory_by_constructors_too(publisher, policy, tmp_path):
    signed = publisher.sign(write_vocabularies(tmp_path / "signed"))
    unsigned = write_vocabularies(tmp_path / "unsigned")
    loaders = vocabulary_loaders()
    before = {name: load(signed) for name, load in loaders.items()}
    with enforce(policy):
        for name, load in loaders.items():
            assert load(signed) == before[name], name
            with refused("signature.missing"):
                load(unsigned)
    for name in ("vocab.json", "vocab.txt"):
        flip(signed / name)
    with enforce(policy):
        for load in loaders.values():
            with refused("integrity.digest-mismatch"):
                load(signed)
    assert {name: load(unsigned) for name, load in loaders.items()} == before


@needs_tokenizers
def test_transformers_tokenizers_that_are_given_vocabularies(publisher, policy, tmp_path):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    signed = publisher.sign(write_vocabularies(tmp_path / "signed"))
    unsigned = write_vocabularies(tmp_path / "unsigned")
    with enforce(policy):
        assert transformers.BertTokenizer(vocab=f"{signed}/vocab.txt")("he")["input_ids"] == [2, 5, 3]
        assert transformers.GPT2Tokenizer(f"{signed}/vocab.json", f"{signed}/merges.txt")("he")["input_ids"] == [2]
        with refused("signature.missing"):
            transformers.BertTokenizer(vocab=f"{unsigned}/vocab.txt")
        with refused("signature.missing"):
            transformers.GPT2Tokenizer(f"{unsigned}/vocab.json", f"{unsigned}/merges.txt")


@needs_tokenizers
def test_what_stands_for_a_class_is_used_as_one(policy):
    original = BPE
    made = BPE({"a": 0}, [])
    with enforce(policy):
        standing = tokenizers.models.BPE
        assert standing is not original and standing is BPE
        assert isinstance(standing, type) and isinstance(safetensors.safe_open, type)
        assert isinstance(made, standing) and not isinstance(WordLevel(), standing)
        assert isinstance(standing({"a": 0}, []), original) and issubclass(original, standing)

        for again in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
            assert isinstance(again, original) and repr(again) == repr(made)
        with pytest.raises(TypeError, match="not an acceptable base type"):
            type("Derived", (standing,), {})
        dumped = pickle.dumps(made)
    assert tokenizers.models.BPE is original and BPE is original
    assert repr(pickle.loads(dumped)) == repr(pickle.loads(pickle.dumps(made))) == repr(made)


def test_a_signed_file_that_was_taken_away_is_missed(model, policy, publisher, tmp_path):
    """A library that does not find a file does without it, and asks nobody."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    (model / "config.json").write_text('{"model_type": "bert", "hidden_size": 64}')
    publisher.sign(model)
    with enforce(policy):
        assert transformers.AutoConfig.from_pretrained(model).hidden_size == 64
        (model / "sub/vocab.txt").rename(tmp_path / "away")
        with refused("integrity.file-missing"):
            transformers.AutoConfig.from_pretrained(model)
        with refused("integrity.file-missing"):
            transformers.AutoTokenizer.from_pretrained(model)
        (tmp_path / "away").rename(model / "sub/vocab.txt")
        assert transformers.AutoConfig.from_pretrained(model).hidden_size == 64
        flip(model / "plain.npy")
        with refused("integrity.digest-mismatch"):
            transformers.AutoConfig.from_pretrained(model)


def test_a_file_that_goes_away_while_a_library_loads_is_missed(model, policy, publisher, tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    (model / "config.json").write_text('{"model_type": "bert", "hidden_size": 64}')
    publisher.sign(model)
    original = transformers.BertConfig.from_dict.__func__

    def from_dict(cls, *args, **kwargs):
        (model / "sub/vocab.txt").rename(tmp_path / "away")
        return original(cls, *args, **kwargs)

    with enforce(policy):
        monkeypatch.setattr(transformers.BertConfig, "from_dict", classmethod(from_dict))
        with refused("integrity.file-missing"):
            transformers.AutoConfig.from_pretrained(model)


def test_a_model_that_stays_as_it_is_is_decided_about_once(model, policy, publisher, monkeypatch):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    from modelseal._hooks import judge

    (model / "config.json").write_text('{"model_type": "bert", "hidden_size": 64}')
    publisher.sign(model)
    decided, original = [], judge.Judge._decide
    monkeypatch.setattr(judge.Judge, "_decide", lambda self, place: decided.append(place) or original(self, place))
    with enforce(policy):
        for _ in range(3):
            transformers.AutoConfig.from_pretrained(model)
    assert len(decided) == 1


def write_packed(folder: Path) -> Path:
    folder.mkdir()
    for name, how in (("x.gz", gzip.open), ("x.bz2", bz2.open), ("x.xz", lzma.open)):
        with how(folder / name, "wb") as file:
            pickle.dump({"a": 1}, file)
        with how(folder / f"array.{name}", "wb") as file:
            numpy.save(file, numpy.array([{"a": 1}], dtype=object), allow_pickle=True)
    with tarfile.open(folder / "x.tar", "w") as tar:
        data = pickle.dumps({"a": 1})
        member = tarfile.TarInfo("x.pkl")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return folder


@pytest.mark.parametrize("known", [False, True])
def test_file_objects_that_unpack_verified_ones_are_read(publisher, policy, tmp_path, known):
    signed, unsigned = publisher.sign(write_packed(tmp_path / "signed")), write_packed(tmp_path / "unsigned")
    with enforce(policy):
        if known:
            gate.admit(signed, "a test")
        for name, how in (("x.gz", gzip.open), ("x.bz2", bz2.open), ("x.xz", lzma.open)):
            with how(signed / name) as file:
                assert pickle.load(file) == {"a": 1}
            with how(signed / f"array.{name}") as file:
                assert numpy.load(file, allow_pickle=True)[0] == {"a": 1}
            with how(unsigned / name) as file:  # pickles of no model are no business of ours
                assert pickle.load(file) == {"a": 1}
            with how(unsigned / f"array.{name}") as file, refused("signature.missing"):
                numpy.load(file, allow_pickle=True)
        if known:
            with tarfile.open(signed / "x.tar") as tar:
                assert pickle.load(tar.extractfile("x.pkl")) == {"a": 1}
        for name in ("x.gz", "array.x.gz"):
            flip(signed / name)
            with pytest.raises(modelseal.ModelDenied), gzip.open(signed / name) as file:
                numpy.load(file, allow_pickle=True)


def test_packages_of_torch_are_code_that_has_to_be_signed(publisher, policy, tmp_path):
    torch_package = pytest.importorskip("torch.package", reason="torch is not installed")

    def write(folder):
        folder.mkdir()
        with torch_package.PackageExporter(folder / "code.pt") as exporter:
            exporter.save_source_string("toy", "made_by = 'the publisher'")
        return folder

    signed, unsigned = publisher.sign(write(tmp_path / "signed")), write(tmp_path / "unsigned")
    with enforce(policy):
        importer = torch_package.PackageImporter(str(signed / "code.pt"))
        assert importer.import_module("toy").made_by == "the publisher"
        with open(signed / "code.pt", "rb") as file:
            assert torch_package.PackageImporter(file).import_module("toy").made_by == "the publisher"
        with refused("signature.missing"):
            torch_package.PackageImporter(str(unsigned / "code.pt"))
        with refused("signature.missing"):
            torch_package.PackageImporter(file_or_buffer=unsigned / "code.pt")
        with refused("signature.missing"):
            torch_package.PackageImporter(io.BytesIO((unsigned / "code.pt").read_bytes()))
        with refused("error.unsupported"):
            torch_package.PackageImporter(str(signed))
        flip(signed / "code.pt")
        with refused("integrity.digest-mismatch"):
            torch_package.PackageImporter(str(signed / "code.pt"))


def test_functions_with_two_names_are_pickled_by_the_one_that_they_have(policy):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with enforce(policy):
        assert torch.load is torch.serialization.load
        assert pickle.loads(pickle.dumps(torch.load)) is torch.load
