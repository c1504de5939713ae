"""What cannot be had of a model, and why: data, no code. Tests check that it is still true, but for the last."""

# An operation of theirs is refused, under every rule set.
REFUSED = {
    "timm/test_efficientnet_ln": "its activations change a transposed view in place, which autograd hides (CopySlices)",
    "graph/SAGEConv of products": "a product over neighbours of any number has no rule (ScatterReduce)",
}

# Rules for layers need all that is added in a layer, and what was added here cannot be seen.
REFUSED_UNDER_EPSILON = {
    "diffusers/unet-with-skips": "its first skip is the number 0 plus a convolution, and only a padding follows",
    "torchvision/swin_v2_t": "it sets a part of its attention's bias to zero in place, which autograd hides",
}

# Under CP-LRP their residue is what constants hold that are neither inputs nor parameters.
NUMBERS = "numbers of its own that are added: autograd doesn't keep them"
NOT_BALANCED = {
    "timm/csatv2": f"it turns colours into YCbCr with {NUMBERS}",
    "diffusers/quantised": "it adds the step to the nearest code, which is detached",
    "diffusers/transformer": "its sinusoidal positions are a buffer",
    "graph/GENConv": "it adds 1e-7 to each message",
}

# Constants that are buffers hold the residue: as inputs they balance the ledger.
BUFFERS = {"diffusers/transformer": "pos_embed.pos_embed"}

# Some of their steps are in float32, whatever the weights are in.
FLOAT32_INSIDE = {
    "timm/efficientvit_b0": "its linear attention is in float32",
}
