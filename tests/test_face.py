"""What a user types: light to import, complete to look at, helpful when mistyped; every name of the contract is there."""

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from places import PROJECT

import omlzoo
from omlzoo.checkpoints import manifest

PACKAGE = PROJECT / "omlzoo"

# Sections 1 to 6 of the contract; a later section adds its lines here.
ACTS: dict[str, list[str]] = {
    "list_models": ["pattern", "family", "license"],
    "get_model": ["name", "weights", "image_size", "normalize"],
    "get_weights": ["name"],
    "embed": ["model", "source", "root", "out", "batch_size", "precision", "workers", "device", "fast", "runtime"],
    "load_embeddings": ["path"],
    "build_index": ["embeddings", "backend"],
    "open_index": ["folder"],
    "evaluate": [
        "model",
        "table",
        "root",
        "batch_size",
        "precision",
        "workers",
        "device",
        "fast",
        "runtime",
        "thorough",
    ],
    "recommend": ["task", "cpu", "commercial", "offline", "count"],
    "finetune": ["model", "table", "out", "recipe", "resume", "device"],
}
ROOMS: dict[str, list[str]] = {
    "omlzoo.losses": [
        "TripletLoss", "ArcFaceLoss", "CosFaceLoss", "SubCenterArcFaceLoss", "ContrastiveLoss", "MultiSimilarityLoss",
        "CircleLoss", "ProxyAnchorLoss", "SupConLoss", "NTXentLoss", "SurrogatePrecision", "ThresholdConsistentMargin",
        "HyperbolicContrastive", "ProtoNCE", "BilinearInfoNCE", "PatchContrast", "ContrastiveClustering",
        "SimilarityDistillation", "WeightedSum", "Loss",
    ],
    "omlzoo.miners": ["AllTriplets", "HardTriplets", "NHardTriplets", "SemiHardTriplets", "HardCluster", "EasyPositive",
                      "MultiSimilarityPairs"],
    "omlzoo.memory": ["MemoryBank"],
    "omlzoo.samplers": ["Balanced", "CategoryBalanced", "DistinctCategoryBalanced", "FullCoverage", "NearestLabels"],
    "omlzoo.metrics": ["retrieval", "opis", "fnmr_at_fmr", "pcf"],
    "omlzoo.training": ["Recipe", "Run", "finetune"],
    "omlzoo.models": ["Extractor", "vits16"],
}  # fmt: skip
MEMBERS = {
    "models:Extractor": ["dim", "weights", "transforms", "save", "features"],
    "weights:Weights": ["name", "dim", "params", "license", "metrics", "preprocess", "meta", "transforms", "fetch"],
    "embeddings:Embeddings": ["vectors", "table", "save"],
    "index:Index": ["search", "save"],
    "hits:Hits": ["ids", "scores", "table"],
    "report:Report": ["metrics", "save", "html"],
    "run:Run": ["model", "report", "history"],
}
HOMES = {
    "models": "omlzoo.models._extractor", "weights": "omlzoo.checkpoints.weights", "run": "omlzoo.training.run_folder",
    "embeddings": "omlzoo.embedding.embeddings", "index": "omlzoo.index.index", "hits": "omlzoo.index.hits",
    "report": "omlzoo.evaluation.report",
}  # fmt: skip
COMMANDS: dict[str, list[str]] = {
    "list": ["--json"], "show": ["--json"], "fetch": [], "check": [], "serve": ["--port"], "demo": [], "push": [],
    "embed": ["-o", "--batch-size", "--precision", "--workers"], "index": ["-o", "--backend"],
    "search": ["-k", "--json", "--html"], "evaluate": ["--json", "--html"], "convert": ["--arch", "-o"],
    "finetune": ["--model", "-o", "--loss", "--miner", "--sampler", "--epochs", "--lr", "--freeze", "--seed",
                 "--config", "--resume"],
    "export": ["-o"],
}  # fmt: skip


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_and_listing_loads_nothing_heavy() -> None:
    code = "import sys, omlzoo; omlzoo.list_models(); omlzoo.get_weights('vits16_inshop').metrics; "
    code += "print([m for m in ('torch', 'timm', 'pandas', 'numpy', 'huggingface_hub', 'PIL') if m in sys.modules])"
    assert run(code).strip() == "[]"


