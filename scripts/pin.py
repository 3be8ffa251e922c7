"""Pin the entries of the zoo and their text towers: commit, sha256 and size of each Hub file, as its API tells them.
Needs the network.

    python scripts/pin.py                     shows what would change
    python scripts/pin.py --write NAME...     writes it into weights_manifest; all entries where none is named

An entry that is pinned already is compared with what the Hub says of its commit, and never moved to another one unless
--move asks for it. Exit code 1 where an entry could not be pinned or is not what it says.
"""

import argparse
import sys
from dataclasses import replace
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.hf_api import RepoSibling

from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import Entry, Text, Tokenizer, dump_entry


class CannotPin(Exception):
    """The Hub does not say what is needed, or says something else than the entry."""


def pinned(entry: Entry, move: bool = False) -> Entry:
    """The entry with revision, sha256 and size as the Hub has them now.

    Args:
        entry: Of a Hub repository.
        move: Take the newest commit though the entry has one.

    Raises:
        CannotPin: The repository, the commit or the file is not there, no sha256 is told, or the file of the entry's
            commit is another one than the entry says.
    """
    if entry.repo is None:
        return entry
    revision, sha256, size = _found(entry, move)
    return replace(entry, revision=revision, sha256=sha256, size=size, pin="publisher")


def pinned_text(entry: Entry, move: bool = False) -> Entry:
    """As :func:`pinned`, but the entry's text tower and tokenizer, if it has them."""
    if entry.text is None:
        return entry
    text, tokenizer = entry.text, entry.text.tokenizer
    if text.repo is not None:
        revision, sha256, size = _found(text, move)
        text = replace(text, revision=revision, sha256=sha256, size=size, pin="publisher")
    revision, sha256, _ = _found(tokenizer, move, small=True)
    tokenizer = replace(tokenizer, revision=revision, sha256=sha256 or (None if move else tokenizer.sha256))
    return replace(entry, text=replace(text, tokenizer=tokenizer))


def _found(holder: Entry | Text | Tokenizer, move: bool, small: bool = False) -> tuple[str, str | None, int | None]:
    """Commit, sha256 and size of a file; the Hub tells no sha256 of a small one."""
    revision = None if move else holder.revision
    try:
        info = HfApi().model_info(str(holder.repo), revision=revision, files_metadata=True)
    except (HfHubHTTPError, OSError) as error:
        raise CannotPin(f"{holder.repo}@{revision or 'main'}: {str(error).strip().splitlines()[0]}") from error
    files = {file.rfilename: file for file in info.siblings or []}
    if holder.file not in files:
        others = [name for name in sorted(files) if name.endswith((".safetensors", ".bin", ".pth", ".pt", ".json"))]
        raise CannotPin(f"{holder.repo} has no {holder.file}; it has {', '.join(others) or 'no weights'}")
    sha256, size = _announced(files[holder.file])
    if info.sha is None or (sha256 is None and not small):
        said = "commit" if info.sha is None else f"sha256 of {holder.file}"
        raise CannotPin(f"{holder.repo}: the Hub tells no {said}")
    doubtful = not isinstance(holder, Tokenizer) and holder.pin == "one source"  # the Hub itself knows better
    if not move and not doubtful and sha256 is not None and holder.sha256 not in (None, sha256):
        raise CannotPin(f"{holder.repo}@{info.sha[:12]}/{holder.file} has sha256 {sha256[:16]}..., the entry says "
                        f"{str(holder.sha256)[:16]}...")  # fmt: skip
    return info.sha, sha256, size


def _announced(file: RepoSibling) -> tuple[str | None, int | None]:
    return (file.lfs.sha256, file.lfs.size) if file.lfs else (None, file.size)


def changes(old: Entry, new: Entry) -> list[str]:
    """One line for each fact that differs."""
    pairs: list[tuple[str, Any, Any]] = [("", old, new)]
    if old.text is not None and new.text is not None:
        pairs += [("text.", old.text, new.text), ("text.tokenizer.", old.text.tokenizer, new.text.tokenizer)]
    return [
        f"{where}{key}: {getattr(one, key)} -> {getattr(other, key)}"
        for where, one, other in pairs
        for key in ("revision", "sha256", "size", "pin")
        if getattr(one, key, None) != getattr(other, key, None)
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--write", action="store_true", help="write the entries that changed")
    parser.add_argument("--move", action="store_true", help="take the newest commit also where one is pinned")
    args = parser.parse_args(arguments)
    entries = [manifest.find(name) for name in args.names or manifest.own_names()]
    hosted = [entry for entry in entries if entry.repo is not None or entry.text is not None]
    changed, refused = 0, 0
    for entry in hosted:
        new = entry
        for part in (pinned, pinned_text):
            try:
                new = part(new, args.move)
            except CannotPin as error:
                refused += 1
                print(f"{entry.name}: NOT PINNED: {error}")
        lines = changes(entry, new)
        changed += bool(lines)
        for line in lines:
            print(f"{entry.name}: {line}")
        if lines and args.write:
            (manifest.folder() / f"{entry.name}.json").write_text(dump_entry(new), encoding="utf-8")
    done = "written" if args.write else "would change; --write writes them"
    print(f"{len(hosted)} of {len(entries)} entries are on the Hub: {changed} {done}, {refused} could not be pinned")
    return int(bool(refused))


if __name__ == "__main__":
    sys.exit(main())
