"""An extractor whose embedding is made of those of several members, each of which reads the image in its own way."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from math import isfinite, sqrt
from typing import Any, Literal

import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput, notice
from omlzoo.models._derived import keep_settings, with_derived_facts
from omlzoo.models._extractor import Extractor, unit

__all__ = ["Combine", "Ensemble", "Member", "ensemble_of", "members_of"]

Combine = Literal["concatenate", "sum"]
MOST = 8


@dataclass(frozen=True)
class Member:
    """One member of an ensemble, as its entry names it.

    Attributes:
        arch: Name of the architecture.
        arch_args: Arguments of the architecture.
        weight: Share in the cosine similarity, relative to those of the others.
        size: Height and width in pixels of the images that it reads.
        mean: The values that its preprocessing subtracts.
        std: The values that its preprocessing divides by.
    """

    arch: str
    arch_args: dict[str, Any]
    weight: float
    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class Ensemble(Extractor):
    """The embeddings of several extractors, side by side or summed, each divided by its L2 norm.

    Images come as the first member's preprocessing makes them. The others get them resized bilinearly to their size and
    with their mean and std. Side by side, the cosine similarity is the mean of the members', with their weights.

    Args:
        bodies: The extractors.
        members: What the entry says of each.
        combine: "concatenate" or "sum"; only vectors of one dimension, made to be compared, can be summed.
        normalize: Whether to divide the embedding by its L2 norm.

    Raises:
        BadInput: There are fewer than 2 members or more than 8, a weight is not above 0, or the dimensions of a sum
            differ.
    """

    def __init__(
        self, bodies: Sequence[Extractor], members: Sequence[Member], combine: Combine = "concatenate",
        normalize: bool = False,
    ) -> None:  # fmt: skip
        if not 2 <= len(bodies) <= MOST:
            raise BadInput(f"an ensemble has {len(bodies)} members; it must have 2 to {MOST}")
        weights = [member.weight for member in members]
        if not all(isfinite(weight) and weight > 0 for weight in weights):
            raise BadInput(f"the weights of the members are {weights}; each must be above 0")
        dims = [body.dim for body in bodies]
        if combine not in ("concatenate", "sum") or (combine == "sum" and len(set(dims)) > 1):
            raise BadInput(f"combine is {combine!r} and the members have {dims} numbers; concatenate them")
        super().__init__(sum(dims) if combine == "concatenate" else dims[0], normalize)
        self.bodies, self.members, self.combine = nn.ModuleList(bodies), tuple(members), combine
        shares = [weight / sum(weights) for weight in weights]
        self.factors = [sqrt(share) if combine == "concatenate" else share for share in shares]
        numbers = [(each.weight, *each.size, *each.mean, *each.std) for each in members]
        keep_settings(self, [combine == "sum", *(number for each in numbers for number in each)])

    def fit(self, size: tuple[int, int]) -> bool:
        """Members read images of their own sizes; adapt each to its own once.

        Raises:
            BadInput: The images of the ensemble are to be of another size than the first member's.
        """
        if size != self.members[0].size:
            (height, width), (native, across) = size, self.members[0].size
            raise BadInput(
                f"image_size is {height} x {width}; the first member of the ensemble reads {native} x {across} pixels: "
                "make it of members that were built with image_size"
            )
        changed = [body.fit(member.size) for body, member in self._pairs()]  # all of them, not until the first
        return any(changed)

    def check_saving(self) -> None:
        """Refuse to save members that could never be opened again."""
        for body, _ in self._pairs():
            body.check_saving()

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """The first stages of all members together, the second ones, and so on."""
        together = zip_longest(*(body.stages() for body, _ in self._pairs()), fillvalue=())
        return [[part for stage in stages for part in stage] for stages in together]

    def embed(self, images: Tensor) -> dict[str, Tensor]:
        """The named outputs of the first member, and the embedding of all."""
        found = [body.embed(self._as_read(images, member)) for body, member in self._pairs()]
        parts = [factor * unit(each["embedding"]) for each, factor in zip(found, self.factors, strict=True)]
        together = torch.cat(parts, dim=1) if self.combine == "concatenate" else torch.stack(parts).sum(0)
        return {**found[0], "embedding": together}

    def _as_read(self, images: Tensor, member: Member) -> Tensor:
        first = self.members[0]
        if tuple(images.shape[2:]) != member.size:
            images = nn.functional.interpolate(images, size=list(member.size), mode="bilinear", align_corners=False)
        if (member.mean, member.std) == (first.mean, first.std):
            return images
        scale = images.new_tensor([ours / own for ours, own in zip(first.std, member.std, strict=True)])
        offset = [(ours - own) / std for ours, own, std in zip(first.mean, member.mean, member.std, strict=True)]
        return images * scale[:, None, None] + images.new_tensor(offset)[:, None, None]

    def _pairs(self) -> list[tuple[Any, Member]]:
        return list(zip(self.bodies, self.members, strict=True))


def ensemble_of(models: Sequence[Extractor], weights: Sequence[float], combine: Combine) -> Extractor:
    """The ensemble of models that have entries, with an entry that lists them.

    Args:
        models: The extractors; the images are prepared as the first one's.
        weights: A weight for each.
        combine: "concatenate" or "sum".

    Raises:
        BadInput: As :class:`Ensemble`.
    """
    entries = [model.entry for model in models]
    members = [
        Member(entry.arch, dict(entry.arch_args), float(weight), *_read_as(entry.preprocess))
        for entry, weight in zip(entries, weights, strict=True)
    ]
    together = Ensemble(models, members, combine, normalize=True)
    first = entries[0].preprocess
    others = [
        entry.name for entry in entries[1:]
        if (entry.preprocess.mode, entry.preprocess.pad) != (first.mode, first.pad)
        or any(abs(a / b - c / d) > 0.01 for a, b, c, d in zip(
            entry.preprocess.resize, entry.preprocess.crop, first.resize, first.crop, strict=True))
    ]  # fmt: skip
    if others:
        notice(
            f"images of the ensemble are resized and cropped as those of {entries[0].name}; that is not how "
            f"{', '.join(others)} was trained"
        )
    names = " + ".join(entry.name for entry in entries)
    licences = {entry.license for entry in entries}
    commercial = [entry.commercial for entry in entries]
    return with_derived_facts(
        together, models[0], "ensemble", {"members": [_plain(member) for member in members], "combine": combine},
        f"an ensemble of {len(models)} models",
        source=f"an ensemble of {names}", family="ensemble", notes=None, citation=None, preprocess_oml=None,
        license=licences.pop() if len(licences) == 1 else None,
        commercial=False if False in commercial else None if None in commercial else True,
    )  # fmt: skip


def _read_as(pre: Any) -> tuple[tuple[int, int], tuple[float, float, float], tuple[float, float, float]]:
    return pre.crop, pre.mean, pre.std


def members_of(given: Sequence[Member | Mapping[str, Any]]) -> list[Member]:
    """The members as parsed JSON has them, or as they are."""
    return [each if isinstance(each, Member) else Member(**{**each, **_tuples(each)}) for each in given]


def _plain(member: Member) -> dict[str, Any]:
    """A member as parsed JSON has it."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(member).items()}


def _tuples(member: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(member[key]) for key in ("size", "mean", "std")}
