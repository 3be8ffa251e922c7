"""The table of layouts: every row can be recognised, and none drops what it needs to be recognised."""

from omlzoo.checkpoints.layout_table import LAYOUTS, PLAIN, TIMM


def test_every_layout_is_recognised_by_something_and_read_from_somewhere() -> None:
    assert all(rule.of and rule.containers and rule.prefixes for rule in LAYOUTS.values())
    assert [name for name, rule in LAYOUTS.items() if not rule.marks] == [TIMM], "which is only ever named"
    assert {key for rule in LAYOUTS.values() for key in rule.containers} == {
        PLAIN, "state_dict", "model", "teacher", "target_encoder", "state_dict_ema", "model_ema",
    }  # fmt: skip


def test_both_sides_of_a_rename_have_the_same_wildcards() -> None:
    for rule in LAYOUTS.values():
        for old, new in rule.rename:
            assert [sign for sign in old if sign in "#*"] == [sign for sign in new if sign in "#*"], (old, new)
