"""The cases of `test_identity`: base configs, and other values for each field of RunConfig."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers.cases import IMAGE, NEEDS
from helpers.scheduler_cases import VALUES, beside, section, taker
from helpers.small_loras import OF_PRIOR, OTHER, STYLE
from runner.catalog.attention import ATTENTION
from runner.catalog.offload import OFFLOAD
from runner.catalog.quantization import METHODS
from runner.catalog.schedulers import NAMED
from runner.catalog.tasks import TASKS
from runner.catalog.versions import VERSIONS
from runner.config.choices import (
    CacheMode,
    CompileMode,
    EditTemplate,
    Graphs,
    NegativeFor,
    Precision,
    Progress,
    Resize,
    Retry,
    Seeding,
    Tracker,
)
from runner.config.groups import (
    AttentionConfig,
    CheckpointConfig,
    CompileConfig,
    MetricConfig,
    PrecisionConfig,
    TrackingConfig,
)
from runner.config.run_config import Bench, InterpolateItem, Lora
from runner.config.sections import DecoderConfig, InputsConfig, PriorConfig, QuantizeConfig

HUB = "weights=hub"
ITEMS = "interpolate.items=[{text: a, weight: 0.5}, {image: a.png, weight: 0.5}]"
BASES = {
    "mini": (),
    "hub": (HUB,),
    "2.1": (HUB, "model=kandinsky2_1"),
    "3": (HUB, "model=kandinsky3"),
    "5": (HUB, "model=kandinsky5", "precision=bf16", "any_size=true"),
    "negative": (HUB, "negative_prompt=blue"),
    "negative 2.1": (HUB, "negative_prompt=blue", "model=kandinsky2_1"),
    **{task: (HUB, f"task={task}", *needed) for task, needed in NEEDS.items()},
    "edit": (HUB, "model=kandinsky5", "task=edit", IMAGE, "any_size=true"),
    "box": (HUB, "task=inpaint", IMAGE, "inputs.mask_box=[48,48,80,80]"),
    "interpolate": (HUB, "task=interpolate", ITEMS),
    "interpolate 2.1": (HUB, "task=interpolate", ITEMS, "model=kandinsky2_1"),
    "hint": (HUB, "task=controlnet", "inputs.hint=a.png"),
    # Its prior is told a negative prompt by a node of its own.
    "controlnet_img2img": (HUB, "task=controlnet_img2img", IMAGE, "negative_prompt=blue"),
}
"""Weights of the hub that are not on disk count by their names: enough to compare keys."""

TEXT, PICTURE = InterpolateItem("a", None, 0.5), InterpolateItem(None, "a.png", 0.5)

DECIDES_PIXELS: dict[str, list[tuple[str, list[Any]]]] = {
    "device": [("mini", ["cpu"])],
    "version": [
        ("hub", [VERSIONS["kandinsky2_1"], VERSIONS["kandinsky3"], VERSIONS["kandinsky5"]]),
        ("5", [VERSIONS["kandinsky5"].of_variant("pretrain")]),
    ],
    "task": [("img2img", [TASKS["controlnet"], TASKS["controlnet_img2img"]])],
    "scheduler": [
        (base, [
            # Not ddim, which is what `checkpoint` stands for with the small family.
            *(
                section(row.name) for row in NAMED.values()
                if row.flow is flow and row.name != "ddim"
            ),
            *(
                section(taker(option).name, **beside(option), **{option: value})
                for option, values in VALUES.items() if taker(option).flow is flow
                for value in values
            ),
        ])
        for base, flow in (("mini", False), ("5", True))
    ],
    "attention": [
        (base, [
            *(
                AttentionConfig(row.name) for row in ATTENTION.values()
                if row.computes(dispatched=dispatched) and row.name != AttentionConfig().backend
            ),
            *(
                AttentionConfig(row.name, slice_size=1) for row in ATTENTION.values()
                if row.sliced and row.computes(dispatched=dispatched)
            ),
        ])
        for base, dispatched in (("mini", False), ("5", True))
    ],
    "compile": [("mini", [
        CompileConfig(CompileMode.default),
        CompileConfig(CompileMode.reduce_overhead),
        CompileConfig(CompileMode.default, fullgraph=True),
        CompileConfig(channels_last=True),
    ]), ("5", [CompileConfig(CompileMode.default, regional=True)])],
    "channels_last": [("mini", [True])],
    "precision": [
        ("mini", [
            PrecisionConfig(prior=Precision.bf16),
            PrecisionConfig(decoder=Precision.bf16),
            PrecisionConfig(decoder=Precision.fp16),
        ]),
        ("3", [PrecisionConfig(text=Precision.bf16), PrecisionConfig(decoder=Precision.bf16)]),
        ("controlnet", [PrecisionConfig(depth=Precision.bf16)]),
    ],
    "quantize": [
        ("mini", [
            *(QuantizeConfig(denoiser=method) for method in METHODS),
            QuantizeConfig(text="fp8"),
            QuantizeConfig(prior="fp8"),
        ]),
        ("3", [QuantizeConfig(text="nf4"), QuantizeConfig(denoiser="nf4")]),
        ("5", [QuantizeConfig(text="int8"), QuantizeConfig(denoiser="int8")]),
    ],
    "prompts": [(base, [("a blue square",)]) for base in ("mini", "3", "interpolate 2.1")],
    "negative_prompt": [
        (base, ["a blue square"])
        for base in ("mini", "2.1", "3", "interpolate", "interpolate 2.1", "controlnet_img2img")
    ],
    "negative_prompt_for": [
        (base, [NegativeFor.prior, NegativeFor.decoder]) for base in ("negative", "negative 2.1")
    ],
    "corrections": [
        (base, [False]) for base in ("negative", "negative 2.1", "3", "img2img", "inpaint", "box")
    ],
    "seeds": [(base, [(1,)]) for base in BASES],
    "seeding": [(base, [Seeding.shared]) for base in BASES if base not in ("3", "5", "edit")],
    "height": [(base, [64]) for base in BASES],
    "width": [(base, [64]) for base in BASES],
    "inputs": [
        ("img2img", [InputsConfig(image="b.png")]),
        ("edit", [InputsConfig(image="b.png")]),
        ("inpaint", [
            InputsConfig(image="b.png", mask="mask.png"),
            InputsConfig(image="a.png", mask="white.png"),
            InputsConfig(image="a.png", mask="mask.png", mask_invert=True),
            InputsConfig(image="a.png", mask_box=[0, 0, 32, 64]),
        ]),
        ("box", [InputsConfig(image="a.png", mask_box=[0, 0, 32, 64])]),
        ("hint", [InputsConfig(hint="b.png"), InputsConfig(image="a.png")]),
        ("controlnet_img2img", [InputsConfig(image="a.png", hint="b.png")]),
    ],
    "resize": [
        (base, [Resize.fit, Resize.stretch]) for base in ("img2img", "inpaint", "box", "controlnet")
    ],
    "strength": [(base, [0.5, 1.0]) for base in ("img2img", "controlnet_img2img")],
    "edit_template": [("edit", [EditTemplate.whole, EditTemplate.diffusers])],
    "interpolate": [("interpolate", [
        (TEXT, TEXT),
        (replace(TEXT, text="b"), PICTURE),
        (TEXT, replace(PICTURE, image="b.png")),
        (replace(TEXT, weight=0.25), replace(PICTURE, weight=0.75)),
    ])],
    "lora": [("mini", [
        (Lora(STYLE, 1.0, "decoder"),),
        (Lora(STYLE, 0.5, "decoder"),),
        (Lora(OTHER, 1.0, "decoder"),),
        (Lora(STYLE, 1.0, "decoder"), Lora(OTHER, 1.0, "decoder")),
        (Lora(OTHER, 1.0, "decoder"), Lora(STYLE, 1.0, "decoder")),
        (Lora(OF_PRIOR, 1.0, "prior"),),
    ])],
    "depth": [("controlnet", [CheckpointConfig("a/b"), CheckpointConfig(revision="v2")])],
    "prior": [
        ("mini", [PriorConfig(num_inference_steps=7), PriorConfig(guidance_scale=1.0)]),
        ("controlnet_img2img", [PriorConfig(strength=0.5), PriorConfig(negative_strength=0.5)]),
    ],
    "decoder": [
        ("mini", [DecoderConfig(25, guidance_scale=1.0), DecoderConfig(num_inference_steps=7)])
    ],
}  # fmt: skip

DOES_NOT: dict[str, list[Any]] = {
    "name": ["another"],
    "question": ["Why?"],
    "offload": list(OFFLOAD.values()),
    "tracking": [TrackingConfig(Tracker.none), TrackingConfig(uri="http://host", experiment="e")],
    "cache": [CacheMode.off, CacheMode.refresh],
    "cache_max_gb": [1.0, None],
    "metrics": [{"blank": MetricConfig("runner.metrics.pixels:blank")}],
    "baseline": [("scheduler=ddim",)],
    "any_size": [True],
    "flags": [("--config-dir", "/elsewhere")],
    "objective": [("seconds",)],
    "batch_size": [1],
    "graphs": list(Graphs),
    "bench": [Bench(warmup=0, repeats=2)],
    "threads": [3],
    "workers": [3],
    "workers_keep": [600.0],
    "output_dir": [Path("elsewhere").absolute()],
    "progress": list(Progress),
    "report": [True],
    "skip_invalid": [True],
    "resume": [False],
    "into": ["last"],
    "retry": list(Retry),
    "debug": [True],
    "composed": [{}],
    "overrides": [("a=b",)],
}

BY_CONTENT = {"weights"}

NOT_HERE: list[tuple[str, str, Any]] = [
    ("mini", "channels_last", None),  # on CUDA alone
    *((base, "corrections", False) for base in ("mini", "hub", "2.1", "interpolate")),
    ("3", "seeding", Seeding.shared),
    ("mini", "lora", (Lora(STYLE, 0.0, "decoder"),)),
    ("3", "prior", PriorConfig(num_inference_steps=7)),
    ("3", "precision", PrecisionConfig(prior=Precision.bf16, depth=Precision.bf16)),
    ("mini", "precision", PrecisionConfig(text=Precision.bf16, depth=Precision.bf16)),
    ("mini", "precision", PrecisionConfig(metrics=Precision.bf16)),
    ("3", "quantize", QuantizeConfig(prior="fp8")),
    ("5", "quantize", QuantizeConfig(prior="nf4")),
    ("mini", "prior", PriorConfig(strength=0.5, negative_strength=0.5)),
    ("mini", "strength", 0.9),
    ("mini", "resize", Resize.fit),
    ("interpolate", "prompts", ("a blue square",)),
    ("hint", "depth", CheckpointConfig("a/b")),
    ("img2img", "depth", CheckpointConfig("a/b")),
    ("img2img", "inputs", InputsConfig(image="a.png", allow_urls=True)),
    ("img2img", "inputs", InputsConfig(image="copy of a.png")),
]
"""(base, field, value): what decides the pixels elsewhere, and not with this task or version."""
