"""The text side of a run that learns from captions: the text tower beside the body, and the texts of its rows.

The caption of a picture is its second view: a batch has pixels and token ids, a step sends both through the model,
whose text tower takes the token ids, and the loss compares the outputs. The label of a training row is its caption, so
that samplers and losses know which are equal.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from omlzoo.checkpoints.entry import Text
from omlzoo.checkpoints.folder import TEXT as TEXT_FILE
from omlzoo.checkpoints.folder import TOKENIZER, Beside
from omlzoo.checkpoints.state_dict import state_digest
from omlzoo.data.dataset import Batch, Item, collate
from omlzoo.data.table import Table
from omlzoo.errors import BadInput, notice
from omlzoo.models._extractor import Extractor
from omlzoo.models._text_tower import TextTower
from omlzoo.training.lora import merge_lora
from omlzoo.training.recipe import Recipe
from omlzoo.training.split import Split, split_rows
from omlzoo.zoo.captions import TEXT, Captions
from omlzoo.zoo.text_model import LEARNED, TextModel, open_text_model

__all__ = ["Captioning"]

BATCH = 64  # captions, about
RATE = 1e-5  # of towers that were trained together
SELECT = "text_to_image_recall@1"
ALIKE = ("caption", "captions", "description", "title")


@dataclass(frozen=True)
class Captioning:
    """The text tower of a run and the captions of its training rows.

    Attributes:
        model: The tower, which is trained in place, and its tokenizer.
        text: The facts of the tower that the run begins with.
        split: The rows of the run; the label of a training row is the number of its caption.
        token_ids: (M, length) of the captions by their numbers.
        facts: What the report says of them.
    """

    model: TextModel
    text: Text
    split: Split
    token_ids: Tensor
    facts: dict[str, str]

    @classmethod
    def of(cls, body: Extractor, table: Table, recipe: Recipe) -> "Captioning":
        """The text side of a run; rows without a caption, and captions that are cut, are counted and said.

        Args:
            body: The extractor that is trained.
            table: The rows of the run, with the columns label and split.
            recipe: The settings, with a loss that compares pictures with captions.

        Raises:
            BadInput: The model has no text tower, the table no column ``text``, or the training rows fewer than two
                different captions.
        """
        entry, frame = body.entry, table.frame
        if entry.text is None:
            raise BadInput(f"loss is {recipe.loss}, which trains image and text tower, but {entry.name} has no text "
                           "tower; take a model that has one (omlzoo list --text), or another loss")  # fmt: skip
        if TEXT not in frame:
            near = next((f"; rename {name!r}" for name in ALIKE if name in frame), "")
            raise BadInput(f"loss is {recipe.loss}, but the table has no column {TEXT}, a caption per picture{near}")
        model = open_text_model(body.facts)
        if model.dim != body.dim:
            raise BadInput(f"{entry.name}: its embeddings have {body.dim} dimensions, its text tower's {model.dim}")
        said = Captions.of(frame[TEXT].tolist(), model.tokens).remarks()
        for each in said:
            notice(each)
        split = split_rows(table, recipe)
        captions = Captions.of(split.fit.frame[TEXT].tolist(), model.tokens)
        if len(captions.token_ids) < 2:
            raise BadInput(f"the training rows have {len(captions.token_ids)} different captions in the column {TEXT}; "
                           f"{recipe.loss} needs two or more")  # fmt: skip
        fit = split.fit.rows(captions.codes >= 0)
        fit = replace(fit, frame=fit.frame.assign(label=captions.codes[captions.codes >= 0]))
        facts = {"texts of the table": "; ".join(said) or "every row has one",
                 "training captions": str(len(captions.token_ids))}  # fmt: skip
        return cls(model, entry.text, replace(split, fit=fit), captions.token_ids, facts)

    def suggest(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Settings that suit captions, without those that were given: one picture of each caption in a batch.

        Args:
            given: Settings that were decided.
        """
        chosen: dict[str, Any] = {"lr": RATE, "select": SELECT, "n_instances": 1}
        if not {"n_categories", "sampler"} & set(given):
            chosen["n_labels"] = max(1, min(BATCH // int(given.get("n_instances", 1)), len(self.token_ids)))
        return {name: value for name, value in chosen.items() if name not in given}

    def identity(self) -> str:
        """A text by which a resumed run knows tower and captions."""
        ids = {"token_ids": self.token_ids, **self.model.tower.state_dict()}
        return f"{self.text.arch}, state {state_digest(ids)}"

    def collate(self, items: Sequence[Item]) -> Batch:
        """As :func:`omlzoo.data.dataset.collate`, with the token ids (B, length) as another view of each picture."""
        pixels, labels, rows, bad = collate(items)
        return [pixels, self.token_ids[labels]], labels, rows, bad

    def begin(self, loss: nn.Module, recipe: Recipe) -> None:
        """Let the loss go on from the temperature that the towers were trained with, where it is known and of its kind.

        Args:
            loss: The loss, changed in place.
            recipe: The settings; what its ``loss_args`` say stays.
        """
        numbers, learned = self._numbers(loss), self.model.learned
        if ("logit_bias" in learned) != ("logit_bias" in numbers):
            return
        with torch.no_grad():
            for name, setting in zip(LEARNED, ("temperature", "bias"), strict=True):
                if name in learned and name in numbers and setting not in recipe.loss_args:
                    numbers[name].fill_(learned[name])

    def reader(self, tower: TextTower) -> TextModel:
        """The text model of a tower of the run."""
        return TextModel(self.model.name, tower, self.model.tokens)

    def kept(self, tower: TextTower, loss: nn.Module) -> dict[str, Tensor]:
        """A copy of what is kept of an epoch: the tower's state and the numbers that the loss learned.

        Args:
            tower: The tower.
            loss: The loss, or the objective around it.
        """
        state = {**tower.state_dict(), **self._numbers(loss)}
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def _numbers(self, loss: nn.Module) -> dict[str, Tensor]:
        """What the loss learns, by the names that files have."""
        learned = {name.rpartition(".")[2]: value for name, value in loss.named_parameters()}
        return {
            name: learned[own] for name, own in zip(LEARNED, ("log_scale", "offset"), strict=True) if own in learned
        }

    def files(self, tower: TextTower, kept: dict[str, Tensor]) -> Beside:
        """The files of the text tower, to be written beside the weights of the image tower.

        Args:
            tower: A tower of the run; low-rank updates are added to its layers.
            kept: What :meth:`kept` gave.
        """
        from safetensors.torch import save_file

        numbers = {name: kept[name] for name in LEARNED if name in kept}
        tower.load_state_dict({name: value for name, value in kept.items() if name not in numbers})
        state = {name: value.detach().cpu().contiguous() for name, value in merge_lora(tower).state_dict().items()}
        copy = partial(shutil.copyfile, self.model.tokens.file)
        return {TEXT_FILE: partial(save_file, {**state, **numbers}), TOKENIZER: copy}
