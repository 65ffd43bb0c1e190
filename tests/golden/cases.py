"""The configs of the golden record, as they are typed after `kandinsky plan` and `kandinsky`.

Nearly all take the small family that ships, whose bytes are fixed, and name files of `own/` by
paths that are relative to the folder that they are run in.
"""

from __future__ import annotations

from collections.abc import Mapping

ALWAYS = ("device=cpu",)
"""Taken by every case: `auto` would find another device elsewhere."""

SWEPT = "-m"
CIRCLE, WIDE = "inputs.image=own/pictures/circle.png", "inputs.image=own/pictures/wide.png"
MASK, DEPTH = "inputs.mask=own/pictures/mask.png", "inputs.hint=own/pictures/depth.png"
TEXT_AND_PICTURE = (
    "interpolate.items=[{text: a red circle, weight: 0.3}, {image: own/pictures/circle.png}]"
)
TWO_TEXTS = "interpolate.items=[{text: a red circle}, {text: a blue square, weight: 0.25}]"
V21, V3 = "model=kandinsky2_1", "model=kandinsky3"
V5 = ("model=kandinsky5", "weights=random", "weights.size=tiny")
"""There is no small one."""
OWN = "--config-dir=own"
REAL = "{}.arguments.real=own/pictures"

Arguments = tuple[str, ...]

TASKS: Mapping[str, Arguments] = {
    "2.2 text2img": (),
    "2.2 img2img": ("task=img2img", CIRCLE),
    "2.2 inpaint with a mask": ("task=inpaint", CIRCLE, MASK),
    "2.2 inpaint in a box": ("task=inpaint", CIRCLE, "inputs.mask_box=[0,32,64,96]"),
    "2.2 interpolate": ("task=interpolate", TEXT_AND_PICTURE),
    "2.2 controlnet with a hint": ("task=controlnet", DEPTH),
    "2.2 controlnet from a picture": ("task=controlnet", CIRCLE),
    "2.2 controlnet_img2img": ("task=controlnet_img2img", CIRCLE),
    "2.2 controlnet_img2img with a hint": ("task=controlnet_img2img", CIRCLE, DEPTH),
    "2.1 text2img": (V21,),
    "2.1 img2img": (V21, "task=img2img", CIRCLE),
    "2.1 inpaint": (V21, "task=inpaint", CIRCLE, MASK, "inputs.mask_invert=true"),
    "2.1 interpolate": (V21, "task=interpolate", TEXT_AND_PICTURE, "prompt=a red circle"),
    "3 text2img": (V3,),
    "3 img2img": (V3, "task=img2img", CIRCLE),
    "5 text2img": V5,
    "5 text2img of the other variant": (*V5, "model.variant=pretrain", "any_size=true"),
    "5 edit": (*V5, "task=edit", CIRCLE, "edit_template=whole"),
}

SCHEDULERS: Mapping[str, Arguments] = {
    "ddim, eta": ("scheduler=ddim", "scheduler.eta=0.5", "scheduler.timestep_spacing=trailing"),
    "ddim, clipped": (
        "scheduler=ddim", "scheduler.clip_sample=true", "scheduler.clip_sample_range=2.0",
    ),
    "ddim, thresholding": (
        "scheduler=ddim", "scheduler.thresholding=true",
        "scheduler.dynamic_thresholding_ratio=0.9", "scheduler.sample_max_value=2",
    ),
    "ddpm": ("scheduler=ddpm",),
    "ddpm, variance": (
        "scheduler=ddpm", "scheduler.variance_type=fixed_large",
        "scheduler.timestep_spacing=linspace",
    ),
    "ddpm of 2.1": (V21, "scheduler=ddpm"),
    "ddpm of 3": (V3, "scheduler=ddpm", "scheduler.variance_type=fixed_small"),
    "dpmpp_2m": ("scheduler=dpmpp_2m",),
    "dpmpp_2m, sde": (
        "scheduler=dpmpp_2m", "scheduler.algorithm_type=sde", "scheduler.solver_order=3",
        "scheduler.use_karras_sigmas=true",
    ),
    "dpmpp_2m of 3": (V3, "scheduler=dpmpp_2m", "scheduler.solver_order=1"),
    "lcm": ("scheduler=lcm", "decoder.num_inference_steps=4"),
    "lcm, schedule": ("scheduler=lcm", "scheduler.original_inference_steps=100"),
}  # fmt: skip

WAYS: Mapping[str, Arguments] = {
    "attention plain": ("attention=plain",),
    "attention sliced": ("attention=sliced",),
    "attention sliced by one head": (V21, "attention=sliced", "attention.slice_size=1"),
    "offload auto": ("offload=auto",),
    "compile": ("compile=default",),
    "compile, whole graph": ("compile=max-autotune", "compile.fullgraph=true"),
    "channels last": ("compile.channels_last=true",),
    "bf16": ("precision=bf16",),
    "bf16 of 3": (V3, "precision=bf16", "precision.text=fp32"),
    "fp16 decoder": ("precision.decoder=fp16",),
    "bf16 depth": ("task=controlnet", CIRCLE, "precision.depth=bf16"),
    "no cache, threads and workers": ("cache=off", "threads=3", "workers=2"),
    "measured": ("bench=true", "warmup=0", "repeats=2"),
    "in batches": ("batch_size=4", "seeds=[0,1,2,3]"),
    "batches as memory allows": (V21, "batch_size=auto", "seeds=[0,1]"),
}

