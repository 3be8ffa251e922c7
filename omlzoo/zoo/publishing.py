"""Publishing a checkpoint on the Hugging Face Hub, with its entry and a model card."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from omlzoo.checkpoints import hub
from omlzoo.checkpoints.entry import Entry, dump_entry
from omlzoo.checkpoints.entry_rules import name_of
from omlzoo.checkpoints.fetch_text import fetch_text, fetch_tokenizer
from omlzoo.checkpoints.folder import ENTRY, TEXT, TOKENIZER, WEIGHTS, weights_of
from omlzoo.checkpoints.timm_config import to_config
from omlzoo.errors import BadInput, notice
from omlzoo.files import settled
from omlzoo.jsonio import read_json
from omlzoo.pages.render import model_card
from omlzoo.zoo.registry import get_weights

__all__ = ["push"]

FENCE = "```"
LONGEST = 100_000  # bytes of a recipe


def push(run: str | Path, repo: str, *, private: bool = False, overwrite: bool = False) -> str:
    """Upload weights, entry and model card to a Hub repository in one commit.

    If timm builds the same model, timm's ``config.json`` is uploaded too. ``omlzoo.get_model("hf-hub:<repo>")`` opens
    the uploaded checkpoint.

    Args:
        run: A folder that finetune, convert or save wrote.
        repo: Hugging Face Hub repository, "organisation/name". It is made if it does not exist.
        private: Whether the repository is private, if it is made.
        overwrite: Whether weights of another checkpoint, or others than ours, are replaced in the repository. The same
            weights always are, which is said.

    Returns:
        The URL of the commit.

    Raises:
        BadInput: ``run`` is not a folder, its entry or weights are a link out of it, or ``repo`` is not of the form
            "organisation/name"; or the repository has other weights and ``overwrite`` is False.
        BadEntry: The folder has no valid ``entry.json``.
        WeightsUnavailable: The weights are damaged, or the Hub refuses.
    """
    run = Path(run)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise BadInput(f"repo is {repo!r}; it must be organisation/name")
    if not run.is_dir():
        raise BadInput(f"{run} is no folder; give one that finetune, convert or save wrote")
    for path in (settled(run, ENTRY, ENTRY), weights_of(run)):
        if path.exists() and not _lies_in(path, run):
            raise BadInput(f"{path} leads out of the folder, or is no regular file; copy what it leads to in its place")
    weights = get_weights(run.resolve())
    entry = replace(weights.entry, name=name_of(repo.rpartition("/")[2]), repo=None, revision=None)
    _check_replaceable(repo, entry, overwrite)
    if entry.license is None:
        notice(f"{run}: its entry states no licence; nobody may use what has none")
    files: dict[str, Path | bytes] = {
        WEIGHTS: weights.fetch(afresh=True),
        ENTRY: dump_entry(entry).encode(),
        "README.md": card(entry, repo, run).encode(),
    }
    if entry.text is not None and entry.text.beside:
        for name in (TEXT, TOKENIZER):
            if not _lies_in(settled(run, name, ENTRY), run):
                raise BadInput(f"{run / name} is missing or a link out of the folder; put the file in its place")
        files[TEXT] = fetch_text(entry, entry.text, folder=run)
        files[TOKENIZER] = fetch_tokenizer(entry, entry.text.tokenizer, folder=run)
    config = to_config(entry)
    if config is not None:
        files["config.json"] = json.dumps(config, indent=2).encode()
    return hub.upload(repo, files, f"{entry.name}, by omlzoo", private)


def _check_replaceable(repo: str, entry: Entry, overwrite: bool) -> None:
    """Say that weights in a repository will be replaced, or refuse to replace them."""
    there = hub.main_file(repo, ENTRY)
    if there is not None:
        try:
            raw = read_json(there)
        except BadInput:
            raw = {}
        theirs = raw if isinstance(raw, dict) else {}
        digest, what = theirs.get("sha256"), f"{theirs.get('name')}, weights {str(theirs.get('sha256'))[:16]}"
    elif hub.main_file(repo, WEIGHTS) is not None:
        digest, what = None, f"a {WEIGHTS} without an entry of ours"
    else:
        return
    same = digest is not None and digest == entry.sha256
    if not same and not overwrite:
        raise BadInput(f"{repo} has {what}, not {entry.name}, {str(entry.sha256)[:16]}; give another name, "
                       "or overwrite (--overwrite) to replace them")  # fmt: skip
    notice(f"{repo} had {what}; they are replaced")


def card(entry: Entry, repo: str, run: Path) -> str:
    """The model card: metadata for the Hub as YAML, followed by a description for readers."""
    results = [
        EvalResult(task_type="image-feature-extraction", dataset_type="image", dataset_name=metric.dataset,
                   metric_type=metric.metric, metric_value=metric.value)
        for metric in entry.metrics
    ]  # fmt: skip
    metadata = ModelCardData(
        license=entry.license, library_name="omlzoo", pipeline_tag="image-feature-extraction", model_name=entry.name,
        tags=["metric-learning", "image-retrieval", "omlzoo", entry.arch], eval_results=results or None,
    )  # fmt: skip
    return model_card(_without_html(asdict(entry)), f"hf-hub:{repo}", metadata.to_yaml().strip(), _recipe(run))


def _recipe(run: Path) -> str:
    """The text of recipe.toml, which stands in the card as a block of code; empty if there is none that can."""
    path = run / "recipe.toml"
    if not path.exists():
        return ""
    if not _lies_in(path, run) or path.stat().st_size > LONGEST:
        notice(f"{path} leads out of the folder, or is no regular file of at most {LONGEST:,} bytes; the card has none")
        return ""
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    if FENCE in text:
        notice(f"{path} has {FENCE} in it, which would end the card's block of code; the card has no recipe")
        return ""
    return text


def _lies_in(path: Path, folder: Path) -> bool:
    """Whether it is a regular file of the folder, not a link out of it."""
    return path.is_file() and path.resolve().parent == folder.resolve()


def _without_html(value: Any) -> Any:
    """The value, with each ``<`` in its texts escaped, so that Markdown shows it and no browser obeys it."""
    if isinstance(value, Mapping):
        return {_without_html(key): _without_html(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_html(item) for item in value]
    return value.replace("<", "&lt;") if isinstance(value, str) else value
