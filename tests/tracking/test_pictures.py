"""Pictures in MLflow: delivered once, small ones in one place, large ones with a thumbnail."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from runner.tracking.spool import Spool, Target
from runner.tracking.writer import deliver_left_behind
from tracking.processes import MLflow
from tracking.spools_made import RUN, begin

pytestmark = pytest.mark.slow


def test_pictures_are_there_once_and_large_ones_have_a_thumbnail(
    tmp_path: Path, target: Target
) -> None:
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    Image.new("RGB", (256, 64), "red").save(small)
    Image.new("RGB", (300, 600), "blue").save(large)
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    spool = Spool(tmp_path, RUN, target)
    begin(spool)
    for name in ("small", "large", "damaged", "gone"):
        spool.append("picture", RUN, path=f"{name}.png", key=f"{name}/seed 0", time_ms=7)
    spool.append("end", RUN, status="FINISHED", time_ms=1_700_000_009_000)
    spool.append("close")
    spool.close()
    copy = shutil.copytree(spool.path, tmp_path / "copy")
    for _ in range(2):  # a writer may die before it notes what it delivered
        assert deliver_left_behind(tmp_path) == {}
        mlflow = MLflow(tmp_path / "mlflow.db")
        run = mlflow.run()
        assert mlflow.pictures(run) == {"small/seed 0", "large/seed 0", "damaged/seed 0"}
        assert run.data.tags["runner.missing_file"] == "gone.png"
        shutil.copytree(copy, spool.path)
        (spool.path / "writer.lock").touch()
    (folder,) = tmp_path.glob("mlartifacts/*/*/artifacts/images")
    found = {path.name.partition("~")[0] + path.suffix: path for path in folder.iterdir()}
    assert {"small.png", "large.png", "large.webp", "damaged.png"} == found.keys()
    assert all(path.samefile(small) for path in folder.glob("small*"))
    assert found["large.png"].samefile(large)
    with Image.open(found["large.webp"]) as shown:
        assert shown.size == (128, 256)


def test_a_key_that_leads_elsewhere_is_refused(tmp_path: Path, target: Target) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    spool = Spool(tmp_path, RUN, target)
    begin(spool)
    spool.append("picture", RUN, path="a.png", key="a%2F..%2F..", time_ms=7)
    spool.close()
    assert deliver_left_behind(tmp_path) == {RUN: "'a%2F..%2F..' is no key of a picture"}
