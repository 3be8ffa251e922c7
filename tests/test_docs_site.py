"""The documentation: every page is in the site's contents, links lead somewhere, and what it names is there."""

import importlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from places import PROJECT

from omlzoo.cli import COMMANDS

DOCS = PROJECT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
# Public names of Open Metric Learning 4.0.0, without what is of its own tools alone.
OML = """
AudioLabeledDataset-audio ImageBaseDataset ImageLabeledDataset ImageQueryGalleryLabeledDataset ImageQueryGalleryDataset
get_retrieval_images_datasets label_smoothing calc_retrieval_metrics calc_topological_metrics calc_cmc calc_precision
calc_map calc_fnmr_at_fmr calc_pcf inference inference_cached pairwise_inference IExtractor IPairwiseModel
MetricValCallback ExtractorModule ExtractorModuleDDP PairwiseModule PairwiseModuleDDP NeptunePipelineLogger
ClearMLPipelineLogger extractor_prediction_pipeline extractor_training_pipeline extractor_validation_pipeline
postprocessor_training_pipeline ArcFaceLoss ArcFaceLossWithMLP SurrogatePrecision TripletLoss TripletLossPlain
TripletLossWithMiner Accumulator calc_retrieval_metrics_rr calc_fnmr_at_fmr_rr EmbeddingMetrics TripletMinerWithMemory
AllTripletsMiner HardClusterMiner HardTripletsMiner NHardTripletsMiner MinerWithBank PairsMiner ECAPATDNNExtractor
ExtractorWithMLP LinearTrivialDistanceSiamese ConcatSiamese TrivialDistanceSiamese ResnetExtractor GEM HFWrapper
ViTCLIPExtractor ViTExtractor ViTUnicomExtractor show_registry get_criterion get_miner get_extractor get_optimizer
get_sampler get_scheduler get_transforms_for_pretrained ConstantThresholding AdaptiveThresholding PairwiseReranker
RetrievalResults BalanceSampler CategoryBalanceSampler DistinctCategoryBalanceSampler get_augs_torch get_augs_hypvit
check_retrieval_dataframe_format get_mock_images_dataset download_mock_dataset
"""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def listed(entries: list[object]) -> list[str]:
    """The pages of a part of mkdocs.yml's contents."""
    found: list[str] = []
    for entry in entries:
        values = list(entry.values()) if isinstance(entry, dict) else [entry]
        for value in values:
            found += listed(value) if isinstance(value, list) else [value]
    return found


def test_every_page_is_in_the_contents() -> None:
    facts = yaml.safe_load((PROJECT / "mkdocs.yml").read_text())
    assert facts["theme"]["font"] is False
    assert sorted(listed(facts["nav"])) == [str(page.relative_to(DOCS)) for page in PAGES]


def test_the_pages_of_the_reference_and_of_the_commands_are_up_to_date() -> None:
    import reference_pages

    assert [path.name for path, text in reference_pages.pages().items() if path.read_text() != text] == []


def test_every_extra_and_every_command_is_described() -> None:
    import tomllib

    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    install = (DOCS / "install.md").read_text()
    assert [name for name in extras if f"`{name}`" not in install] == []
    commands = (DOCS / "commands.md").read_text()
    assert [name for lines in COMMANDS.values() for name in lines if f"`omlzoo {name}`" not in commands] == []


def test_every_name_of_oml_has_its_row() -> None:
    text = (DOCS / "migration/oml.md").read_text()
    names = [name for name in OML.split() if "-" not in name]
    assert [name for name in names if not re.search(rf"`[^`]*\b{name}\b", text)] == []
    assert "text and audio datasets" in text


@pytest.mark.parametrize("page", sorted((DOCS / "migration").glob("*.md")), ids=lambda page: page.stem)
def test_names_of_ours_on_a_migration_page_are_there(page: Path) -> None:
    for name in sorted(set(re.findall(r"omlzoo\.((?:\w+\.)*\w+)", page.read_text()))):
        whole, found = f"omlzoo.{name}", importlib.import_module("omlzoo")
        for part in name.split("."):
            inner = getattr(found, part, None)
            if inner is None and hasattr(found, "__path__"):
                inner = importlib.import_module(f"{found.__name__}.{part}")
            assert inner is not None, whole
            found = inner


@pytest.mark.slow
def test_the_site_is_built_strictly(tmp_path: Path) -> None:
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("mkdocstrings") is None:
        pytest.skip("mkdocs is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        asked = re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"']?(https?://[^\"' >]+)", page.read_text())
        assert asked == [], page
    assert (tmp_path / "site/search/search_index.json").stat().st_size > 100_000
