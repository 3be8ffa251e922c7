"""Conversion between entries and timm's ``config.json``, for models that timm and the zoo compute in the same way."""

import re
from typing import Any

import torch

from omlzoo import catalog
from omlzoo.checkpoints.entry import Entry
from omlzoo.checkpoints.entry_rules import name_of
from omlzoo.data.preprocess import Preprocess
from omlzoo.errors import BadEntry
from omlzoo.jsonio import build, parse_json

__all__ = ["from_config", "to_config"]

# Name of the architecture in timm, in the zoo, the zoo's arguments, timm's pooling, and the key layout of the file.
Row = tuple[str, str, dict[str, Any], str, str]
TABLE: tuple[Row, ...] = (
    *((f"resnet{d}", f"resnet{d}", {}, "avg", "torchvision_resnet") for d in (18, 34, 50, 101, 152)),
    ("vit_small_patch16_224", "vits16", {"resizing": "antialias"}, "token", "timm_vit"),
    ("vit_base_patch16_224", "vitb16", {"resizing": "antialias"}, "token", "timm_vit"),
    ("vit_large_patch16_224", "vitl16", {"resizing": "antialias"}, "token", "timm_vit"),
    ("vit_huge_patch14_224", "vith14", {}, "token", "timm_vit"),
    ("vit_small_patch8_224", "vits8", {}, "token", "timm_vit"),
    ("vit_base_patch8_224", "vitb8", {}, "token", "timm_vit"),
    ("vit_small_patch14_reg4_dinov2", "vits14_reg", {}, "token", "timm_vit"),
    ("vit_base_patch14_reg4_dinov2", "vitb14_reg", {}, "token", "timm_vit"),
    ("vit_large_patch14_reg4_dinov2", "vitl14_reg", {}, "token", "timm_vit"),
    ("vit_base_patch32_clip_quickgelu_224", "clip_vitb32", {}, "token", "timm_clip"),
    ("vit_base_patch16_clip_quickgelu_224", "clip_vitb16", {}, "token", "timm_clip"),
    ("vit_large_patch14_clip_quickgelu_224", "clip_vitl14", {}, "token", "timm_clip"),
    ("vit_base_patch32_clip_224", "clip_vitb32", {"quick": False}, "token", "timm_clip"),
    ("vit_base_patch16_clip_224", "clip_vitb16", {"quick": False}, "token", "timm_clip"),
    ("vit_large_patch14_clip_224", "clip_vitl14", {"quick": False}, "token", "timm_clip"),
    ("vit_base_patch16_siglip_224", "siglip_vitb16", {}, "map", "timm_siglip"),
    ("vit_large_patch16_siglip_256", "siglip_vitl16", {}, "map", "timm_siglip"),
    ("swin_tiny_patch4_window7_224", "swin_t", {}, "avg", "swin"),
    ("swin_small_patch4_window7_224", "swin_s", {}, "avg", "swin"),
    ("swin_base_patch4_window7_224", "swin_b", {}, "avg", "swin"),
    ("swin_large_patch4_window7_224", "swin_l", {}, "avg", "swin"),
    ("swin_large_patch4_window12_384", "swin_l", {"image": 384, "window": 12}, "avg", "swin"),
)


def to_config(entry: Entry) -> dict[str, Any] | None:
    """The ``config.json`` from which timm builds the same model, or None if no model of timm computes the same."""
    arguments = {key: value for key, value in entry.arch_args.items() if key != "resizing"}
    for name, arch, ours, pool, _ in TABLE:
        if arch != entry.arch or arguments != {key: value for key, value in ours.items() if key != "resizing"}:
            continue
        pre = entry.preprocess
        trained = re.search(r"_(\d+)$", name)
        native = trained is None or (int(trained[1]),) * 2 == pre.crop
        if pre.mode == "contain" or not pre.antialias or not (native or pool == "avg"):
            return None
        facts = {
            "input_size": [3, *pre.crop],
            "interpolation": pre.interpolation,
            "crop_pct": pre.crop[0] / pre.resize[0],
            "crop_mode": "squash" if pre.mode == "squash" else "center",
            "mean": list(pre.mean),
            "std": list(pre.std),
            "license": entry.license,
            "custom_load": False,
        }
        classes = entry.dim if "clip" in name else 0
        return {"architecture": name, "num_classes": classes, "num_features": entry.dim, "global_pool": pool,
                "pretrained_cfg": {**facts, "num_classes": classes}}  # fmt: skip
    return None


def from_config(text: str | bytes, repo: str) -> Entry:
    """Build the entry of a plain timm repository from its ``config.json``.

    Facts that the file does not state, such as the sha256 and the metrics, stay empty.

    Args:
        text: Content of the ``config.json``.
        repo: Hugging Face Hub repository that the file is from, "organisation/name".

    Raises:
        BadEntry: The text is not a config of timm, or its model is none of the zoo's architectures.
    """
    where = f"hf-hub:{repo}/config.json"
    config = parse_json(text, where, BadEntry)
    try:
        facts = config["pretrained_cfg"]
        name = str(config["architecture"]).partition(".")[0]
        height, width = (int(side) for side in facts["input_size"][1:])
        share = float(facts.get("crop_pct") or 1)
        mode = facts.get("crop_mode", "center")
        settings = {
            "resize": [int(height / share), int(width / share)], "mode": "squash" if mode == "squash" else "cover",
            "crop": [height, width], "interpolation": facts["interpolation"], "antialias": True, "pad": None,
            "mean": facts["mean"], "std": facts["std"],
        }  # fmt: skip
        licence = facts.get("license")
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise BadEntry(f"{where}: not a config of timm ({type(error).__name__}: {error})") from error
    row = next((row for row in TABLE if row[0] == name), None)
    if row is None:
        known = ", ".join(row[0] for row in TABLE)
        raise BadEntry(f"{where}: architecture is {name!r}; without an entry.json only these open: {known}")
    pool = row[3]
    if config.get("global_pool", pool) != pool:
        raise BadEntry(f"{where}: global_pool is {config['global_pool']!r}; {name} of the zoo pools by {pool!r}")
    if config.get("model_args"):
        raise BadEntry(f"{where}: model_args are {config['model_args']}; models that were changed by them do not open")
    if mode not in ("center", "squash"):
        raise BadEntry(f"{where}: crop_mode {mode!r} is not known; center or squash")
    if licence is not None and not isinstance(licence, str):
        raise BadEntry(f"{where}: license is {licence!r}; it must be a text")
    preprocess = build(Preprocess, settings, f"{where}: pretrained_cfg")
    try:
        return _entry(repo, preprocess, licence, row)
    except BadEntry as error:
        raise BadEntry(f"{where}: {error}") from error


def _entry(repo: str, preprocess: Preprocess, licence: str | None, row: Row) -> Entry:
    """The entry of a row of the table, with what a config says."""
    _, arch, arguments, _, layout = row
    with torch.device("meta"):
        model = catalog.find("models", arch)(**arguments)
    return Entry(
        name=name_of(re.sub(r"\W", "_", repo.rpartition("/")[2])), family="timm", arch=arch, arch_args=dict(arguments),
        dim=model.dim, params=sum(parameter.numel() for parameter in model.parameters()), repo=repo, revision=None,
        file="model.safetensors", sha256=None, size=None, mirrors=(), layout=layout, upstream=None,
        preprocess=preprocess, preprocess_oml=None, normalize=False, metrics=(), license=licence,
        commercial=None, gated=False, citation=None, source=f"config.json of {repo}", fingerprint=None, notes=None,
        calibration=None,
    )  # fmt: skip
