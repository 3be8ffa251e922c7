"""The computing options as flags, the same in every command that embeds images."""

from typing import Annotated

from cyclopts import Parameter

from omlzoo.embedding.options import ComputeOptions

__all__ = ["DEFAULT", "Computing"]

Computing = Annotated[ComputeOptions, Parameter(name="*")]
DEFAULT = ComputeOptions()
