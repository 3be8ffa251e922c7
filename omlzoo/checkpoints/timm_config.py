"""Conversion between entries and timm's ``config.json``, for models that timm and the zoo compute in the same way."""

import re
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from omlzoo import catalog
from omlzoo.checkpoints.entry import Entry
from omlzoo.checkpoints.entry_rules import check_arguments, name_of
from omlzoo.checkpoints.sources import Upstream
from omlzoo.data.preprocess import Preprocess
from omlzoo.errors import BadEntry, OmlzooError, UnknownName
from omlzoo.jsonio import build, parse_json

__all__ = ["from_config", "from_name", "preprocess_of", "to_config"]

TIMM, LAYOUT = "timm:", "timm"  # before a name of timm; the layout of its files
MODES = {"center": "cover", "squash": "squash", "border": "contain"}  # timm's crop modes
FILES = {
    None: "model.safetensors",
    "pytorch_model.bin": "model.safetensors",
    "open_clip_pytorch_model.bin": "open_clip_model.safetensors",
}  # the safetensors file beside each

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
    pre = entry.preprocess
    if entry.arch.startswith(TIMM) and not arguments and pre.mode != "contain" and pre.antialias:
        name, _, tag = entry.arch.removeprefix(TIMM).partition(".")
        said = catalog.shared("models._timm_names", "configuration")(entry.arch.removeprefix(TIMM))
        if said.fixed_input_size and pre.crop != tuple(said.input_size[1:]):
            return None
        return {"architecture": name, "num_classes": 0, "num_features": entry.dim,
                "pretrained_cfg": {**_facts(entry), "tag": tag or None, "num_classes": 0}}  # fmt: skip
    for name, arch, ours, pool, _ in TABLE:
        if arch != entry.arch or arguments != {key: value for key, value in ours.items() if key != "resizing"}:
            continue
        trained = re.search(r"_(\d+)$", name)
        native = trained is None or (int(trained[1]),) * 2 == pre.crop
        if pre.mode == "contain" or not pre.antialias or not (native or pool == "avg"):
            return None
        classes = entry.dim if "clip" in name else 0
        return {"architecture": name, "num_classes": classes, "num_features": entry.dim, "global_pool": pool,
                "pretrained_cfg": {**_facts(entry), "num_classes": classes}}  # fmt: skip
    return None


def _facts(entry: Entry) -> dict[str, Any]:
    pre = entry.preprocess
    return {"input_size": [3, *pre.crop], "interpolation": pre.interpolation, "crop_pct": pre.crop[0] / pre.resize[0],
            "crop_mode": "squash" if pre.mode == "squash" else "center", "mean": list(pre.mean), "std": list(pre.std),
            "license": entry.license, "custom_load": False}  # fmt: skip


def from_config(text: str | bytes, repo: str) -> Entry:
    """Build the entry of a plain timm repository from its ``config.json``.

    An architecture of the zoo is taken where one computes the same, and timm's own otherwise. Facts that the file does
    not state, such as the sha256 and the metrics, stay empty.

    Args:
        text: Content of the ``config.json``.
        repo: Hugging Face Hub repository that the file is from, "organisation/name".

    Raises:
        BadEntry: The text is not a config of timm, or its model is none that the installed timm registers.
    """
    where = f"hf-hub:{repo}/config.json"
    config = parse_json(text, where, BadEntry)
    try:
        facts = dict(config["pretrained_cfg"])
        name = str(config["architecture"]).partition(".")[0] or str(config["architecture"])
        pool, arguments = config.get("global_pool"), dict(config.get("model_args") or {})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadEntry(f"{where}: not a config of timm ({type(error).__name__}: {error})") from error
    preprocess, licence = preprocess_of(facts, where), facts.get("license")
    if licence is not None and not isinstance(licence, str):
        raise BadEntry(f"{where}: license is {licence!r}; it must be a text")
    row = next((row for row in TABLE if row[0] == name), None)
    if row is None or arguments or pool not in (None, row[3]):
        sides = {key: value[0] for key, value in arguments.items() if isinstance(value, list) and len(set(value)) == 1}
        pooling = {} if pool in (None, facts.get("global_pool")) else {"global_pool": pool}
        arguments = {**arguments, **sides, **pooling}
        arguments.pop("num_classes", None)
        row = (name, f"{TIMM}{_tagged(name, facts.get('tag'))}", arguments, "", LAYOUT)
    try:
        return _entry(repo, preprocess, licence, row)
    except (BadEntry, UnknownName) as error:
        raise BadEntry(f"{where}: {error}") from error