ASKED: Mapping[str, Arguments] = {
    "prompts and seeds": (
        "prompt=[a red circle, a blue square, a red circle]", "seeds=[3,1]", "name=several",
        "question=Which?",
    ),
    "prompt file": ("prompt_file=own/prompts.txt",),
    "words it does not know": ("prompt=a purple giraffe",),
    "negative prompt": ("negative_prompt=a blue square",),
    "negative prompt of the prior": ("negative_prompt=a blue square", "negative_prompt_for=prior"),
    "negative prompt of the decoder": (
        "negative_prompt=a blue square", "negative_prompt_for=decoder",
    ),
    "negative prompt of 2.1": (V21, "negative_prompt=a blue square", "negative_prompt_for=decoder"),
    "negative prompt of 3": (V3, "negative_prompt=a blue square"),
    "negative prompt of a mix": ("task=interpolate", TWO_TEXTS, "negative_prompt=a blue square"),
    "shared seeding": ("seeding=shared", "task=interpolate", TWO_TEXTS),
    "shared seeding of controlnet": ("seeding=shared", "task=controlnet_img2img", CIRCLE),
    "another size": ("height=64", "width=192"),
    "steps and guidance": (
        "prior.num_inference_steps=7", "prior.guidance_scale=1", "decoder.num_inference_steps=9",
        "decoder.guidance_scale=1",
    ),
    "a wide picture, cut": ("task=img2img", WIDE, "strength=0.5"),
    "a wide picture, fitted": ("task=img2img", WIDE, "resize=fit"),
    "strengths of controlnet": (
        "task=controlnet_img2img", CIRCLE, "strength=0.6", "prior.strength=0.5",
        "prior.negative_strength=0.7", "negative_prompt=blue",
    ),
}  # fmt: skip

METRICS: Mapping[str, Arguments] = {
    "of a picture": ("metrics=[blank,sharpness,clip_score]", "seeds=[0,1]"),
    "of a picture of 3": (V3, "metrics=[clip_score]", "precision.metrics=bf16"),
    "against the picture it was made from": (
        "task=img2img", CIRCLE, "metrics=[psnr,ssim,pixel_difference,clip_similarity]",
        *(f"metrics.{name}.against=image" for name in
          ("psnr", "ssim", "pixel_difference", "clip_similarity")),
    ),
    "of a cell": ("metrics=[cmmd,clip_fid]", "seeds=[0,1]",
                  REAL.format("metrics.cmmd"), REAL.format("metrics.clip_fid")),
    "of one's own": (OWN, "metrics=[redness]"),
}  # fmt: skip

REFUSED: Mapping[str, Arguments] = {
    "a task that 3 has not": (V3, "task=inpaint", CIRCLE, MASK),
    "offload on a CPU": ("offload=model",),
    "an option of another scheduler": ("scheduler=lcm", "scheduler.eta=0.5"),
    "an option out of range": ("scheduler=ddim", "scheduler.eta=2"),
    "an input of another task": (CIRCLE,),
    "a size": ("height=100",),
    "guidance of 3": (V3, "decoder.guidance_scale=1.5"),
    "karras sigmas of 3": (V3, "scheduler=dpmpp_2m", "scheduler.use_karras_sigmas=true"),
    "no baseline": ("metrics=[psnr]",),
    "no such key": ("decoder.steps=3",),
}

SMALL = (
    "height=64", "width=64", "prior.num_inference_steps=2", "decoder.num_inference_steps=2",
    "workers=1", "progress=lines",
)  # fmt: skip
"""Enough to run every stage."""

UNTRACKED = "tracking=none"
KEPT_SWEEP = (
    SWEPT, "scheduler=ddim,ddpm,dpmpp_2m", "seeds=[0,1]", "metrics=[blank]", "name=kept", UNTRACKED,
    *SMALL,
)  # fmt: skip
"""What lies in `unfinished/`: it was killed after the first picture of its second cell."""

KEPT_RUN = (
    "scheduler=ddim", "seeds=[0,1]", "metrics=[blank]", "name=again", UNTRACKED, *SMALL,
)  # fmt: skip
"""All its stages are in the kept store: those of the first cell."""

