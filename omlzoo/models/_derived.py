"""Models that are made around others: the facts they take over, and their settings among the weights."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from omlzoo.errors import BadEntry
from omlzoo.models._extractor import Extractor

__all__ = ["Derived", "keep_settings", "with_derived_facts"]

SETTINGS = "settings"


class Derived(Extractor):
    """An extractor around another one, whose embedding it changes.

    What it computes around the body is kept as a tensor of its state dict, in millionths: files and digests of the same
    weights with other settings are then others, wherever vectors are compared by them. A state dict with other settings
    is refused when it is loaded.

    Args:
        body: The extractor.
        dim: Dimension of the embedding.
        normalize: Whether to divide the embedding by its L2 norm.
        settings: The settings as numbers; None for one whose own weights tell it from others.
    """

    def __init__(self, body: Extractor, dim: int, normalize: bool, settings: Sequence[float] | None = None) -> None:
        super().__init__(dim, normalize)
        self.body = body
        if settings is not None:
            keep_settings(self, settings)

    def fit(self, size: tuple[int, int]) -> bool:
        """Adapt the body, see :meth:`omlzoo.models.Extractor.fit`."""
        return self.body.fit(size)

    def check_saving(self) -> None:
        """Refuse to save a body that could never be opened again."""
        self.body.check_saving()

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """The stages of the body."""
        return self.body.stages()


def keep_settings(model: Extractor, settings: Sequence[float]) -> None:
    """Keep what a model computes around others among its weights, see :class:`Derived`.

    Args:
        model: The model.
        settings: The settings as numbers.
    """
    wanted = [round(1e6 * value) for value in settings]
    model.register_buffer(SETTINGS, torch.tensor(wanted, dtype=torch.int64))

    def check(_: nn.Module, state: dict[str, Tensor], prefix: str, *others: Any) -> None:
        found = state.get(f"{prefix}{SETTINGS}")
        if found is not None and not found.is_meta and found.tolist() != wanted:
            raise BadEntry(
                f"the weights were saved with the settings {[each / 1e6 for each in found.flatten().tolist()]} and the "
                f"entry has {[each / 1e6 for each in wanted]}; give the entry that was saved with them"
            )

    model.register_load_state_dict_pre_hook(check)  # type: ignore[no-untyped-call]


def with_derived_facts(
    model: Extractor, base: Extractor, arch: str, arguments: dict[str, Any], said: str, **changes: Any
) -> Extractor:
    """Give a model the facts of another one as far as they hold for it, and put it into eval mode.

    It is in no file, and metrics, fingerprint, calibration and text tower were made for other vectors: all these go.

    Args:
        model: The model, made around ``base``.
        base: A model with an entry.
        arch: Name of the architecture of ``model``.
        arguments: Its arguments.
        said: What its vectors are now, in a few words.
        **changes: Further fields of the entry.
    """
    facts = replace(
        base.entry, arch=arch, arch_args=arguments, dim=model.dim, normalize=model.normalize,
        params=sum(each.numel() for each in model.parameters()), repo=None, revision=None, file=None, sha256=None,
        size=None, mirrors=(), layout=None, upstream=None, package=None, gated=False, metrics=(), fingerprint=None,
        calibration=None, text=None, pin=None, source=f"{said}, of {base.entry.name}",
    )  # fmt: skip
    model.weights = replace(base.facts, entry=replace(facts, **changes), file=None, origin=said)
    return model.eval()
