"""What a process trusts is added to, handed on and forgotten; what is no package is refused."""

import pytest

from omlzoo.errors import BadInput
from omlzoo.models._trust import is_trusted
from omlzoo.zoo.trusting import forget_trust, trust_packages, trusted_packages


def test_packages_are_trusted_until_they_are_forgotten() -> None:
    try:
        trust_packages("mypackage")
        trust_packages(["other.nets"])
        assert sorted(trusted_packages()) == ["mypackage", "other.nets"]
        assert is_trusted("mypackage.nets.Net")
        with pytest.raises(BadInput, match="must name the package"):
            trust_packages("*")
    finally:
        forget_trust()
    assert trusted_packages() == ()
    assert not is_trusted("mypackage.nets.Net")
