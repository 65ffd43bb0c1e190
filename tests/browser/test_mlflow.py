"""MLflow's own pages, at the address that `kandinsky ui` prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from browser.conftest import PATIENCE
from runner.catalog.tracking import SQLITE
from runner.images.png import png_bytes
from runner.tracking.pictures import picture_keys
from runner.tracking.spool import Spool, Target
from runner.tracking.writer import deliver_left_behind
from tracking.processes import answers, free_port, wait_until
from tracking.spools_made import begin
from unit.made_pictures import picture

pytestmark = pytest.mark.slow

PICTURES = [("a red circle", 0), ("a red circle", 1), ("a cat, sleeping", 0)]
CELLS = ("ddim", "ddpm")


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """The store of a sweep of two cells, each with the same three pictures."""
    (tmp_path / "a.png").write_bytes(png_bytes(picture()))
    target = Target(f"{SQLITE}{tmp_path}/mlflow.db", f"{tmp_path}/mlartifacts")
    spool = Spool(tmp_path, "sweep", target)
    begin(spool, "sweep")
    for cell in CELLS:
        begin(spool, cell, parent="sweep")
        spool.append("params", cell, params={"a.setting": "that is long"})
        for key in picture_keys(PICTURES):
            spool.append("picture", cell, path="a.png", key=key, time_ms=7)
        spool.append("end", cell, status="FINISHED", time_ms=1_700_000_009_000)
    spool.append("end", "sweep", status="FINISHED", time_ms=1_700_000_009_000)
    spool.append("close")
    spool.close()
    assert deliver_left_behind(tmp_path) == {}
    return tmp_path


def test_the_pictures_of_the_newest_sweep_stand_side_by_side(
    outputs: Path, browser: Browser
) -> None:
    port = free_port()
    command = [sys.executable, "-m", "runner", "ui", str(outputs), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=outputs) as server:
        assert server.stdout is not None
        try:
            runs, pictures = (server.stdout.readline() for _ in range(2))
            assert runs.split()[1] == f"http://127.0.0.1:{port}/#/experiments/1/runs"
            wait_until(lambda: answers(f"http://127.0.0.1:{port}"))
            tab = browser.new_page(viewport={"width": 1600, "height": 1600})
            tab.set_default_timeout(PATIENCE)
            tab.goto(pictures.split()[-1])
            for key in picture_keys(PICTURES):
                expect(tab.get_by_text(key, exact=True)).to_be_visible(timeout=PATIENCE)
            shown = tab.locator("img[src*='get-artifact']")
            expect(shown).to_have_count(len(CELLS) * len(PICTURES), timeout=PATIENCE)
            widths = shown.evaluate_all("all => all.map(one => one.naturalWidth)")
            assert set(widths) == {picture().width}
            expect(tab.get_by_text("that is long")).to_have_count(0)
            tab.close()
        finally:
            server.terminate()
