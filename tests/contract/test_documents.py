"""Links in the documents work, and the README leads to every page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PAGES = sorted((PROJECT / "docs").glob("*.md"))
DOCUMENTS = [*sorted(PROJECT.glob("*.md")), *PAGES]
LINK = re.compile(r"\]\((?!https?://)([^)#]*)(?:#([^)]*))?\)")


def anchors_of(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors_of(linked), f"{target}#{anchor}"


def test_the_readme_leads_to_every_page() -> None:
    linked = {target for target, _ in LINK.findall((PROJECT / "README.md").read_text())}
    assert linked >= {page.relative_to(PROJECT).as_posix() for page in PAGES}
    assert len(PAGES) > 10


@pytest.mark.parametrize("page", [PROJECT / "README.md", *PAGES], ids=lambda page: page.name)
def test_a_page_is_short(page: Path) -> None:
    if page.name != "configuration.md":  # a reference, which a command prints
        assert len(page.read_text(encoding="utf-8").splitlines()) <= 120
