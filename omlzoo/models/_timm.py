"""Bodies that timm builds, by the names that timm registers: ``timm:convnext_tiny.in12k``."""

import sys
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import timm
import torch
from timm.models import group_parameters, model_entrypoint
from timm.utils.model import reparameterize_model
from torch import Tensor, nn

from omlzoo.errors import BadEntry, BadInput
from omlzoo.models._timm_names import configuration
from omlzoo.models._wrapped import Wrapped, vector_of

__all__ = ["TimmBody", "timm_body", "translated"]

Part = nn.Module | nn.Parameter
RADIO = "_radio_v"  # in the names of bodies whose 128 x 128 positions timm resamples bilinearly when it reads a file
ALIGNED = ("vit_base_patch16_radio_v3", "vit_huge_patch16_radio_v3")  # with the corners of both grids on each other


def timm_body(
    name: str,
    *,
    num_classes: int = 0,
    global_pool: str | None = None,
    img_size: int | None = None,
    window_size: int | None = None,
    patch_size: int | None = None,
    reg_tokens: int | None = None,
    class_token: bool | None = None,
    no_embed_class: bool | None = None,
    fc_norm: bool | None = None,
    dynamic_img_size: bool | None = None,
    normalize: bool = False,
) -> "TimmBody":
    """A model of timm with random weights, as ``timm.create_model`` builds it. These arguments of it and no other pass.

    Args:
        name: A model that timm registers itself, with or without a tag, such as "convnext_tiny.in12k".
        num_classes: 0 gives the pooled features; another number keeps a last layer of that many outputs, such as the
            projection of a CLIP tower.
        global_pool: timm's name of the pooling; None is that of the configuration.
        img_size: Side in pixels of the images that the weights in the file are for, where it is not that of the
            preprocessing.
        window_size: Side of an attention window.
        patch_size: Side of a patch in pixels.
        reg_tokens: Number of register tokens.
        class_token: Whether there is a class token.
        no_embed_class: Whether the class token has no position.
        fc_norm: Whether the last norm follows the pooling.
        dynamic_img_size: Whether position embeddings follow the size of each image.
        normalize: Whether to divide the embedding by its L2 norm.

    Raises:
        UnknownName: The installed timm registers no such name; similar names are suggested.
        BadEntry: The model gives no pooled vector, or does not take an argument.
    """
    said = configuration(name)
    arguments = {
        "global_pool": global_pool, "img_size": img_size, "window_size": window_size, "patch_size": patch_size,
        "reg_tokens": reg_tokens, "class_token": class_token, "no_embed_class": no_embed_class, "fc_norm": fc_norm,
        "dynamic_img_size": dynamic_img_size,
    }  # fmt: skip
    given: dict[str, Any] = {key: value for key, value in arguments.items() if value is not None}
    module: Any = timm.create_model(
        f"{said.architecture}.{said.tag}" if said.tag else said.architecture, num_classes=num_classes, **given
    )
    if said.architecture.endswith("_enc") or global_pool == "" or said.input_size[0] != 3:
        raise BadEntry(f"timm:{name} gives no pooled vector of a picture; choose another model")
    height, width = (img_size, img_size) if img_size else said.input_size[1:]
    return TimmBody(module, num_classes or int(module.head_hidden_size), (height, width), normalize)


