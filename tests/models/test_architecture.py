"""One way from a name to an architecture."""

import pytest

from omlzoo.errors import BadInput, UnknownName
from omlzoo.models._architecture import architecture
from omlzoo.models._timm import TimmBody
from omlzoo.models.projection import projected


def test_each_kind_of_name_is_found() -> None:
    assert architecture("resnet_toy")().dim == 64
    assert isinstance(architecture("timm:test_vit")(), TimmBody)
    with pytest.raises(UnknownName, match="did you mean"):
        architecture("resnet_to")
    with pytest.raises(BadInput, match="imports os"):
        architecture("module:os.system")(dim=3, arguments={})


def test_a_projection_follows_each_kind() -> None:
    model = projected("timm:test_vit", 8)
    assert (model.dim, model.body.dim, len(model.stages())) == (8, 64, len(model.body.stages()) + 1)
    with pytest.raises(BadInput, match="imports os"):
        projected("module:os.system", 8, {"dim": 3})
