"""Metrics of all pictures of a cell together, against the formulas of their papers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import linalg

from runner.errors import ConfigError
from runner.metrics.find import find_metric
from runner.metrics.sets import clip_fid, cmmd, fid, kid

Floats = NDArray[np.float64]


class Means:
    """Stands for a CLIP: a picture's mean colour and its spread."""

    def embed_image(self, image: Image.Image) -> torch.Tensor:
        return torch.from_numpy(described(image)).float()


def described(image: Image.Image) -> Floats:
    pixels = np.asarray(image, dtype=np.float64).reshape(-1, 3)
    return np.concatenate([pixels.mean(axis=0), pixels.std(axis=0)])


class Network(torch.nn.Module):
    """The same, as a network that a user might bring."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        flat = pixels.double().flatten(2)
        return torch.cat([flat.mean(dim=2), flat.std(dim=2, unbiased=False)], dim=1)


@pytest.fixture
def network(tmp_path: Path) -> str:
    file = tmp_path / "network.pt"
    torch.jit.script(Network()).save(str(file))
    return str(file)


def pictures(seed: int, count: int, brightest: int = 256) -> list[Image.Image]:
    random = np.random.default_rng(seed)
    return [
        Image.fromarray(
            random.integers(0, random.integers(10, brightest), (8, 8, 3), dtype=np.uint8)
        )
        for _ in range(count)
    ]


@pytest.fixture
def real(tmp_path: Path) -> str:
    folder = tmp_path / "real"
    folder.mkdir()
    for number, picture in enumerate(pictures(0, 40)):
        picture.save(folder / f"{number:03d}.png")
    (folder / "notes.txt").write_text("no picture")
    return str(folder)


def frechet(one: Floats, other: Floats) -> float:
    """|m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½), as in the paper."""
    means = [features.mean(axis=0) for features in (one, other)]
    covariances = [np.cov(features, rowvar=False) for features in (one, other)]
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    return float(
        ((means[0] - means[1]) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    )


def both(images: list[Image.Image]) -> tuple[Floats, Floats]:
    return np.array([described(i) for i in images]), np.array(
        [described(i) for i in pictures(0, 40)]
    )


def test_fid_is_the_papers(real: str, network: str) -> None:
    images = pictures(1, 30, brightest=128)
    wanted = pytest.approx(frechet(*both(images)), rel=1e-3)
    assert fid(images, real=real, network=network) == wanted
    assert clip_fid(images, Means(), real=real) == wanted  # type: ignore[arg-type]


def test_pictures_that_are_the_real_ones_are_at_no_distance(real: str, network: str) -> None:
    images = pictures(0, 40)
    assert fid(images, real=real, network=network) == pytest.approx(0, abs=1e-2)
    assert cmmd(images, Means(), real=real) == pytest.approx(0, abs=1e-6)  # type: ignore[arg-type]


def test_kid_is_the_unbiased_mmd_of_a_cubic_kernel(real: str, network: str) -> None:
    """With as many pictures as a draw takes, every draw is of all of them."""
    images = pictures(1, 40, brightest=128)
    made, wanted = both(images)

    def kernel(one: Floats, other: Floats) -> Floats:
        found: Floats = (one @ other.T / one.shape[1] + 1) ** 3
        return found

    within = [
        (k.sum() - np.trace(k)) / (len(k) * (len(k) - 1))
        for k in (kernel(made, made), kernel(wanted, wanted))
    ]
    mmd = sum(within) - 2 * kernel(made, wanted).mean()
    found = kid(images, real=real, network=network)
    assert found == pytest.approx(mmd, rel=1e-3)
    assert kid(images, real=real, network=network) == found  # seeded


def test_cmmd_is_that_of_the_paper(real: str) -> None:
    images = pictures(1, 30, brightest=128)
    made, wanted = (f / np.linalg.norm(f, axis=1, keepdims=True) for f in both(images))

    def kernel(one: Floats, other: Floats) -> float:
        squared = ((one[:, None] - other[None]) ** 2).sum(axis=2)
        return float(np.exp(-squared / (2 * 10**2)).mean())

    mmd = kernel(made, made) + kernel(wanted, wanted) - 2 * kernel(made, wanted)
    found = cmmd(images, Means(), real=real)  # type: ignore[arg-type]
    assert found == pytest.approx(1000 * mmd, rel=1e-4)


def test_the_further_away_the_larger(real: str, network: str) -> None:
    far, near = (
        fid(pictures(2, 40, brightest=level), real=real, network=network) for level in (30, 200)
    )
    assert far > 2 * near


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ValueError, match="holds 0 pictures"):
        cmmd(pictures(1, 2), Means(), real=str(tmp_path))  # type: ignore[arg-type]


def test_real_pictures_are_embedded_once_until_they_change(real: str) -> None:
    class Counting(Means):
        seen = 0

        def embed_image(self, image: Image.Image) -> torch.Tensor:
            self.seen += 1
            return super().embed_image(image)

    clip: Any = Counting()
    images = pictures(1, 3)
    first = cmmd(images, clip, real=real)
    assert clip.seen == 43
    assert cmmd(images, clip, real=real) == first
    assert clip.seen == 46
    pictures(2, 1)[0].save(Path(real) / "one_more.png")
    assert cmmd(images, clip, real=real) != first
    assert clip.seen == 46 + 44


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.png": b"", "b.txt": b""}, "holds 1 picture ("),
        ({"real": None}, "is no folder"),
        ({"a.png": b"", "b.JPG": b"", "no.pt": b"PK"}, "no.pt is no TorchScript file"),
    ],
)
def test_what_cannot_be_compared_with_is_refused_before_anything_is_drawn(
    tmp_path: Path, network: str, files: dict[str, bytes | None], said: str
) -> None:
    folder = tmp_path / "real"
    if None in files.values():
        folder.write_bytes(b"no folder")
    else:
        folder.mkdir()
    for name, content in files.items():
        if content is not None:
            (folder / name).write_bytes(content)
    given = {"real": str(folder), "network": network}
    if "no.pt" in files:
        given["network"] = str(folder / "no.pt")
    with pytest.raises(ConfigError) as refused:
        find_metric("fid", "runner.metrics.sets:fid", given)
    assert said in str(refused.value)