class TimmBody(Wrapped):
    """A model of timm. The embedding is what timm's own ``forward`` gives.

    Args:
        module: The model of timm.
        dim: Dimension of its output.
        size: Height and width in pixels of the images that it was built for.
        normalize: Whether to divide the embedding by its L2 norm.
    """

    def __init__(self, module: nn.Module, dim: int, size: tuple[int, int], normalize: bool = False) -> None:
        super().__init__(module, dim, normalize)
        self.size = size

    def check_saving(self) -> None:
        """Every name of timm can be opened again."""

    def fit(self, size: tuple[int, int]) -> bool:
        """Adapt the model to images of another size, as timm does it.

        Raises:
            BadInput: The model takes images of its own size only.
        """
        if size == self.size:
            return False
        module: Any = self.module
        before = {name: tensor.shape for name, tensor in module.state_dict().items()}
        training, first = self.training, next(self.parameters())
        try:
            if hasattr(module, "set_input_size"):
                module.set_input_size(img_size=size)
            with torch.no_grad():
                self.eval()(torch.zeros(1, 3, *size, device=first.device, dtype=first.dtype))
        except (AssertionError, ValueError, TypeError, RuntimeError, IndexError, ArithmeticError) as error:
            (height, width), (native, across) = size, self.size
            said = (str(error).splitlines() or [type(error).__name__])[0][:120]
            raise BadInput(
                f"image_size is {height} x {width}; {type(module).__name__} was built for {native} x {across} pixels "
                f"and cannot be changed to that ({said}); leave image_size out"
            ) from error
        self.train(training)
        self.size = size
        return before != {name: tensor.shape for name, tensor in module.state_dict().items()}

    def stages(self) -> list[list[Part]]:
        """The groups of timm's ``group_matcher``, from the images on; the parts of the model where it has none."""
        module: Any = self.module
        try:
            number = group_parameters(module, module.group_matcher(coarse=False), reverse=True)
        except (AttributeError, NotImplementedError, AssertionError):
            return super().stages()
        stages: dict[int, list[Part]] = {}
        _collect(module, "", number, stages)
        return [stages[key] for key in sorted(stages)]

    def embed(self, images: Tensor) -> dict[str, Tensor]:
        module: Any = self.module
        features = module.forward_features(images)
        embedding = vector_of(module.forward_head(features), type(module).__name__)
        return {"embedding": embedding, **_named(module, features)}

    def intermediate(self, images: Tensor, stages: Sequence[int]) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Feature maps of timm's ``forward_intermediates``, and the named outputs, without normalisation.

        Args:
            images: Images (B, 3, H, W).
            stages: Numbers of timm's feature maps, from 0.

        Returns:
            A map (B, C, h, w) for each, in the order asked for, and the outputs of :meth:`embed`.

        Raises:
            BadInput: The model has no such map, or gives none.
        """
        module: Any = self.module
        wanted = sorted(set(stages))
        try:
            features, maps = module.forward_intermediates(images, indices=wanted)
        except (AttributeError, AssertionError, IndexError, ValueError, TypeError) as error:
            known = len(getattr(module, "feature_info", ()))
            allowed = f"feature maps 0 to {known - 1}" if known else "no feature maps that can be asked for"
            raise BadInput(f"stages is {list(stages)}; {type(module).__name__} has {allowed}") from error
        embedding = vector_of(module.forward_head(features), type(module).__name__)
        found = dict(zip(wanted, maps, strict=True))
        return [found[stage] for stage in stages], {"embedding": embedding, **_named(module, features)}

    def merged(self) -> "TimmBody":
        """A copy for inference whose parallel branches are merged, where timm has that; equal up to rounding."""
        module = reparameterize_model(self.module.eval(), inplace=False)
        copy = TimmBody(module, self.dim, self.size, self.normalize)
        copy._weights = self._weights
        return copy.eval()


def translated(
    arch: str, arguments: Mapping[str, Any], state: Mapping[str, Tensor], names: Collection[str]
) -> dict[str, Tensor]:
    """The weights of a model of timm from a file of timm's: without the classifier, in the keys of the installed timm.

    Args:
        arch: The model, as :func:`timm_body` takes it.
        arguments: The arguments with which the model was built.
        state: The tensors of the file.
        names: The keys of the model's state dict.
    """
    kept = _without_classifier(arch, state, names)
    body = configuration(arch).architecture
    if kept.keys() == set(names) and RADIO not in body:
        return kept
    with torch.device("meta"):
        module = timm_body(arch, **arguments).module
    homes = (model_entrypoint(body).__module__, type(module).__module__)  # of the name first, as timm does
    found = (getattr(sys.modules[home], "checkpoint_filter_fn", None) for home in homes)
    translate = next(filter(None, found), None)
    if translate is None:
        return kept
    if RADIO in body:
        translate = partial(translate, interpolation="bilinear", antialias=False, align_corners=body in ALIGNED)
    try:  # timm's own translation of older and of the authors' keys
        return _without_classifier(arch, translate(dict(state), module), names)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError):
        return kept  # what differs is said where it is loaded


def _without_classifier(arch: str, state: Mapping[str, Tensor], names: Collection[str]) -> dict[str, Tensor]:
    said = configuration(arch).classifier
    classifiers = (said,) if isinstance(said, str) else said or ()
    left = {f"{layer}.{kind}" for layer in classifiers for kind in ("weight", "bias")} - set(names)
    return {key: tensor for key, tensor in state.items() if key not in left}


def _collect(module: nn.Module, prefix: str, number: Mapping[str, int], stages: dict[int, list[Part]]) -> None:
    """Put the largest parts whose parameters are all of one group into the stage of that group."""
    groups = {number[f"{prefix}{name}"] for name, _ in module.named_parameters() if f"{prefix}{name}" in number}
    if len(groups) == 1 and prefix:
        stages.setdefault(groups.pop(), []).append(module)
    elif groups:
        for name, parameter in module.named_parameters(recurse=False):
            stages.setdefault(number[f"{prefix}{name}"], []).append(parameter)
        for name, part in module.named_children():
            _collect(part, f"{prefix}{name}.", number, stages)


def _named(module: Any, features: Any) -> dict[str, Tensor]:
    """The feature map, or the tokens, in what timm's ``forward_features`` gave."""
    if not isinstance(features, Tensor):
        return {}
    if features.ndim == 4:
        last = str(getattr(module, "output_fmt", "NCHW")) == "NHWC"
        return {"map": features.permute(0, 3, 1, 2) if last else features}
    if features.ndim == 3 and hasattr(module, "num_prefix_tokens"):
        before = int(module.num_prefix_tokens)
        first = {"class_token": features[:, 0]} if before and getattr(module, "cls_token", None) is not None else {}
        return {"tokens": features[:, before:], **first}
    return {}
