"""Which checkpoint of the zoo a foreign file is like: one whose model takes all its tensors, and nothing else."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING

from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import Entry
from omlzoo.checkpoints.state_dict import differences
from omlzoo.checkpoints.wrappings import Reading
from omlzoo.errors import BadInput, WeightsMismatch
from omlzoo.zoo.building import build_model

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Example", "Match", "examples_of", "match"]

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # tensors that are no parameters
SHOWN = 3  # tensors in a message
TRIED = 5  # other checkpoints of the zoo that are built to see whether they fit


@dataclass(frozen=True)
class Example:
    """A checkpoint of the zoo whose architecture, arguments and preprocessing a file may share.

    Attributes:
        entry: Its facts.
        built: The state dict of its model with any numbers; None builds the model when it is asked for.
    """

    entry: Entry
    built: "Mapping[str, Tensor] | None" = None

    @cached_property
    def wanted(self) -> "Mapping[str, Tensor]":
        """The state dict of its model, with any numbers."""
        return build_model(self.entry, blank=True).state_dict() if self.built is None else self.built

    @property
    def layout(self) -> str | None:
        """The layout of its own file."""
        upstream = self.entry.upstream
        return self.entry.layout or (upstream.layout if upstream else None)


@dataclass(frozen=True)
class Match:
    """A way to read a file with which it fits a model.

    Attributes:
        reading: The way to read it.
        example: The checkpoint of the zoo that has such a model.
        state: The tensors, with the keys of the model.
    """

    reading: Reading
    example: Example
    state: "Mapping[str, Tensor]"


def examples_of(arch: str, like: str | None) -> list[Example]:
    """The checkpoints of the zoo with an architecture, or the one that is named.

    Args:
        arch: Name of the architecture.
        like: Name of a checkpoint, or None for all.

    Raises:
        UnknownName: The zoo has no checkpoint ``like``.
        BadInput: It has another architecture, or no checkpoint of the zoo has the architecture.
    """
    if like is not None:
        entry = manifest.find(like)
        if entry.arch != arch:
            raise BadInput(f"{like} is a {entry.arch}, not a {arch}; name a checkpoint of the same architecture")
        return [Example(entry)]
    found = [entry for entry in map(manifest.find, manifest.names()) if entry.arch == arch]
    if not found:
        raise BadInput(
            f"no checkpoint of the zoo is a {arch}, so its preprocessing is not known; write the entry by hand"
        )
    return [Example(entry) for entry in found]


def match(readings: Iterable[Reading], examples: list[Example], name: str) -> Match | None:
    """The first reading of a file that fits an example, or None if the file has no reading.

    Of several examples one whose own file has the layout of the reading comes first.

    Args:
        readings: The ways to read the file, the most usual one first.
        examples: The checkpoints that it may be like.
        name: Name of the file, for error messages.

    Raises:
        WeightsMismatch: No reading fits any of them; the message has the differences of the nearest, and a checkpoint
            that the file fits, if the zoo has one.
    """
    nearest: tuple[int, WeightsMismatch, Reading] | None = None
    for reading in readings:
        for example in _alike(examples, reading.layout):
            try:
                state = reading.state(name, example.wanted)
            except WeightsMismatch as error:
                wrong, refusal = [""] * 1_000_000, error
            else:
                wrong = differences(example.wanted, state)
                if not wrong:
                    return Match(reading, example, state)
                refusal = WeightsMismatch(_said(wrong, example, reading, name))
            if nearest is None or len(wrong) < nearest[0]:
                nearest = len(wrong), refusal, reading
    if nearest is None:
        return None
    raise WeightsMismatch(f"{nearest[1]}{_suggestion(nearest[2], examples, name)}") from nearest[1].__cause__


def _alike(examples: list[Example], layout: str) -> Iterator[Example]:
    """The examples whose models differ, those with the layout first."""
    seen: list[object] = []
    for example in sorted(examples, key=lambda each: each.layout != layout):
        facts = (example.entry.arch, example.entry.arch_args)
        if facts not in seen:
            seen.append(facts)
            yield example


def _said(wrong: list[str], example: Example, reading: Reading, name: str) -> str:
    where = f" of {reading.part.key}" if reading.part.key else ""
    count = f"{len(wrong)} of {len(example.wanted)} tensors differ"
    return (
        f"{name}: the weights{where} do not fit {example.entry.arch} as {example.entry.name} has it; {count}: "
        f"{'; '.join(wrong[:SHOWN])}"
    )


def _suggestion(reading: Reading, tried: list[Example], name: str) -> str:
    """The command's options with which the file fits, if any checkpoint of the zoo has such a model."""
    try:
        state = reading.state(name)
    except WeightsMismatch:
        return ""
    params = sum(tensor.numel() for key, tensor in state.items() if not key.endswith(STATISTICS))
    entries = [manifest.find(each) for each in manifest.names()]
    same = [entry for entry in entries if entry.params == params]
    near = [entry for entry in entries if entry.arch == tried[0].entry.arch and entry not in same]
    others = [Example(entry) for entry in chain(same, near) if entry not in [each.entry for each in tried]]
    for other in islice(_alike(others, reading.layout), TRIED):
        try:
            fits = not differences(other.wanted, reading.state(name, other.wanted))
        except WeightsMismatch:
            continue
        if fits:
            like = other.entry.name
            return f"; it fits {like}: omlzoo convert --arch {other.entry.arch} --like {like}"
    return ""
