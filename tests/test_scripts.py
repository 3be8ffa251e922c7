"""The scripts that a maintainer runs online, against the loopback hub and the bundled checkpoint."""

from dataclasses import replace
from pathlib import Path

import pin
import pytest
import strokes
import verify_zoo
from loopback_hub import COMMIT, LoopbackHub
from text_entries import publish
from toys import toy_entry

from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import Entry, dump_entry, read_entry
from omlzoo.errors import WeightsMismatch

FILE = "model.safetensors"
BUNDLED = manifest.find("resnet_small_omniglot")


def unpinned(repo: str) -> Entry:
    return toy_entry(repo=repo, file=FILE)


def test_an_entry_is_pinned_to_what_the_hub_tells(hub: LoopbackHub) -> None:
    sha256 = hub.publish("zoo/a", FILE, b"12345")
    entry = unpinned("zoo/a")
    new = pin.pinned(entry)
    assert (new.revision, new.sha256, new.size) == (COMMIT, sha256, 5)
    assert [line.partition(":")[0] for line in pin.changes(entry, new)] == ["revision", "sha256", "size", "pin"]
    assert pin.changes(new, pin.pinned(new)) == []
    assert (
        replace(new, revision=entry.revision, sha256=entry.sha256, size=entry.size, pin=entry.pin) == entry
    )  # nothing else


def test_text_towers_are_pinned_too(hub: LoopbackHub) -> None:
    text, _ = publish(hub, "zoo/words", 16, pinned=False)
    entry = replace(unpinned("zoo/words"), repo=None, file=None, text=text)
    wanted, _ = publish(hub, "zoo/words", 16)
    found = pin.pinned_text(entry).text
    assert found is not None
    assert (found.revision, found.sha256) == (wanted.revision, wanted.sha256)
    assert found.tokenizer.revision == COMMIT
    said = [line.partition(":")[0] for line in pin.changes(entry, pin.pinned_text(entry))]
    assert said[:3] == ["text.revision", "text.sha256", "text.size"]
    assert "text.tokenizer.revision" not in said, "it was known"


def test_a_pinned_entry_that_the_hub_contradicts_is_refused_and_moved_only_when_asked(hub: LoopbackHub) -> None:
    sha256 = hub.publish("zoo/b", FILE, b"new")
    entry = replace(unpinned("zoo/b"), revision=COMMIT, sha256="0" * 64)
    with pytest.raises(pin.CannotPin, match=r"has sha256 .*, the entry says 0000000000000000"):
        pin.pinned(entry)
    assert pin.pinned(entry, move=True).sha256 == sha256
    with pytest.raises(pin.CannotPin, match="404"):
        pin.pinned(replace(entry, revision="b" * 40))


def test_what_cannot_be_pinned_says_why(hub: LoopbackHub) -> None:
    hub.publish("zoo/c", "pytorch_model.bin", b"x")
    with pytest.raises(pin.CannotPin, match=r"zoo/c has no model.safetensors; it has pytorch_model.bin"):
        pin.pinned(unpinned("zoo/c"))
    with pytest.raises(pin.CannotPin, match="404"):
        pin.pinned(unpinned("zoo/nowhere"))
    hub.faults["status"] = (403, "GatedRepo")
    with pytest.raises(pin.CannotPin, match="403"):
        pin.pinned(unpinned("zoo/c"))


def test_pin_goes_through_all_names_and_writes_only_when_asked(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [manifest.find(name) for name in manifest.names()]
    hosted = [entry.name for entry in entries if entry.repo and entry.revision is None and entry.text is None][:2]
    entry = manifest.find(hosted[0])
    sha256 = hub.publish(str(entry.repo), str(entry.file), b"weights")
    monkeypatch.setattr(manifest, "folder", lambda: tmp_path)
    assert pin.main(hosted) == 1
    out = capsys.readouterr().out
    assert f"{hosted[0]}: sha256: {entry.sha256} -> {sha256}" in out
    assert f"{hosted[1]}: NOT PINNED" in out
    assert "1 would change; --write writes them, 1 could not be pinned" in out
    assert not list(tmp_path.iterdir())
    assert pin.main([hosted[0], "--write"]) == 0
    assert read_entry(tmp_path / f"{hosted[0]}.json") == replace(
        entry, revision=COMMIT, sha256=sha256, size=7, pin="publisher"
    )


def test_an_entry_is_verified_and_measured(drawn: Path) -> None:
    new = verify_zoo.verified(replace(BUNDLED, fingerprint=None), drawn, "drawn")
    assert new.fingerprint is not None
    assert len(new.fingerprint) == 32
    measured = [metric for metric in new.metrics if metric.dataset == "drawn"]
    assert [metric.metric for metric in measured] == ["cmc@1", "map@r"]
    assert all(
        0 < metric.value <= 1 and "40 queries" in metric.where and "torch" in metric.where for metric in measured
    )
    assert set(BUNDLED.metrics) < set(new.metrics)
    again = verify_zoo.verified(new, drawn, "drawn")
    assert again.metrics == new.metrics  # replaced, not doubled


def test_another_fingerprint_is_reported_and_not_overwritten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = replace(BUNDLED, fingerprint=(0.5,) * 32)
    with pytest.raises(WeightsMismatch, match="fingerprint is off by"):
        verify_zoo.verified(wrong)
    (tmp_path / f"{BUNDLED.name}.json").write_text(dump_entry(wrong))
    (tmp_path / "bundled").symlink_to(manifest.folder() / "bundled")
    monkeypatch.setattr(manifest, "folder", lambda: tmp_path)
    manifest.find.cache_clear()
    try:
        assert verify_zoo.main([BUNDLED.name, "--write"]) == 1
        assert f"{BUNDLED.name}: FAILED" in capsys.readouterr().out
        assert read_entry(tmp_path / f"{BUNDLED.name}.json") == wrong
    finally:
        manifest.find.cache_clear()


def test_invented_characters_are_the_same_for_the_same_seed_and_twins_differ() -> None:
    pictures = strokes.group(5, labels=6, drawers=4, side=32)
    assert pictures.shape == (6, 4, 32, 32)
    assert (pictures == strokes.group(5, labels=6, drawers=4, side=32)).all()
    ink = (pictures < 128).mean(axis=(2, 3))
    assert (ink > 0.002).all()  # something is drawn
    assert (ink < 0.5).all()
    flat = pictures.reshape(24, -1)
    assert len({row.tobytes() for row in flat}) == 24
