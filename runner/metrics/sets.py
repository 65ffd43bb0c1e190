"""Metrics of all pictures of a cell together: how their distribution differs from that of real
ones, by features of a network that the user supplies, or of the CLIP of a Kandinsky prior.

They mean little below a thousand pictures, and are comparable only for equal numbers of pictures.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from PIL import Image

from runner.images.decode import formats
from runner.images.quiet import quiet_decoders
from runner.metrics import Clip, metric
from runner.system.text import pluralize

if TYPE_CHECKING:
    import torch

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
SIGMA, SCALE = 10.0, 1000.0
"""Width of CMMD's kernel and the factor of its result, as in the paper."""

KID_SUBSETS, KID_SUBSET_SIZE = 100, 1000

REAL_FEATURES: WeakKeyDictionary[object, tuple[object, torch.Tensor]] = WeakKeyDictionary()
"""Model -> the state of the folder of real pictures that it saw last, and their features: these
are the same for all cells of a sweep.
"""


def _check_real(arguments: Mapping[str, Any]) -> str | None:
    folder = Path(str(arguments["real"])).expanduser()
    if folder.is_file():
        return f"arguments.real={folder} is no folder"
    if folder.is_dir() and any(folder.iterdir()) and (count := len(_pictures_in(folder))) < 2:
        kinds = ", ".join(SUFFIXES)
        has = pluralize(count, "picture")
        return f"arguments.real={folder} holds {has} ({kinds}); two or more are needed"
    return None


def _check_real_and_network(arguments: Mapping[str, Any]) -> str | None:
    network = Path(str(arguments["network"])).expanduser()
    if network.exists() and not _is_torchscript(network):
        return f"arguments.network={network} is no TorchScript file (torch.jit.save)"
    return _check_real(arguments)


def _is_torchscript(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return any("/code/" in name for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


@metric(
    better="lower",
    needs=("torchmetrics",),
    files=("real", "network"),
    fewest=2,
    check=_check_real_and_network,
)
def fid(images: Sequence[Image.Image], *, real: str, network: str) -> float:
    """Fréchet distance of the features of a network (Heusel et al. 2017).

    Args:
        real: folder of the real pictures.
        network: a TorchScript file, uint8 [1, 3, H, W] -> [1, D]: the Inception of the paper
            (inception-2015-12-05.pt), or any other. It resizes pictures itself.
    """
    return _frechet(*_by_network(images, real, network))


@metric(
    better="lower",
    needs=("torchmetrics",),
    files=("real", "network"),
    fewest=2,
    check=_check_real_and_network,
)
def kid(images: Sequence[Image.Image], *, real: str, network: str) -> float:
    """Squared MMD of the features of a network, cubic kernel (Binkowski et al. 2018): the mean
    over 100 draws of up to 1000 pictures. `real`, `network`: as for FID.
    """
    import torch
    from torchmetrics.image.kid import KernelInceptionDistance

    made, wanted = _by_network(images, real, network)
    distance = KernelInceptionDistance(
        feature=_as_they_are(made.shape[1]),
        subsets=KID_SUBSETS,
        subset_size=min(len(made), len(wanted), KID_SUBSET_SIZE),
    )
    distance.update(wanted, real=True)
    distance.update(made, real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # it draws from torch's own generator
        mean, _ = distance.compute()
    return float(mean)


@metric(better="lower", needs=("torchmetrics",), files=("real",), fewest=2, check=_check_real)
def clip_fid(images: Sequence[Image.Image], clip: Clip, *, real: str) -> float:
    """Fréchet distance of CLIP's image embeddings (Kynkäänniemi et al. 2023)."""
    return _frechet(*_by_clip(images, real, clip))


@metric(better="lower", files=("real",), fewest=2, check=_check_real)
def cmmd(images: Sequence[Image.Image], clip: Clip, *, real: str) -> float:
    """1000 times the squared MMD of CLIP's normalised image embeddings, with a Gaussian kernel of
    width 10 (Jayasumana et al. 2024).
    """
    import torch

    made, wanted = (
        torch.nn.functional.normalize(features.double())
        for features in _by_clip(images, real, clip)
    )

    def kernel(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return torch.exp(-torch.cdist(one, other).square() / (2 * SIGMA**2)).mean()

    return SCALE * float(kernel(made, made) + kernel(wanted, wanted) - 2 * kernel(made, wanted))


def _frechet(made: torch.Tensor, wanted: torch.Tensor) -> float:
    """Fréchet distance of two sets of features, [N, D] and [M, D]."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    distance = FrechetInceptionDistance(feature=_as_they_are(made.shape[1]))
    distance.update(wanted, real=True)
    distance.update(made, real=False)
    return float(distance.compute())


def _as_they_are(width: int) -> torch.nn.Module:
    """A network for torchmetrics that returns its input: features are computed here, one picture
    at a time.
    """
    import torch

    class AsTheyAre(torch.nn.Identity):
        num_features = width

    return AsTheyAre()


def _by_network(
    images: Sequence[Image.Image], real: str, network: str
) -> tuple[torch.Tensor, torch.Tensor]:
    import numpy as np
    import torch

    module = _network(network, Path(network).stat().st_mtime_ns)

    def features(picture: Image.Image) -> torch.Tensor:
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]
        found: torch.Tensor = module(pixels)
        return found.float()

    with torch.inference_mode():
        return _stacked(features, images), _of_real(features, real, module)


@lru_cache(maxsize=1)
def _network(file: str, changed: int) -> torch.nn.Module:
    """A TorchScript network; `changed` is when the file was."""
    import torch

    module: torch.nn.Module = torch.jit.load(file, map_location="cpu")  # type: ignore[no-untyped-call]
    return module.eval()


def _by_clip(
    images: Sequence[Image.Image], real: str, clip: Clip
) -> tuple[torch.Tensor, torch.Tensor]:
    def features(picture: Image.Image) -> torch.Tensor:
        return clip.embed_image(picture)[None]

    return _stacked(features, images), _of_real(features, real, clip)


def _of_real(
    features: Callable[[Image.Image], torch.Tensor], real: str, model: object
) -> torch.Tensor:
    """The features of the real pictures by a model, computed once while neither changes."""
    files = [(file, file.stat()) for file in _pictures_in(Path(real))]
    state = [(file, status.st_size, status.st_mtime_ns) for file, status in files]
    kept = REAL_FEATURES.get(model)
    if kept is None or kept[0] != state:
        kept = REAL_FEATURES[model] = state, _stacked(features, pictures_of(real))
    return kept[1]


def _stacked(
    features: Callable[[Image.Image], torch.Tensor], pictures: Iterable[Image.Image]
) -> torch.Tensor:
    import torch

    return torch.cat([features(picture) for picture in pictures])


def _pictures_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)


def pictures_of(folder: str) -> Iterator[Image.Image]:
    """The pictures in a folder, RGB, in the order of their names.

    Raises:
        ValueError: it has fewer than two.
    """
    files = _pictures_in(Path(folder))
    if len(files) < 2:
        raise ValueError(f"{folder} holds {len(files)} pictures; two or more are needed")
    for file in files:
        with quiet_decoders(), Image.open(file, formats=formats()) as opened:
            picture = opened.convert("RGB")
        yield picture