SWEEPS: Mapping[str, Arguments] = {
    "two axes": (SWEPT, "scheduler=ddim,ddpm,lcm", "decoder.guidance_scale=1,4", "seeds=[0,1]"),
    "versions": (
        SWEPT, "model=kandinsky2_1,kandinsky2_2,kandinsky3", "attention=sdpa,sliced",
        "name=versions", "question=Which version?", "report=true",
    ),
    "tasks": (SWEPT, "task=img2img,controlnet", WIDE, "resize=cover,fit"),
    "with a baseline": (
        SWEPT, "scheduler=ddim,ddpm", "decoder.num_inference_steps=5,10",
        "baseline='scheduler=ddim'", "metrics=[psnr,clip_score,clip_similarity]",
    ),
    "with a baseline of two keys": (
        SWEPT, "precision=fp32,bf16", "attention=sdpa,plain", "metrics=[pixel_difference]",
        "baseline=['precision=fp32','attention=sdpa']",
    ),
    "with a baseline in other batches": (
        SWEPT, "batch_size=1,2", "seeding=per_stage,shared", "seeds=[0,1]", "metrics=[ssim]",
        "baseline='batch_size=1'",
    ),
    "with a baseline in other threads": (
        SWEPT, "threads=1,2", "scheduler=ddim,ddpm", "metrics=[psnr]", "baseline='threads=1'",
        "cache=off",
    ),
    "of what is no identity": (SWEPT, "workers=1,2", "cache=use,refresh", "objective=[]"),
    "of lists": (SWEPT, "seeds=[0],[1,2]", "prompt=a red circle,a blue square"),
    "too many to list": (
        SWEPT, "prior.num_inference_steps=range(2,10)", "strength=0.3,0.4,0.5,0.6",
    ),
    "with a wrong cell": (SWEPT, "model=kandinsky2_2,kandinsky3", "task=inpaint", CIRCLE, MASK),
    "with a baseline that is no cell": (
        SWEPT, "scheduler=ddim,ddpm", "metrics=[psnr]", "baseline='scheduler=lcm'",
    ),
    "the kept one": KEPT_SWEEP,
}  # fmt: skip

PLANS: Mapping[str, Mapping[str, Arguments]] = {
    "tasks": TASKS,
    "schedulers": SCHEDULERS,
    "ways": WAYS,
    "asked": ASKED,
    "metrics": METRICS,
    "refused": REFUSED,
    "sweeps": SWEEPS,
}
"""By group and name, what is planned."""

STEPS_OF_TEN = "decoder.num_inference_steps=10"

RUNS: Mapping[str, tuple[Arguments, ...]] = {
    "2.1 inpaint": ((UNTRACKED, V21, "task=inpaint", CIRCLE, MASK),),
    "2.1 mix with a negative prompt": (
        (UNTRACKED, V21, "task=interpolate", TEXT_AND_PICTURE, "prompt=a red circle",
         "negative_prompt=a blue square", "attention=plain", "scheduler=ddpm"),
    ),
    "3 img2img": (
        (UNTRACKED, V3, "task=img2img", CIRCLE, STEPS_OF_TEN, "scheduler=dpmpp_2m"),
    ),
    "controlnet with shared seeding": (
        (UNTRACKED, "task=controlnet_img2img", CIRCLE, "seeding=shared", STEPS_OF_TEN,
         "prior.num_inference_steps=10"),
    ),
    "bf16, thresholding and sliced attention": (
        (UNTRACKED, "precision=bf16", "attention=sliced", "scheduler=ddim",
         "scheduler.thresholding=true"),
    ),
    "measured": ((UNTRACKED, "bench=true", "warmup=0", "repeats=2"),),
    "in batches, and again": (
        (UNTRACKED, "batch_size=2", "seeds=[0,1]", "name=first"),
        (UNTRACKED, "batch_size=2", "seeds=[0,1,2]", "name=second"),
    ),
    "a sweep with a baseline in other batches, and again": (
        (UNTRACKED, SWEPT, "batch_size=1,2", "seeds=[0,1]", "metrics=[psnr,blank]",
         "baseline='batch_size=1'", "name=ways"),
        (UNTRACKED, SWEPT, "batch_size=1,2", "seeds=[0,1]", "metrics=[psnr,blank]",
         "baseline='batch_size=1'", "name=ways"),
    ),
    "a failing metric": ((OWN, UNTRACKED, "metrics=[failing]"),),
    "tracked runs": (
        ("name=texts", "prompt=[a red circle, a purple giraffe]", "negative_prompt=a blue square",
         "metrics=[sharpness,clip_score]", "question=Which?"),
        ("name=pictures", "task=img2img", CIRCLE, STEPS_OF_TEN, "metrics=[psnr]",
         "metrics.psnr.against=image"),
        (OWN, "name=broken", "metrics=[failing]"),
    ),
    "a tracked sweep": (
        (SWEPT, "scheduler=ddim,lcm", "attention=sdpa,plain", "metrics=[ssim,clip_score]",
         "seeds=[0,1]", "baseline='scheduler=ddim'", "question=Which?", "name=compared"),
    ),
}  # fmt: skip
"""By name, what is run with `SMALL`: commands one after another in one folder."""