def from_name(name: str) -> Entry:
    """The entry of a model that timm registers, from timm's own configuration. Its weights are timm's.

    Args:
        name: The model, with or without a tag, such as "convnext_tiny.in12k".

    Raises:
        UnknownName: The installed timm has no such name; similar names are suggested.
        BadEntry: The model gives no pooled vector, or its pictures are prepared in a way that no entry describes.
    """
    said = catalog.shared("models._timm_names", "configuration")(name)
    full = f"{said.architecture}.{said.tag}" if said.tag else said.architecture
    preprocess = preprocess_of(said.to_dict(), f"{TIMM}{full}")
    repo = said.hf_hub_id or None
    entry = _entry(repo or f"timm/{full}", preprocess, said.license, (name, f"{TIMM}{full}", {}, "", LAYOUT))
    file = FILES.get(said.hf_hub_filename, said.hf_hub_filename) if repo else None
    begun = re.search(r"-([0-9a-f]{8})\.pth$", said.url or "")  # of its sha256, as torch's hub names files
    digest = f"sha256:{begun[1]}" if begun else None
    upstream = Upstream(said.url, digest, LAYOUT) if said.url and not repo else None
    classes = "; the classifier of its file is left out" if said.num_classes else ""
    return replace(
        entry, name=f"{TIMM}{full}", repo=repo, file=file, upstream=upstream, source=f"timm {version('timm')}{classes}"
    )


def _tagged(name: str, tag: Any) -> str:
    """The model with its tag, where the installed timm registers that tag."""
    try:
        catalog.shared("models._timm_names", "configuration")(f"{name}.{tag}")
    except UnknownName:
        return name
    return f"{name}.{tag}"


def preprocess_of(facts: Mapping[str, Any], where: str) -> Preprocess:
    """The preprocessing that a configuration of timm describes.

    Args:
        facts: The configuration, as timm's ``PretrainedCfg.to_dict`` gives it.
        where: What it is, for error messages.

    Raises:
        BadEntry: It is none, or describes what no preprocessing here does.
    """
    mode = facts.get("crop_mode") or "center"
    try:
        height, width = (int(side) for side in facts["input_size"][1:])
        share = float(facts.get("crop_pct") or 0.875)
        mean, std = list(facts["mean"]), list(facts["std"])
        greys = {round(255 * value) for value in mean}
        settings = {
            "resize": list(facts.get("resize") or (int(height / share), int(width / share))),
            "mode": MODES.get(mode, "cover"), "crop": [height, width],
            "interpolation": facts.get("interpolation") or "bicubic",
            "antialias": True, "pad": min(greys) if mode == "border" else None, "mean": mean, "std": std,
        }  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise BadEntry(f"{where}: not a config of timm ({type(error).__name__}: {error})") from error
    if mode not in MODES or (mode == "border" and len(greys) > 1):
        raise BadEntry(f"{where}: crop_mode {mode!r} is not known; center, squash, or border of one grey")
    return build(Preprocess, settings, f"{where}: pretrained_cfg")


def _entry(repo: str, preprocess: Preprocess, licence: str | None, row: Row) -> Entry:
    """The entry of a row of the table, with what a config says."""
    import torch

    _, arch, arguments, _, layout = row
    check_arguments(arguments)
    try:
        with torch.device("meta"):
            model = catalog.shared("models._architecture", "architecture")(arch)(**arguments)
            if "img_size" not in arguments:
                model.fit(preprocess.crop)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        if isinstance(error, OmlzooError):
            raise
        said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise BadEntry(f"{arch} does not take the arguments {arguments} ({said})") from error
    return Entry(
        name=name_of(re.sub(r"\W", "_", repo.rpartition("/")[2])), family="timm", arch=arch, arch_args=dict(arguments),
        dim=model.dim, params=sum(parameter.numel() for parameter in model.parameters()), repo=repo, revision=None,
        file="model.safetensors", sha256=None, size=None, mirrors=(), layout=layout, upstream=None,
        preprocess=preprocess, preprocess_oml=None, normalize=False, metrics=(), license=licence,
        commercial=None, gated=False, citation=None, source=f"config.json of {repo}", fingerprint=None, notes=None,
        calibration=None,
    )  # fmt: skip
