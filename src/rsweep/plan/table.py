"""The knob table: every setting that changes an embedding, declared once.

Validation, keys, `rsweep describe`, the JSON schema of a study and docs/settings.md all come from
this table and from the knobs that model cards add to it.
"""

from __future__ import annotations

from rsweep.core.knobs import MODEL, Knob

PROVIDERS = ("synthetic", "local", "stac", "earthengine")

FETCH = (
    Knob("provider", "fetch", "str", "synthetic", "where scenes come from", allowed=PROVIDERS),
    Knob("collection", "fetch", "names", None,
         "collections to read, one per sensor; unset: the provider's default for each sensor"),
    Knob("synthetic", "fetch", "mapping", {}, "options of the synthetic provider"),
    Knob("local", "fetch", "mapping", {}, "options of the local provider: its folder and layout"),
    Knob("stac", "fetch", "mapping", {}, "options of the STAC provider: its API or catalogue"),
    Knob("earthengine", "fetch", "mapping", {}, "options of Earth Engine: endpoint and project"),
    Knob("temporal", "fetch", "mapping", None,
         "window: {start, end} (ISO dates, end exclusive) or {year}; a ROI's own window wins"),
    Knob("scale_m", "fetch", "float", MODEL, "pixel of the grid on the ground", unit="m",
         minimum=0.1, maximum=10_000),
    Knob("context_m", "fetch", "float", 160.0,
         "imagery read around the ROI's square, so that tiles at its edge see real pixels",
         unit="m", minimum=0, maximum=50_000),
    Knob("fetch_bands", "fetch", "str", "all",
         "`all` bands of the collection, shared by every model; or those of this `model` only",
         allowed=("all", "model")),
    Knob("orbit", "fetch", "str", "any", "radar orbit direction",
         allowed=("any", "ascending", "descending")),
    Knob("fetch_cloudy_pct", "fetch", "float", 100.0,
         "scenes with a larger cloud share are not fetched at all", unit="%", minimum=0,
         maximum=100),
    Knob("fetch_granularity", "fetch", "str", "scene",
         "fetch every `scene`, so that composite settings need no new download; or the "
         "`composite` that the provider makes (earthengine), whose settings are then fetch's",
         allowed=("scene", "composite")),
)  # fmt: skip

COMPOSITE = (
    Knob("composite", "composite", "str", "median", "how the scenes of a frame become one image",
         allowed=("median", "mean", "mosaic", "least_cloudy")),
    Knob("cloudy_pct", "composite", "float", 80.0,
         "scenes with a larger cloud share are left out of the composite", unit="%", minimum=0,
         maximum=100),
    Knob("cloud_mask", "composite", "str", "auto",
         "which pixels are cloud: by scene classification (scl), Cloud Score+ (clear), cloud "
         "probability (cloud), none; auto takes the first of those that the scenes have",
         allowed=("auto", "scl", "clear", "cloud", "none")),
    Knob("mask_threshold", "composite", "float", None,
         "percent at which `cloud` (unset: 40) or below which `clear` (unset: 60) masks a pixel",
         unit="%", minimum=0, maximum=100),
    Knob("frames", "composite", "int", MODEL,
         "frames in time; auto: as many as the window has, up to the model's limit",
         minimum=1, maximum=366, words=("auto",)),
    Knob("frame_policy", "composite", "str", MODEL,
         "how the window is cut into frames: equal parts, 30-day steps, calendar months",
         allowed=("equal", "30d", "month")),
    Knob("empty_frame", "composite", "str", "drop",
         "a frame without a valid pixel: drop it, error, or repeat the nearest frame (recorded)",
         allowed=("drop", "error", "repeat")),
)  # fmt: skip

PREP = (
    Knob("modality", "prep", "str", MODEL, "which sensors the model is fed"),
    Knob("bands", "prep", "names", MODEL, "bands that the model is fed, in order"),
    Knob("normalization", "prep", "str", MODEL, "named constants of the model's card"),
    Knob("input_prep", "prep", "str", "tile",
         "resize the ROI's square to one input, or tile it; auto tiles a ROI larger than a tile "
         "unless that needs more than max_tiles",
         allowed=("resize", "tile", "auto")),
    Knob("image_size", "prep", "int", MODEL, "side of the network's input", unit="px", minimum=1,
         maximum=8192),
    Knob("tile_size", "prep", "int", None,
         "side of a tile on the grid, resized to image_size; unset: image_size", unit="px",
         minimum=1, maximum=8192),
    Knob("tile_overlap", "prep", "int", 0,
         "pixels of the grid that neighbouring tiles share; tile_size minus this is a whole "
         "number of tokens", unit="px", minimum=0, maximum=8191),
    Knob("max_tiles", "prep", "int", 1024, "most tiles of one ROI", minimum=1, maximum=1_000_000),
    Knob("resample", "prep", "str", MODEL, "how a tile is resized",
         allowed=("bilinear", "bicubic", "nearest")),
    Knob("edge", "prep", "str", "reflect",
         "what the network sees beyond the fetched pixels (missing either way): a reflection, or "
         "the fill value", allowed=("reflect", "fill")),
)  # fmt: skip

INFER = (
    Knob("model", "infer", "str", "rcf", "the model: `rsweep describe` lists them"),
    Knob("variant", "infer", "str", MODEL, "size of the model"),
    Knob("weights", "infer", "str", MODEL,
         "pretrained, random, a local file, or an http(s) URL"),
    Knob("weights_sha256", "infer", "str", None, "expected digest of weights from a URL"),
    Knob("seed", "infer", "int", 0, "seed of random weights or features", minimum=0,
         maximum=2**31 - 1),
    Knob("patch_size", "infer", "int", MODEL, "side of a token in the network's input", unit="px",
         minimum=1, maximum=1024),
    Knob("layer", "infer", "str", "last",
         "block whose output is the embedding: last, a number from 1, from the end with a minus, "
         "or several joined by + (concatenated)"),
    Knob("final_norm", "infer", "bool", True, "apply the network's final normalisation"),
    Knob("precision", "infer", "str", "fp32", "arithmetic of the forward pass",
         allowed=("fp32", "bf16", "fp16")),
    Knob("compile", "infer", "bool", False, "compile the network"),
)  # fmt: skip

STITCH = (
    Knob("output", "stitch", "str", "pooled", "one vector per ROI, or a georeferenced grid",
         allowed=("pooled", "grid")),
    Knob("pooling", "stitch", "str", MODEL,
         "how tokens become a vector: mean, max, stats (min, max, mean, standard deviation), or "
         "the network's own class token (cls) or pooled output (model)",
         allowed=("mean", "max", "stats", "cls", "model")),
    Knob("group_merge", "stitch", "str", "mean",
         "how the token maps of several groups become one",
         allowed=("mean", "sum", "max", "concat")),
    Knob("blend", "stitch", "str", "hann", "weights of overlapping tiles",
         allowed=("none", "linear", "hann")),
    Knob("storage_dtype", "stitch", "str", "float32", "type of stored embeddings",
         allowed=("float32", "float16")),
)  # fmt: skip

CORE: dict[str, Knob] = {k.name: k for k in (*FETCH, *COMPOSITE, *PREP, *INFER, *STITCH)}

SHARED_DEFAULTS = {
    "frame_policy": "equal", "frames": 1, "pooling": "mean", "resample": "bilinear",
    "scale_m": 10.0,
}  # fmt: skip
"""Values of model-dependent knobs for a card that does not give one."""
