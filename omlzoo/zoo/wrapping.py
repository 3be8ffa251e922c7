"""wrap(): an extractor around anyone's own module, with the facts that every other extractor has."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from omlzoo.checkpoints.entry import Entry
from omlzoo.checkpoints.entry_rules import check_arguments, name_of
from omlzoo.checkpoints.timm_config import preprocess_of
from omlzoo.checkpoints.weights import Weights
from omlzoo.data.preprocess import Preprocess
from omlzoo.errors import BadInput, OmlzooError, notice
from omlzoo.models._extractor import Extractor
from omlzoo.models._wrapped import MODULE, Wrapped, path_of, vector_of

__all__ = ["IMAGENET", "wrap"]

IMAGENET = Preprocess(
    resize=(256, 256), mode="cover", crop=(224, 224), interpolation="bilinear", antialias=True, pad=None,
    mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225),
)  # fmt: skip


def wrap(
    module: nn.Module,
    *,
    dim: int | None = None,
    preprocess: Any = None,
    name: str | None = None,
    normalize: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> Extractor:
    """An extractor around a module of one's own, of torchvision or of transformers, in eval mode. It is not copied.

    It embeds, evaluates, fine-tunes, exports and saves as any other. A saved folder names the module's class; to open
    it, ``omlzoo.get_model`` needs the package's name or the class: ``get_model(folder, trust="mypackage")``,
    ``get_model(folder, module=MyNet())``.

    Args:
        module: Maps images (B, 3, H, W) to vectors (B, dim), or to named outputs with "embedding", "image_embeds" or
            "pooler_output" among them.
        dim: Dimension of the vectors; None is what the module gives.
        preprocess: A Preprocess, or the ``transforms()`` of weights of torchvision. None is the module's own
            configuration where it has one (timm's ``pretrained_cfg``), else ImageNet's at 224 pixels, which is said.
        name: Name of the model in its entry; by default that of the class.
        normalize: Whether to divide embeddings by their L2 norm.
        arguments: Arguments, numbers and texts, from which ``type(module)(**arguments)`` builds the same module again;
            they are needed to open a folder by ``trust`` where the class cannot be called without any.

    Raises:
        BadInput: It is no module, it gives no vectors of that dimension for images of that size, or the arguments build
            another module.
    """
    if isinstance(module, Extractor) or not isinstance(module, nn.Module):
        said = "an extractor already" if isinstance(module, Extractor) else "no torch.nn.Module"
        raise BadInput(f"module is {said} ({type(module).__name__}); wrap takes a module from images to vectors")
    settings = _settings(module, preprocess)
    state = module.state_dict()
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise BadInput(f"{type(module).__name__} has no weights, or state that is no tensor; wrap takes tensors alone")
    given = dict(arguments or {})
    check_arguments({"arguments": given})
    if arguments is not None and (reason := _not_rebuilt(module, given)):
        raise BadInput(f"arguments is {given}: {reason}")
    training = module.training
    found = _dimension(module.eval(), settings.crop)
    if dim is not None and dim != found:
        module.train(training)
        raise BadInput(f"dim is {dim!r}; {type(module).__name__} gives {found} numbers for a picture: give dim={found}")
    model = _Own(module, found, normalize)
    arch_args: dict[str, Any] = {"dim": found, **({"arguments": given} if given else {})}
    model.weights = Weights(_entry(module, name, settings, arch_args, found, normalize), origin="a module of one's own")
    return model.eval()


class _Own(Wrapped):
    """A module as it was handed to wrap; it says once, when it is saved, how the folder opens."""

    def check_saving(self) -> None:
        super().check_saving()
        given = self.entry.arch_args.get("arguments") or {} if self.weights and self.entry.arch != "projected" else {}
        reason = _not_rebuilt(self.module, given)
        if reason:
            notice(
                f"{path_of(type(self.module))}: {reason}; its folder opens by get_model(folder, module=...) alone, or "
                "give wrap(arguments=...)"
            )


def _settings(module: nn.Module, given: Any) -> Preprocess:
    if isinstance(given, Preprocess):
        return given
    if given is not None:
        return _of_torchvision(given)
    configuration = getattr(module, "pretrained_cfg", None)
    if isinstance(configuration, Mapping) and configuration.get("input_size"):
        return preprocess_of(configuration, type(module).__name__)
    notice(
        f"{type(module).__name__} says nothing of its preprocessing; ImageNet's is taken, at 224 pixels (resized to "
        "256): give preprocess="
    )
    return IMAGENET


def _of_torchvision(given: Any) -> Preprocess:
    """The preprocessing of the ``transforms()`` of weights of torchvision."""
    try:
        resize, crop = int(given.resize_size[-1]), int(given.crop_size[-1])
        mode = str(given.interpolation.value)
        return preprocess_of(
            {"input_size": (3, crop, crop), "interpolation": mode, "mean": given.mean, "std": given.std,
             "resize": (resize, resize)},
            "preprocess",
        )  # fmt: skip
    except (AttributeError, TypeError, ValueError, IndexError, OmlzooError) as error:
        raise BadInput(
            f"preprocess is a {type(given).__name__} that says no sizes, mean and std ({error}); give a Preprocess, or "
            "transforms() of weights of torchvision"
        ) from error


def _dimension(module: nn.Module, size: tuple[int, int]) -> int:
    """The dimension of the vectors, seen from one picture."""
    name, first = type(module).__name__, next(iter(module.state_dict().values()))
    kind = next((value.dtype for value in module.parameters() if value.is_floating_point()), torch.float32)
    try:
        with torch.no_grad():
            output = module(torch.zeros(1, 3, *size, device=first.device, dtype=kind))
        vectors = vector_of(output, name)
    except OmlzooError:
        raise
    except Exception as error:  # modules of others raise what they like
        said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        sides = f"{size[0]} x {size[1]}"
        raise BadInput(f"{name} fails on an image (1, 3, {sides}): {said}; give its preprocess=") from error
    if len(vectors) != 1:
        raise BadInput(f"{name} gives {len(vectors)} vectors for one picture; an extractor gives (B, dim)")
    return int(vectors.shape[1])


def _not_rebuilt(module: nn.Module, arguments: dict[str, Any]) -> str | None:
    """Why the class called with the arguments is not the module; None where it has the same tensors."""
    kind = type(module)
    try:
        with torch.device("meta"):
            again = kind(**arguments)
    except Exception as error:  # classes of others raise what they like
        said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        return f"{kind.__name__} cannot be built with the arguments {arguments} ({said})"
    shapes = [{key: tuple(value.shape) for key, value in one.state_dict().items()} for one in (module, again)]
    return None if shapes[0] == shapes[1] else f"{kind.__name__} with the arguments {arguments} has other tensors"


def _entry(
    module: nn.Module, name: str | None, settings: Preprocess, arch_args: dict[str, Any], dim: int, normalize: bool
) -> Entry:
    path = "".join(letter if letter.isalnum() or letter in "._" else "_" for letter in path_of(type(module)))
    return Entry(
        name=name_of(name or type(module).__name__), family="own", arch=f"{MODULE}{path}", arch_args=arch_args, dim=dim,
        params=sum(parameter.numel() for parameter in module.parameters()) or 1, repo=None, revision=None, file=None,
        sha256=None, size=None, mirrors=(), layout=None, upstream=None, preprocess=settings, preprocess_oml=None,
        normalize=normalize, metrics=(), license=None, commercial=None, gated=False, citation=None,
        source=f"a {path_of(type(module))} handed to omlzoo.wrap", fingerprint=None, notes=None, calibration=None,
    )  # fmt: skip
