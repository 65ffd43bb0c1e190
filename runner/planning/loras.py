"""LoRAs of a cell: what takes one, and whether a file fits the model that it is to change."""

from __future__ import annotations

from dataclasses import replace

from runner.catalog.versions import VERSIONS
from runner.config.choices import WeightsSource
from runner.config.lora import KEY
from runner.config.run_config import Lora, RunConfig
from runner.errors import ConfigError, WeightsError
from runner.planning.unused import prior_samples
from runner.system.machine import check_installed, versions
from runner.weights.find import FoundWeights
from runner.weights.found import FoundCheckpoint, FoundLora
from runner.weights.hashes import FileHashes, hash_memory
from runner.weights.loras import PEFT, LoraFile, Shapes, find_lora, misfit, model_shapes, named

OLDEST = (0, 17)
"""Earlier ones do not take the layers from the file, and wrap others of the same name, too."""


def check_loras_possible(run: RunConfig) -> None:
    """Raises ConfigError for a LoRA that no model of the cell takes, or without peft."""
    check_lora_roles(run)
    if run.lora:
        check_installed(KEY, run.lora[0].path, (PEFT,))
        _check_version(run.lora[0])


def check_lora_roles(run: RunConfig) -> None:
    """Raises ConfigError for a LoRA that no model of the cell takes."""
    version, roles = run.version, run.version.lora_roles
    for number, lora in enumerate(run.lora):
        if not roles:
            others = (f"model={one.name}" for one in VERSIONS.values() if one.lora_roles)
            raise ConfigError(
                f"{KEY}[{number}]", lora.path,
                f"diffusers adds LoRAs to no model of Kandinsky {version.title}", tuple(others),
            )  # fmt: skip
        key = f"{KEY}[{number}].role"
        if lora.role not in roles:
            problem = f"Kandinsky {version.title} has none that takes a LoRA"
            raise ConfigError(key, lora.role, problem, roles)
        if lora.role == "prior" and not prior_samples(run):
            problem = "no text is mixed, so that the prior draws nothing"
            others = (role for role in roles if role != "prior")
            raise ConfigError(key, "prior", problem, (*others, "an item with a text"))


class LoraFinder:
    """Finds the LoRAs of one command's cells; reads each file and each model's headers once."""

    def __init__(self) -> None:
        self._files: dict[tuple[Lora, str, bool], LoraFile] = {}
        self._shapes: dict[str, Shapes | None] = {}

    def add(self, run: RunConfig, weights: FoundWeights) -> FoundWeights:
        """The weights, with the LoRAs of each checkpoint.

        Raises:
            WeightsError: a file is missing, cut off, no LoRA, or of another model.
            ConfigError: the same one is there twice.
        """
        if not run.lora:
            return weights
        hashes = FileHashes(hash_memory())
        loras: dict[str, list[FoundLora]] = {}
        for number, lora in enumerate(run.lora):
            key, own = f"{KEY}[{number}].path", weights.checkpoints[lora.role]
            file = self._file(lora, key, run, weights, hashes)
            if file.found.is_here:
                self._check(file, key, lora.role, weights)
            before = loras.setdefault(lora.role, [])
            found = named(file, key, lora.weight)
            same = next((one for one in before if one.sha256 == found.sha256), None)
            if same is not None:
                raise ConfigError(
                    key, lora.path, f"is that of {same.key}, for the same model",
                    "one of them, with the sum of both weights",
                )  # fmt: skip
            before.append(found)
            assert own.denoises
        hashes.save()
        return FoundWeights(
            {
                role: replace(found, loras=tuple(loras.get(role, ())))
                for role, found in weights.checkpoints.items()
            }
        )

    def _file(
        self, lora: Lora, key: str, run: RunConfig, weights: FoundWeights, hashes: FileHashes
    ) -> LoraFile:
        may_download = run.weights.source is WeightsSource.hub
        modules = sorted({found.checkpoint.denoiser for found in _taking(weights).values()})
        # Its weight and role decide nothing of the file.
        known = replace(lora, weight=1.0, role=""), ",".join(modules), may_download
        if known not in self._files:
            self._files[known] = find_lora(
                lora, key, tuple(modules), hashes, may_download=may_download
            )
        return self._files[known]

    def _check(self, file: LoraFile, key: str, role: str, weights: FoundWeights) -> None:
        """Raises WeightsError where a file does not fit the model of its role."""
        own = weights.checkpoints[role]
        path, module, denoiser = file.found.path, file.found.module, own.checkpoint.denoiser
        others = [other for other in _taking(weights) if other != role]
        fitting = [other for other in others if self._fits(file, weights.checkpoints[other])]
        allowed = f"role={fitting[0]}" if fitting else "a LoRA that was trained on this model"
        if module not in ("", denoiser):
            problem = f"is of a module {module}, and the {role} draws with its {denoiser}"
            raise WeightsError(key, path, problem, allowed)
        shapes = self._shapes_of(own)
        wrong = None if shapes is None else misfit(file, shapes)
        if wrong is not None:
            name, shape, layer = wrong
            has = f"the layer's weights are {list(layer)}" if layer else "it has no such layer"
            fits = f" (it fits the {fitting[0]})" if fitting else ""
            model = role if denoiser == role else f"{denoiser} of the {role}"
            raise WeightsError(
                key, path, f"does not fit the {model}{fits}: {name!r} is "
                f"{list(shape)}, and {has}", allowed,
            )  # fmt: skip

    def _fits(self, file: LoraFile, found: FoundCheckpoint) -> bool:
        shapes = self._shapes_of(found)
        is_own = file.found.module in ("", found.checkpoint.denoiser)
        return is_own and shapes is not None and misfit(file, shapes) is None

    def _shapes_of(self, found: FoundCheckpoint) -> Shapes | None:
        if found.identity not in self._shapes:
            self._shapes[found.identity] = model_shapes(found)
        return self._shapes[found.identity]


def _taking(weights: FoundWeights) -> dict[str, FoundCheckpoint]:
    """The checkpoints whose denoisers may take a LoRA."""
    return {role: found for role, found in weights.checkpoints.items() if found.denoises}


def _check_version(lora: Lora) -> None:
    installed = versions((PEFT,)).get(PEFT, "0")
    numbers = tuple(int(part) for part in installed.split(".")[:2] if part.isdecimal())
    if numbers < OLDEST:
        raise ConfigError(
            KEY, lora.path, f"needs another version of {PEFT} than {installed}",
            "pip install 'kandinsky-runner[lora]'",
        )  # fmt: skip
