"""Names of timm: with a tag, without one, and what is none."""

import pytest

from omlzoo.errors import UnknownName
from omlzoo.models._timm_names import configuration


def test_a_name_without_a_tag_is_timms_first_tag() -> None:
    assert (configuration("resnet10t").architecture, configuration("resnet10t").tag) == ("resnet10t", "c3_in1k")
    assert configuration("convnext_tiny.in12k").hf_hub_id == "timm/convnext_tiny.in12k"


def test_a_name_that_another_package_registers_is_unknown() -> None:
    """Registered entry points of other packages run their code."""
    import timm
    from timm.models import _registry

    def foreign_net(pretrained: bool = False, **kwargs: object) -> None:
        raise AssertionError("it ran")

    _registry._model_entrypoints["foreign_net"] = foreign_net
    try:
        assert timm.is_model("foreign_net")
        with pytest.raises(UnknownName):
            configuration("foreign_net")
    finally:
        del _registry._model_entrypoints["foreign_net"]
