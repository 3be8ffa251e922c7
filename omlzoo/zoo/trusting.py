"""Packages that a whole process trusts: a command's ``--trust``, and what workers elsewhere take over from it."""

from omlzoo.models._trust import PROCESS, Trust, as_packages

__all__ = ["Trust", "forget_trust", "trust_packages", "trusted_packages"]


def trust_packages(trust: Trust) -> None:
    """Let folders name classes of these packages, in this process, until :func:`forget_trust`.

    Raises:
        BadInput: It is no name of a package.
    """
    PROCESS.update(as_packages(trust))


def trusted_packages() -> tuple[str, ...]:
    """The packages that this process trusts."""
    return tuple(PROCESS)


def forget_trust() -> None:
    """Trust no package any more."""
    PROCESS.clear()
