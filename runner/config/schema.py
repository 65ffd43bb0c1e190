"""The typed schema of the config tree, as Hydra and OmegaConf see it.

Every key that a config file or an override may set is a field here, in `groups` or in `sections`,
with its explanation; anything else is refused. Closed sets of values are enums in `choices`; names
of catalog rows are texts, looked up by `resolve`.
Plain (not frozen) dataclasses, `Enum` and not `Literal`: OmegaConf 2.3 takes nothing else.
They are never mutated; `RunConfig`, which is frozen, has the sections below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runner.catalog.versions import OF_SIZES
from runner.config.choices import EditTemplate, NegativeFor, Progress, Resize, Retry, Seeding
from runner.config.groups import (
    AttentionConfig,
    CacheConfig,
    CompileConfig,
    DepthConfig,
    MetricConfig,
    ModelConfig,
    OffloadConfig,
    PrecisionConfig,
    SchedulerConfig,
    TaskConfig,
    TrackingConfig,
    WeightsConfig,
)
from runner.config.keys import key
from runner.config.sections import (
    LORAS,
    STRENGTH,
    DecoderConfig,
    InputsConfig,
    InterpolateConfig,
    LoraConfig,
    PriorConfig,
    QuantizeConfig,
)

PIXELS = "a multiple of 64, 64 to 4096; for Kandinsky 5 of 16, to 2048"
NAMES = "a name or a list of names"


@dataclass
class Config:
    """The whole config of one cell."""

    model: ModelConfig = key(ModelConfig, "The Kandinsky version.")
    weights: WeightsConfig = key(
        WeightsConfig,
        "Where the checkpoints come from. Besides the options: the path of a folder that has "
        "one subfolder for each repository.",
    )
    task: TaskConfig = key(TaskConfig, "What is made from what.")
    scheduler: SchedulerConfig = key(
        SchedulerConfig,
        "The decoder's sampler and its options. Options that are null are as in the checkpoint.",
    )
    attention: AttentionConfig = key(AttentionConfig, "How attention is computed, in every module.")
    offload: OffloadConfig = key(OffloadConfig, "Where weights are kept while they are not in use.")
    compile: CompileConfig = key(CompileConfig, "`torch.compile` of prior and decoder.")
    channels_last: Any = key(
        False,
        "Keep the weights of prior and denoiser in torch's channels-last memory format. Other "
        "kernels of convolutions compute then, so the last bits of an image differ. `auto`: of the "
        "denoiser, on CUDA in half precision, where it was measured to be faster.",
        takes="true, false, auto",
    )
    precision: PrecisionConfig = key(PrecisionConfig, "Type of weights and activations.")
    quantize: QuantizeConfig = key(QuantizeConfig, "Weights in fewer bits (docs/quantization.md).")
    tracking: TrackingConfig = key(TrackingConfig, "Where runs are recorded.")
    cache: CacheConfig = key(CacheConfig, "Whether stored results of stages are reused.")
    metrics: dict[str, MetricConfig] = key(
        dict, "What is measured: a list of options, such as `metrics=[clip_score,psnr]`."
    )

    axes: Any = key(
        None,
        "The cells of a sweep that are not all combinations of some values: pairs, unions, a value "
        "only where another holds, the rows of a file (docs/axes.md). A config with `axes` is a "
        "sweep, with or without -m.",
        takes="{key: [value, ...]}, or a list of these: their union; a file of records",
        path=True,
        identity=False,
    )
    skip_invalid: bool = key(
        False,
        "Leave out those cells of a sweep that cannot be (an option that the scheduler does not "
        "take, a task that the version does not have), and say which.",
        identity=False,
    )

    name: str | None = key(
        None,
        "Folder of the outputs and MLflow experiment. null: the name of the `experiment` option, "
        "or `default`.",
        takes="letters, digits, spaces and _ - .",
    )
    question: str | None = key(None, "The question that the run answers; shown with it in MLflow.")
    baseline: Any = key(
        None,
        "The cell that the others of a sweep are compared with, by overrides such as "
        "`scheduler=ddim`. Keys that it does not name stay as they are in each cell.",
        takes="a text or a list of overrides",
    )
    objective: Any = key(
        None,
        "What a sweeper such as Optuna's optimises: a metric (its mean over the cell's images) or, "
        "with `bench=true`, `seconds`. `hydra.sweeper.direction` says in which direction.",
        takes=NAMES,
    )

    prompt: Any = key(
        None,
        "What the images show. One image is made for each prompt and each seed: up to 200,000.",
        takes="a text or a list of texts",
    )
    prompt_file: str | None = key(
        None,
        "File of prompts instead of `prompt`: .txt (one on each line), .csv, .tsv or .jsonl (a "
        "column `prompt`, `Prompt` or `Prompts`).",
        path=True,
    )
    prompt_template: Any = key(
        None,
        "Prompts instead of `prompt`: `a {red|blue} {circle|square}` is four. `\\{`, `\\|`, `\\}` "
        "are the characters themselves. In `axes` each of them is a cell.",
        takes="a text or a list of texts",
    )
    prompt_replace: Any = key(
        None,
        "Texts to replace in the prompts, wherever these come from. In `axes` "
        "`{circle: [square, cross]}` replaces it by each of them.",
        takes="{text: other text, ...}, [text, other text], or a list of such pairs",
    )
    negative_prompt: str | None = key(None, "What the images should not show.")
    negative_prompt_for: NegativeFor = key(
        NegativeFor.both,
        "Which models of Kandinsky 2.x get the negative prompt. `prior`: the prior alone; the "
        "decoder is guided away from a black image, as without a negative prompt. `decoder`: the "
        "decoder alone, guided away from the negative prompt's embedding.",
    )
    seeds: Any = key(
        lambda: [0],
        "Seeds of the noise, each once: a list; `8` for 0 to 7; `range(0,8)` for the same; "
        "`random(8)` for eight that are drawn once, kept in `seeds.json` beside the runs of this "
        "`name`, and taken from there again. torch reads their lowest 32 bits.",
        takes="a list of whole numbers, 0 to 9223372036854775807; a number of seeds; "
        "range(first,end[,step]); random(count)",
    )
    seeding: Seeding = key(
        Seeding.per_stage,
        "`per_stage`: prior and decoder each start from the seed. `shared`: one generator runs "
        "through both, as in diffusers' combined pipelines.",
    )
    height: int | None = key(None, "Height. null: as in training; see `task=edit`.", takes=PIXELS)
    width: int | None = key(None, "Width of the images; null as for `height`.", takes=PIXELS)
    any_size: bool = key(
        False,
        f"Draw other sizes than those that Kandinsky {OF_SIZES} was published for.",
        identity=False,
    )
    inputs: InputsConfig = key(InputsConfig, "Pictures to start from.")
    resize: Resize = key(
        Resize.cover,
        "How an input picture is brought to `height` x `width`. `cover`: what is over is cut off; "
        "`fit`: black bars are added; `stretch`: it is distorted.",
    )
    strength: float = key(
        0.3,
        "How far the result may go from `inputs.image`: 0.3 keeps most of it, 1 keeps nothing. For "
        "`task=img2img` and `task=controlnet_img2img`.",
        takes=STRENGTH,
    )
    edit_template: EditTemplate = key(
        EditTemplate.published,
        "What the text encoder of `task=edit` reads around the instruction. `published`: as in the "
        "code that the weights were published with, where the instruction's first 3 tokens are "
        "lost; `diffusers`: as in diffusers 0.42, where the first 5 are; `whole`: the same, and "
        "none are. Which draws best is not known.",
    )
    interpolate: InterpolateConfig = key(InterpolateConfig, "Settings of `task=interpolate`.")
    lora: list[LoraConfig] = key(list, "LoRAs, in this order (docs/lora.md).", takes=LORAS)
    depth: DepthConfig = key(
        DepthConfig, "The depth-estimation model that makes a missing `inputs.hint`."
    )
    prior: PriorConfig = key(PriorConfig, "Settings of the prior (Kandinsky 2.x).")
    decoder: DecoderConfig = key(DecoderConfig, "Settings of the decoder.")

    corrections: bool = key(
        True,
        "`on`: what diffusers' pipelines do silently wrong is corrected (docs/diffusers.md). "
        "`off`: the pictures are bit for bit those of diffusers' own calls, with these faults; to "
        "compare with published numbers.",
        takes="on, off",
    )

    device: str = key(
        "auto",
        "Where models run. `auto`: an accelerator if there is one, else the CPU.",
        takes="auto, cpu, cuda, cuda:N, mps",
        profile="device",
    )
    threads: Any = key(
        "auto",
        "CPU threads of each process. `auto`: 1 for small models, else all cores.",
        takes="auto, or a whole number, 1 to 1024",
        identity=False,
        profile="threads",
    )
    workers: Any = key(
        "auto",
        "Processes that run stages; the pixels are the same with any number. `auto`: one for each "
        "core for small models, one for each accelerator, if there is enough to do.",
        takes="auto, or a whole number, 1 to 256",
        identity=False,
        profile="workers",
    )
    workers_keep: Any = key(
        "off",
        "How long the processes that run stages stay after a command, with their models loaded "
        "(docs/workers.md); `workers.keep=10m` on the command line says the same. Commands take "
        "over those that stay, whether they leave any themselves or not. `off`: they end with the "
        "command.",
        takes="off, or a duration: 30s, 10m, 2h",
        identity=False,
    )
    batch_size: Any = key(
        1,
        "Images in one call, at most, and texts. Above 1 the last bits of an image depend on the "
        "others in its call, so such results are stored apart. `auto`: as many as the memory of "
        "an accelerator holds, as measured; 1 on a CPU.",
        takes="auto, or a whole number, 1 to 256",
        profile="batch_size",
    )
    graphs: Any = key(
        "auto",
        "Prior and denoiser as graphs: the same kernels without the Python code between them, so "
        "the pixels are the same to the last bit. CUDA graphs, captured at the first call for a "
        "size; on a CPU torch traces, recorded at the 25th. `auto`: where they are possible: "
        "without `compile` and without an offload mode that moves weights. `on`: at the first "
        "call; refused where they are not possible.",
        takes="auto, on, off",
        identity=False,
        profile="graphs",
    )
    bench: bool = key(
        False,
        "Measure speed: no stored results, one worker, and each stage that runs a model is run "
        "`warmup` times and then `repeats` times; the median counts.",
        profile="bench",
    )
    warmup: int = key(
        1,
        "Runs of a stage before it is measured.",
        takes="a whole number, 0 to 1000",
        profile="bench",
    )
    repeats: int = key(
        5, "Measured runs of a stage.", takes="a whole number, 1 to 1000", profile="bench"
    )
    output_dir: str = key(
        "outputs", "Folder that everything is written to.", path=True, identity=False
    )
    progress: Progress = key(
        Progress.auto,
        "What is shown while a run goes on. `auto`: `bars` on a terminal, else `lines`; `bars`: "
        "live bars; `lines`: a line of text for each thing that ends; `json`: a line of JSON on "
        "standard output for each thing that happens; `quiet`: nothing.",
        identity=False,
    )
    report: bool = key(
        False,
        "At the end of a sweep, compare its cells with the baseline and make its page.",
        identity=False,
    )
    resume: bool = key(
        True,
        "Go on with an earlier sweep of the same command. false: begin a new one; stored results "
        "are reused either way.",
        identity=False,
    )
    into: str | None = key(
        None,
        "The sweep that the cells of this one join: further values, prompts, seeds and metrics. "
        "What it has is left alone, and nothing is drawn anew. null: a sweep of its own.",
        takes="`last`, or a sweep's id, name or folder in `output_dir`",
        identity=False,
        path=True,
    )
    retry: Retry = key(
        Retry.missing,
        "Cells that a resumed sweep runs. `missing`: those without all their images; `failed`: "
        "only those that failed.",
        identity=False,
    )
    debug: bool = key(False, "Show the tracebacks of errors.", identity=False)
