"""Publishing a checkpoint on the Hugging Face Hub, with its entry and a model card."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData

from omlzoo.checkpoints import hub
from omlzoo.checkpoints.entry import Entry, dump_entry
from omlzoo.checkpoints.folder import ENTRY, WEIGHTS
from omlzoo.checkpoints.timm_config import to_config
from omlzoo.errors import BadInput, notice
from omlzoo.pages.render import model_card
from omlzoo.zoo.registry import get_weights

__all__ = ["push"]


def push(run: str | Path, repo: str, *, private: bool = False) -> str:
    """Upload weights, entry and model card to a Hub repository in one commit.

    If timm builds the same model, timm's ``config.json`` is uploaded too. ``omlzoo.get_model("hf-hub:<repo>")`` opens
    the uploaded checkpoint.

    Args:
        run: A folder that finetune, convert or save wrote.
        repo: Hugging Face Hub repository, "organisation/name". It is made if it does not exist.
        private: Whether the repository is private, if it is made.

    Returns:
        The URL of the commit.

    Raises:
        BadInput: ``run`` is not a folder, or ``repo`` is not of the form "organisation/name".
        BadEntry: The folder has no valid ``entry.json``.
        WeightsUnavailable: The weights are damaged, or the Hub refuses.
    """
    run = Path(run)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise BadInput(f"repo is {repo!r}; it must be organisation/name")
    if not run.is_dir():
        raise BadInput(f"{run} is no folder; give one that finetune, convert or save wrote")
    weights = get_weights(run.resolve())
    entry = replace(weights.entry, name=repo.rpartition("/")[2], repo=None, revision=None)
    if entry.license is None:
        notice(f"{run}: its entry states no licence; nobody may use what has none")
    files: dict[str, Path | bytes] = {
        WEIGHTS: weights.fetch(afresh=True),
        ENTRY: dump_entry(entry).encode(),
        "README.md": card(entry, repo, run).encode(),
    }
    config = to_config(entry)
    if config is not None:
        files["config.json"] = json.dumps(config, indent=2).encode()
    return hub.upload(repo, files, f"{entry.name}, by omlzoo", private)


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
    recipe = run / "recipe.toml"
    text = recipe.read_text(encoding="utf-8").strip() if recipe.is_file() else ""
    return model_card(asdict(entry), repo, metadata.to_yaml().strip(), text)
