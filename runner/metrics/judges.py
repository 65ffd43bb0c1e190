"""Metrics by published models that were trained on what people chose or how they rated."""

from __future__ import annotations

from PIL import Image

from runner.metrics import Judge, metric


@metric(better="higher", judge="pick_score")
def pick_score(image: Image.Image, prompt: str, judge: Judge) -> float:
    """PickScore (Kirstain et al. 2023), a scaled cosine, mostly 17 to 24; its differences count."""
    return judge.score(image, prompt)


@metric(better="higher", judge="hps_v2")
def hps_v2(image: Image.Image, prompt: str, judge: Judge) -> float:
    """Human Preference Score v2 (Wu et al. 2023), a cosine, as its code returns it."""
    return judge.score(image, prompt)


@metric(better="higher", judge="hps_v2_1")
def hps_v2_1(image: Image.Image, prompt: str, judge: Judge) -> float:
    """The same with the weights v2.1."""
    return judge.score(image, prompt)


@metric(better="higher", judge="image_reward")
def image_reward(image: Image.Image, prompt: str, judge: Judge) -> float:
    """ImageReward (Xu et al. 2023), mean 0 and deviation 1 on the pictures it was trained on."""
    return judge.score(image, prompt)


@metric(better="higher", judge="aesthetic_score")
def aesthetic_score(image: Image.Image, judge: Judge) -> float:
    """LAION's aesthetic predictor v2, about 1 to 10; it knows no prompt."""
    return judge.score(image)
