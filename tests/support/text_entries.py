"""A toy checkpoint with a text tower on the loopback hub, for tests."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from loopback_hub import COMMIT, LoopbackHub
from reference_text import State, random_text
from safetensors.torch import save, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from toys import toy

import omlzoo
from omlzoo.checkpoints.entry import Text
from omlzoo.checkpoints.entry import Tokenizer as Rules
from omlzoo.checkpoints.folder import save_folder
from omlzoo.checkpoints.weights import Weights
from omlzoo.models._extractor import Extractor

WORDS = {"</s>": 0, "end": 1, "red": 2, "blue": 3, "shoe": 4, "hat": 5, "with": 6, "white": 7, "sole": 8}


def publish(hub: LoopbackHub, repo: str, dim: int, *, pinned: bool = True) -> tuple[Text, State]:
    """A SigLIP-like tower of that dim and its tokenizer in a repository; their facts, and the file's tensors."""
    state = random_text(dim, 2, 6, 12, dim, seed=3, bias=True)
    sha256 = hub.publish(
        repo, "open_clip_model.safetensors", save({key: value.clone() for key, value in state.items()})
    )
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="</s>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    content = json.dumps(json.loads(tokenizer.to_str())).encode()
    hub.publish(repo, "tokenizer.json", content)
    rules = Rules(
        repo=repo, revision=COMMIT, file="tokenizer.json", sha256=hashlib.sha256(content).hexdigest() if pinned else None,
        clean="canonical", begin=None, end=1, pad=1,
    )  # fmt: skip
    text = Text(
        arch="siglip_text", params=sum(value.numel() for key, value in state.items() if key.startswith("text.")),
        arch_args={"dim": dim, "heads": 4, "depth": 2, "length": 6, "vocabulary": 12},
        repo=repo, revision=COMMIT if pinned else None, file="open_clip_model.safetensors", sha256=sha256 if pinned else None,
        size=None, tokenizer=rules, source="tests",
    )  # fmt: skip
    return text, state


def with_text(text: Text, folder: Path, normalize: bool = False) -> Extractor:
    """A saved toy ViT whose entry has that tower."""
    model = toy("vit_toy", normalize=normalize)
    assert isinstance(model.weights, Weights)
    model.weights = Weights(replace(model.weights.entry, text=text))
    model.save(folder)
    return omlzoo.get_model(folder)


def with_text_beside(text: Text, state: State, tokenizer: bytes, folder: Path) -> Extractor:
    """A toy ViT in a folder with that tower and tokenizer beside it, as fine-tuning with captions writes."""
    model = toy("vit_toy")
    entry = replace(model.entry, name=folder.name, text=text)
    tower = {key: value.clone() for key, value in state.items()}
    beside = {
        "text.safetensors": lambda path: save_file(tower, path),
        "tokenizer.json": lambda path: path.write_bytes(tokenizer),
    }
    save_folder(model.state_dict(), entry, folder, beside=beside)
    return omlzoo.get_model(folder)
