"""omlzoo doctor."""

from dataclasses import asdict

from omlzoo.checkpoints import local
from omlzoo.cli.output import print_columns, print_json, print_line

__all__ = ["doctor_command"]


def doctor_command(*, check: bool = False, json: bool = False) -> int:
    """Show which weights are stored, which are pinned, which are broken, and the settings; nothing is downloaded.

    Exit code 2 where a file is broken.

    Parameters
    ----------
    check
        Compute the sha256 of every stored file.
    json
        Print one JSON document.
    """
    states = local.states(check)
    facts, left = local.environment(), local.leftovers()
    broken = any(state.problem for state in states)
    if json:
        rows = [{**asdict(state), "path": str(state.path) if state.path else None} for state in states]
        print_json({"environment": facts, "checkpoints": rows, "leftovers": [str(path) for path in left]})
        return 2 if broken else 0
    for name, value in facts.items():
        print_line(f"{name:26} {value}")
    print_line()
    here = [state for state in states if state.path]
    lines = [
        [state.name, f"{state.size / 1e6:.1f} MB", "pinned" if state.pinned else "unpinned", state.problem or "",
         str(state.path)]
        for state in here
    ]  # fmt: skip
    print_columns(["here", "size", "", "problem", "file"], lines)
    pinned = sum(state.pinned for state in states)
    print_line(f"\n{len(here)} of {len(states)} checkpoints are here; {pinned} of all are pinned")
    for path in left:
        print_line(f"left by a killed download: {path}")
    return 2 if broken else 0
