"""What is unavailable for a model, and why, as data. Tests check that it is still true, except for the last entry."""

# One of their operations is refused, under every rule set.
REFUSED = {
    "timm/test_efficientnet_ln": "its activations change a transposed view in place, which autograd hides (CopySlices)",
    "graph/SAGEConv of products": "a product over any number of neighbours has no rule (ScatterReduce)",
}

# Layer rules need the inputs of layers and everything that is added there; something of it is not visible here.
REFUSED_UNDER_EPSILON = {
    "diffusers/unet-with-skips": "its first skip is the number 0 plus a convolution, and only a padding follows",
    "timm/csatv2": "its cosine transform is a layer whose weights are a buffer: autograd doesn't keep its input",
}

# Under CP-LRP their residue belongs to constants that are neither inputs nor parameters.
NOT_CONSERVED = {
    "timm/csatv2": "it converts colours to YCbCr by adding numbers, which autograd doesn't keep",
    "diffusers/quantised": "it adds the step to the nearest code, which is detached",
    "diffusers/transformer": "its sinusoidal positions are a buffer",
    "graph/GENConv": "it adds 1e-7 to each message",
}

# Buffers that account for the residue: with them as inputs relevance is conserved.
BUFFERS = {"diffusers/transformer": "pos_embed.pos_embed"}

# They compute some steps in float32, whatever the dtype of the weights.
FLOAT32_INSIDE = {
    "timm/efficientvit_b0": "its linear attention is in float32",
}
