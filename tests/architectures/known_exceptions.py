"""What is unavailable for an architecture, and why, as data. Tests check that it is still true."""

# These cannot be built.
NOT_BUILDABLE = {
    "layoutlmv2": "its picture backbone requires the package detectron2, which is not on the package index",
}

# Their forward pass runs, but their own backward pass raises.
NO_GRADIENT = {
    "reformer": "its reversible layers are a custom autograd Function that keeps no graph and refuses eval",
}

# These are built in float32, all others in float64.
GROUPED_MM = "torch's grouped_mm, its default for experts, does not support float64"
FLOAT32 = {
    "axk1": GROUPED_MM,
    "axk2": GROUPED_MM,
    "canine": "its float32 attention mask overflows at float64's lowest number, and 0 × -inf is NaN",
    "deepseek_v2": GROUPED_MM,
    "deepseek_v3": GROUPED_MM,
    "gpt_oss": GROUPED_MM,
    "hunyuan_v1_moe": GROUPED_MM,
    "jamba": GROUPED_MM,
    "minimax": GROUPED_MM,
    "mistral4": GROUPED_MM,
    "mixtral": GROUPED_MM,
    "mra": "its attention is cast to float32 and not cast back",
    "phimoe": GROUPED_MM,
    "qwen2_moe": GROUPED_MM,
    "qwen3_moe": GROUPED_MM,
    "qwen3_next": GROUPED_MM,
    "causal/mixtral": GROUPED_MM,
    "causal/qwen3_moe": GROUPED_MM,
}

# Mixtures of experts: which experts a token takes depends on the token, so a reference must take those of the input.
ROUTED = {
    "jetmoe",
    *(name for name, reason in FLOAT32.items() if reason == GROUPED_MM),
    *(f"experts-by-loop/{name}" for name, reason in FLOAT32.items() if reason == GROUPED_MM and "/" not in name),
}

# Their compiled explanations are recorded anew for other tokens, as these take other branches.
BRANCHES = {
    "jetmoe": "it splits the tokens by experts, into parts whose sizes it reads",
    **{
        name: "it runs the experts that have tokens, one at a time"
        for name in ROUTED
        if name.startswith("experts-by-loop/")
    },
}

# Their difference of scores from a reference can't be explained.
_BY_MAXIMUM = "it chooses experts by a maximum, which isn't held"
NOT_COMPLETE = {"phimoe": _BY_MAXIMUM, "experts-by-loop/phimoe": _BY_MAXIMUM}

# Their attention does not support padding.
NOT_PADDED = {
    "nystromformer": "it adds a mask over all tokens to the scores of its few landmarks: shapes differ",
}

# One of their operations has no rule; a test adds the rule and checks conservation.
UNKNOWN = {
    "yoso": "its attention is a custom autograd Function, YosoCumulation; with a one-line rule relevance is conserved",
}

# Under CP-LRP their residue belongs to constants outside the graph. Tests turn these into leaves.
SINUSOIDS = "its sinusoidal positions are a constant outside the graph, which accounts for the residue"
ONE = "its experts multiply by (up + 1); the number 1 is not a tensor of the graph, and accounts for the residue"
NOT_CONSERVED = {
    "ctrl": SINUSOIDS,
    "gpt_oss": ONE,
    "experts-by-loop/gpt_oss": ONE,
    "seq2seq/marian": SINUSOIDS,
    "seq2seq/pegasus": SINUSOIDS,
}

# Notes on others.
TEXT_ONLY = "run on text, without a picture"
NOTES = {
    "causal/rwkv": "with `use_cache=False`; with a cache it overwrites tensors that its gradient needs",
    "gemma3": TEXT_ONLY,
    "layoutlmv3": TEXT_ONLY,
    "luke": "run on words, without entities",
    "modernvbert": TEXT_ONLY,
    "mra": "without its CUDA kernel, transformers replaces its attention with zeros",
    "qwen3_5": TEXT_ONLY,
    "t5gemma2": TEXT_ONLY,
    "ultravbert": TEXT_ONLY,
}

# Modules whose outputs are the tokens' embeddings, where `get_input_embeddings` returns none or not all of them.
EMBEDDINGS = {
    "canine": "canine.char_embeddings.HashBucketCodepointEmbedder_*",
    "perceiver": "perceiver.input_preprocessor.embeddings",
    "t5gemma": "*.embed_tokens",
}

# The number of tokens per row, for models whose sparse attention is off for the usual nine.
LENGTHS = {"big_bird": 20, "bigbird_pegasus": 20}
