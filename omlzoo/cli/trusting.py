"""The option --trust, the same in every command that opens a folder."""

from typing import Annotated

from cyclopts import Parameter

from omlzoo.zoo.trusting import trust_packages

__all__ = ["Trusted", "allow"]

Trusted = Annotated[
    list[str] | None,
    Parameter(
        name="--trust",
        help="A package whose classes the model's folder may name; nothing else is imported for a folder.",
        show_default=False,
    ),
]


def allow(trust: list[str] | None) -> None:
    """Trust packages until the command ends.

    Args:
        trust: What was given with ``--trust``.

    Raises:
        BadInput: It is no name of a package.
    """
    trust_packages(trust)