@pytest.mark.parametrize("name", sorted(ACTS))
def test_every_act_of_the_contract_takes_its_arguments(name: str) -> None:
    taken = inspect.signature(getattr(omlzoo, name)).parameters
    assert set(ACTS[name]) <= set(taken)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_every_name_of_the_contract_is_imported_from_its_room(room: str) -> None:
    module = import_module(room)
    assert all(callable(getattr(module, name)) for name in ROOMS[room])


@pytest.mark.parametrize("where", sorted(MEMBERS))
def test_what_acts_give_has_the_members_of_the_contract(where: str) -> None:
    room, name = where.split(":")
    kind: Any = getattr(import_module(HOMES[room]), name)
    assert [member for member in MEMBERS[where] if member not in {*dir(kind), *vars(kind).get("__annotations__", {})}
            and member not in inspect.getsource(kind)] == []  # fmt: skip


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_of_the_contract_has_its_flags(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    from omlzoo.cli import main

    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert [flag for flag in COMMANDS[command] if flag not in text] == []


def test_a_checkpoint_is_a_function_with_keyword_arguments() -> None:
    taken = inspect.signature(type(omlzoo.vits16_inshop).__call__).parameters
    assert list(taken)[1:] == ["pretrained", "image_size", "normalize"]
    assert taken["pretrained"].default is True
    assert {each.kind for each in list(taken.values())[1:]} == {inspect.Parameter.KEYWORD_ONLY}


def test_dir_lists_acts_and_checkpoints() -> None:
    assert {*omlzoo.ACTS, *manifest.names()} <= set(dir(omlzoo))


@pytest.mark.parametrize("name", sorted(omlzoo.ACTS))
def test_every_act_is_there(name: str) -> None:
    assert callable(getattr(omlzoo, name))


def test_an_act_and_a_file_never_share_a_name_in_any_room() -> None:
    files = {path.stem for path in PACKAGE.rglob("*.py")} | {path.name for path in PACKAGE.rglob("*") if path.is_dir()}
    assert not files & set(omlzoo.ACTS)


def test_a_mistyped_name_is_answered_with_near_ones() -> None:
    with pytest.raises(AttributeError, match="did you mean vits16_inshop"):
        omlzoo.vits16_inshp  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match="did you mean evaluate"):
        omlzoo.evaluat  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(omlzoo, "__wrapped__")


def test_rooms_offer_what_their_files_list_and_what_they_share() -> None:
    from omlzoo import catalog, losses

    assert {"TripletLoss", "Loss"} <= set(dir(losses))
    assert "Loss" not in catalog.names("losses")
    with pytest.raises(AttributeError, match="did you mean TripletLoss"):
        losses.TripleLoss  # type: ignore[attr-defined]  # noqa: B018


def test_the_stubs_are_up_to_date() -> None:
    import stubs

    assert not [path for path, text in stubs.stubs().items() if path.read_text() != text], "run scripts/stubs.py"


def test_types_travel_with_the_package() -> None:
    assert (Path(omlzoo.__file__).parent / "py.typed").is_file()


def test_names_of_other_packages_lead_to_ours() -> None:
    for name, ours in (("from_pretrained", "get_model"), ("load", "get_model"), ("encode", "embed")):
        with pytest.raises(AttributeError, match=f"omlzoo has no '{name}'; did you mean {ours}"):
            getattr(omlzoo, name)
    assert set(vars(omlzoo)["ELSEWHERE"].values()) <= set(omlzoo.ACTS)
