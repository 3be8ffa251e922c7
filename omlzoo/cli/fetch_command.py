"""omlzoo fetch."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from omlzoo.checkpoints import cache
from omlzoo.checkpoints.entry import Entry, Text
from omlzoo.checkpoints.fetch import install_weights
from omlzoo.checkpoints.fetch_text import carry_text, fetch_text, fetch_tokenizer, install_text
from omlzoo.checkpoints.folder import copy_folder, open_entry, weights_of
from omlzoo.checkpoints.weights import Weights
from omlzoo.cli.output import print_line
from omlzoo.errors import BadInput
from omlzoo.files import writing
from omlzoo.zoo import fingerprint
from omlzoo.zoo.registry import get_model, get_weights

__all__ = ["fetch_command"]


def fetch_command(
    *names: str,
    to: Path | None = None,
    source: Annotated[Path | None, Parameter(name="--from")] = None,
    check: bool = False,
    text: bool = False,
) -> None:
    """Download and verify weights, ready for offline use; prints the local files.

    Parameters
    ----------
    names
        Checkpoints of the zoo.
    to
        Also copy them to this folder, to carry to a machine without network.
    source
        Take them from such a folder instead of the network.
    check
        Compute every sha256 again, build the models, and compare their fingerprints with those of the entries.
    text
        Also the text towers and their tokenizers, of the checkpoints that have one.
    """
    if not names:
        raise BadInput("give the names of checkpoints; `omlzoo list` shows them")
    checkpoints = [get_weights(name) for name in names]  # all names are known before the first download
    if text and not any(weights.entry.text for weights in checkpoints):
        raise BadInput(f"--text: none of {', '.join(names)} has a text tower; `omlzoo show NAME` says whether one has")
    for weights in checkpoints:
        path = weights.fetch(afresh=check) if source is None else install_weights(weights.entry, source)
        if to is not None:
            path = _carried(weights.entry, path, to / weights.name)
        print_line(f"{path}{_checked(weights) if check else ''}")
        if text and weights.entry.text is not None:
            print_line("\n".join(map(str, _text_files(weights, weights.entry.text, to, source))))


def _carried(entry: Entry, path: Path, folder: Path) -> Path:
    """The folder for another machine, with a copy of the weights."""
    with writing(folder):
        there = open_entry(folder) if weights_of(folder).exists() else entry
        if there.repo != entry.repo and not cache.serves(there, entry):
            wanted, found = entry.repo or "no repository", there.repo or "no repository"
            raise BadInput(f"{folder} holds weights of {found}, not of {wanted}; give another --to")
        copy_folder(path, cache.kept(entry) or entry, folder)
    return folder


def _text_files(weights: Weights, text: Text, to: Path | None, source: Path | None) -> tuple[Path, Path]:
    entry, folder = weights.entry, weights.folder
    if source is not None:
        files = install_text(entry, text, source)
    elif to is None:
        files = fetch_text(entry, text, folder=folder), fetch_tokenizer(entry, text.tokenizer, folder=folder)
    return files if to is None else carry_text(entry, text, to)


def _checked(weights: Weights) -> str:
    model = get_model(weights.name)
    expected = weights.entry.fingerprint
    if expected is None:
        return "  (no fingerprint is stored yet; scripts/verify_zoo.py writes it)"
    return f"  (fingerprint within {fingerprint.check(model, expected, weights.name):.0e})"
