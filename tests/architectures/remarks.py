"""What cannot be had of an architecture, and why: data, no code. Tests check that it is still true."""

# Instances of these cannot be built here.
NOT_BUILDABLE = {
    "layoutlmv2": "its picture backbone needs the package detectron2, which the package index does not have",
}

# These run forward, but their own backward pass refuses.
NO_GRADIENT = {
    "reformer": "its reversible layers are a custom autograd Function that keeps no graph and refuses eval",
}

# These are built in float32, all others in float64.
GROUPED_MM = "torch's grouped_mm, its default for experts, does not take float64"
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

# Their attention cannot take a batch with padding.
NOT_PADDED = {
    "nystromformer": "it adds a mask over all tokens to the scores of its few landmarks: shapes differ",
}

# No rule is known for an operation of theirs; a test gives the rule and balances the books.
UNKNOWN = {
    "yoso": "its attention is a custom autograd Function, YosoCumulation; a one-line rule for it balances",
}

# Under CP-LRP their residue is what constants outside the graph hold. Tests make leaves of these.
SINUSOIDS = "its sinusoidal positions are a constant outside the graph, and hold the residue"
ONE = "its experts multiply by (up + 1); the number 1 is no tensor of the graph, and holds the residue"
NOT_BALANCED = {
    "ctrl": SINUSOIDS,
    "gpt_oss": ONE,
    "experts-by-loop/gpt_oss": ONE,
    "seq2seq/marian": SINUSOIDS,
    "seq2seq/pegasus": SINUSOIDS,
}

# What is worth knowing of the others.
TEXT_ONLY = "run on text, without a picture"
NOTES = {
    "causal/rwkv": "with `use_cache=False`; with a cache it overwrites what its own gradient needs",
    "gemma3": TEXT_ONLY,
    "layoutlmv3": TEXT_ONLY,
    "luke": "run on words, without entities",
    "modernvbert": TEXT_ONLY,
    "mra": "without its CUDA kernel, transformers replaces its attention by zeros",
    "qwen3_5": TEXT_ONLY,
    "t5gemma2": TEXT_ONLY,
    "ultravbert": TEXT_ONLY,
}

# Modules whose outputs are the tokens' embeddings, where `get_input_embeddings` names none, or not all.
EMBEDDINGS = {
    "canine": "canine.char_embeddings.HashBucketCodepointEmbedder_*",
    "perceiver": "perceiver.input_preprocessor.embeddings",
    "t5gemma": "*.embed_tokens",
}

# Tokens in a row where the usual nine would switch sparse attention off.
LENGTHS = {"big_bird": 20, "bigbird_pegasus": 20}
