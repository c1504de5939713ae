"""Forms that can't have the same relevance, and why, as data. Tests check that it is still true.

The keys are family and form. Those of the first table differ in at least one context under one rule set, those of the
second are refused; a form that may be refused may not differ.
"""

from .comparison import DIFFERS, REFUSED

SOFTMAX_OF_TWO = "a softmax of two is a sigmoid of their difference, but a softmax and a gate have different rules"
MULTIPLIED_OUT = "a sum is one factor of a product; multiplied out, its summands are products of unlike degree"
SIGNED_PARTS = (
    "a difference of two values of which one is 0: neither is an activation, and their sum counts as a signal"
)
UNLIKE = "a sum of products of unlike degree counts as one factor of a further product; if stacked, all count alike"
SPLIT_LAYER = "a layer rule shares one layer's z; two layers in a row, or a sum of several, have other values of z"
NUMBER = "Python's sum() adds the number 0, which autograd doesn't keep, so that it could be any bias"
NOT_KEPT = "autograd keeps what a layer rule needs only where weights and biases require grad"
SUM_OF_SQUARES = "CP-LRP holds an activated factor constant; a sum of squares has no such factor"
SIDE_OF_THE_MATRIX = "CP-LRP holds an activated factor constant, but its product with a matrix is not one"
MASKED = "only values would show whether a mask was computed from x; a masked signal is a signal"
ACTIVATED_PARTS = "a sum of activated values is activated, even if the activations cancel"
NOT_SEEN = "the value at 0 depends on a number that autograd doesn't keep"
STATE = "a constant state: z h is a function of the gate alone, while h - n is one of the signal, not 0 at 0"
SPREAD_OUT = "values spread over a larger tensor and read from it are not recognised as an elementwise function"
ONE_NODE = "F.glu as one node: its signal is the first half, whatever that was computed from"
OTHER_SCORES = "scores are recognised directly, not through a sum, a root or a constant column beside the values"
PLAIN_MATRIX = "a matrix on the right of rows of features is a weight, whatever it is computed from; a sum has none"
ADJACENCY = "a constant sparse matrix on the left is treated as a graph's adjacency matrix, which keeps LRP-0"
FIXED_KERNEL = "a kernel or matrix that is no parameter may be a weight all the same, and takes the layer rule"
ADDED_SLICES = "slices of a layer's result that are added are one neuron, as layers are; pooling comes after the neuron"
BIAS_OF_A_SUM = "a constant that is added to a layer and something else is not known to be the layer's bias"
SOME_SLICES = "a layer's result of which some slices are added to something else, and others read by a layer"
TWO_PASSES = "results of two passes through a layer are added as those of two layers are; rows of one pass aren't"
EPSILON_OF_A_MEAN = "epsilon is added to the last sum, of which a number that multiplies it later is no part"
HIDDEN = "a constant that is subtracted from a layer's result, and that autograd doesn't keep, could be any bias"
COMPLEX = "layer rules have no formula for complex products"
NEEDS_A_DERIVATIVE = "PyTorch has no derivative for it"
WRITTEN_OUT = "refused: the message says what to write instead"

DIFFERENT = {
    ("mix by softmax", "sigmoid(s - t)"): SOFTMAX_OF_TWO,
    ("router of the two best", "sigmoid of the difference"): SOFTMAX_OF_TWO,
    ("attention with a sink", "softmax * sigmoid(logsumexp - sink)"): SOFTMAX_OF_TWO,
    ("exponential gate", "a + a * expm1(b)"): MULTIPLIED_OUT,
    ("softplus gate", "a * b + a * softplus(-b)"): MULTIPLIED_OUT,
    ("SwiGLU", "a * b - a * sigmoid(-a) * b"): MULTIPLIED_OUT,
    ("gated mean", "(a + b) / 2 + tanh(c / 2) * (b - a) / 2"): MULTIPLIED_OUT,
    ("mix by softmax", "b + p * (a - b)"): MULTIPLIED_OUT,
    ("modulated norm", "c + LN(a) + LN(a) * b"): MULTIPLIED_OUT,
    ("difference of squares", "a * (a - b) + b * (a - b)"): MULTIPLIED_OUT,
    ("gated delta rule", "step by step, by matrices"): MULTIPLIED_OUT,
    ("gated delta rule", "in chunks of two"): MULTIPLIED_OUT,
    ("gated delta rule", "in one chunk"): MULTIPLIED_OUT,
    ("product of two", "((a + b)² - (a - b)²) / 4"): SUM_OF_SQUARES,
    ("dot product", "(|a + b|² - |a - b|²) / 4"): SUM_OF_SQUARES,
    ("squared distance", "|a|² + |b|² - 2 a · b"): SUM_OF_SQUARES,
    ("bilinear form", "(a @ W) · b"): SIDE_OF_THE_MATRIX,
    ("bilinear form", "einsum of three"): SIDE_OF_THE_MATRIX,
    ("bilinear form", "bmm"): SIDE_OF_THE_MATRIX,
    ("bilinear form", "diagonal of a @ W @ b.T"): SIDE_OF_THE_MATRIX,
    ("ReLU6", "relu(x) - relu(x - 6)"): ACTIVATED_PARTS,
    ("absolute distance", "maximum - minimum"): SIGNED_PARTS,
    ("bilinear form", "a · (b @ W.T)"): SIDE_OF_THE_MATRIX,
    ("bilinear form", "outer product @ W"): SIDE_OF_THE_MATRIX,
    ("bilinear form", "outer product times W, summed"): SIDE_OF_THE_MATRIX,
    ("difference of squares", "(a + b) * (a - b)"): MULTIPLIED_OUT,
    ("gated delta rule", "in chunks of one"): MULTIPLIED_OUT,
    ("larger of two", "b + relu(a - b)"): SIGNED_PARTS,
    ("mix by softmax", "einsum"): UNLIKE,
    ("mix by softmax", "exp(log_softmax)"): UNLIKE,
    ("mix by softmax", "softmax over the last dimension"): UNLIKE,
    ("mix by softmax", "stack times stack, summed"): UNLIKE,
    ("mix by softmax", "sum over the sum of exponentials"): UNLIKE,
    ("sigmoid gate", "F.glu(cat([a, b]))"): ONE_NODE,
    ("sum of products", "a * (b + c)"): UNLIKE,
    ("sum of products", "a * (b - (-c))"): UNLIKE,
    ("sum of products", "a times a stack, summed"): UNLIKE,
    ("sum of products", "einsum"): UNLIKE,
    ("identity", "where(True, x, 0)"): MASKED,
    ("variance", "torch.cov of each row"): SPREAD_OUT,
    ("linear layer", "x @ eye, then the layer"): SPLIT_LAYER,
    ("linear layer", "two layers by singular values"): SPLIT_LAYER,
    ("ReLU", "x * (x > 0)"): MASKED,
    ("ReLU", "x * ((x > 0) * 2) / 2"): MASKED,
    ("ReLU", "where(x > 0, 1, 0) * x"): MASKED,
    ("ReLU", "masked_fill(x < 0, 0)"): MASKED,
    ("ReLU", "y[x < 0] = 0"): MASKED,
    ("ReGLU", "a * (a > 0) * b"): MASKED,
    ("ReGLU", "masked_fill(a < 0, 0)"): MASKED,
    ("leaky ReLU", "x * where(x > 0, 1, 0.1)"): MASKED,
    ("ReGLU", "a * b * (a > 0)"): MASKED,
    ("ReGLU", "where(a > 0, a * b, 0)"): MASKED,
    ("identity", "relu(x) - relu(-x)"): ACTIVATED_PARTS,
    ("identity", "sign(x) * |x|"): ACTIVATED_PARTS,
    ("hard sigmoid gate", "a * (relu(u) - relu(u - 1))"): ACTIVATED_PARTS,
    ("hard sigmoid gate", "a * where in where"): ACTIVATED_PARTS,
    ("hard sigmoid gate", "a * (1 + hardtanh(b / 3)) / 2"): ACTIVATED_PARTS,
    ("ELU", "relu(x) - relu(1 - exp(x))"): NOT_SEEN,
    ("sigmoid", "softmax([x, 0])[0]"): NOT_SEEN,
    ("GRU from a learned state", "einsum"): STATE,
    ("GRU from a learned state", "lerp(n, h, z)"): STATE,
    ("GRU from a learned state", "n + z * (h - n)"): STATE,
    ("GRU from a learned state", "n - z * (n - h)"): STATE,
    ("GRU from a learned state", "nn.GRU"): STATE,
    ("GRU from a learned state", "stack of gates times stack"): STATE,
    ("GRU from a learned state", "torch.gru_cell"): STATE,
    ("LSTM from a learned state", "stack of gates times stack"): STATE,
    ("SiLU", "diag(x) @ sigmoid(x)"): SPREAD_OUT,
    ("square", "diagonal of the outer product"): SPREAD_OUT,
    ("maximum", "infinity norm"): SPREAD_OUT,
    ("SiLU", "glu(cat([x, x]))"): ONE_NODE,
    ("SwiGLU", "glu(cat([a, a])) * b"): ONE_NODE,
    ("two best of a softmax over all", "exp of the best / sum over all"): OTHER_SCORES,
    ("attention, softmax by hand", "(exp @ [v, 1]), divided"): OTHER_SCORES,
    ("attention, softmax by hand", "softmax ** 2 over its sum, of s / 2"): OTHER_SCORES,
    ("attention with a sink", "exp(s - logaddexp)"): OTHER_SCORES,
    ("mix by softmax", "exp(s - logaddexp(s, t))"): OTHER_SCORES,
    ("mix by softmax", "lerp(b, a, softmax)"): MULTIPLIED_OUT,
    ("product of two", "lerp(0, a, b)"): SIDE_OF_THE_MATRIX,
    ("linear layer", "sparse W"): ADJACENCY,
    ("GRU from zeros, layer by layer", "cat, then a matrix of ones"): PLAIN_MATRIX,
    ("convolution", "by Fourier transforms"): COMPLEX,
    ("average pooling", "dense convolution"): FIXED_KERNEL,
    ("average pooling", "matrices"): FIXED_KERNEL,
    ("global average pooling", "tokens @ ones"): FIXED_KERNEL,
    ("average pooling", "mean of shifts"): ADDED_SLICES,
    ("average pooling", "shifts, added"): ADDED_SLICES,
    ("residual block", "the bias last"): BIAS_OF_A_SUM,
    ("dilated block, cut", "even and odd positions apart"): SOME_SLICES,
    ("both strands", "in one batch"): TWO_PASSES,
    ("both strands", "of a stack"): EPSILON_OF_A_MEAN,
    ("both strands", "halves, added"): EPSILON_OF_A_MEAN,
}

REFUSALS = {
    ("ReLU", "x * heaviside(x)"): NEEDS_A_DERIVATIVE,
    ("attention, softmax by hand", "parts merged by logsumexp"): WRITTEN_OUT,
    ("convolution", "sum over shifts"): NUMBER,
    ("softmax pooling", "softmax over the maximum"): HIDDEN,
    ("distance", "cdist of single rows"): WRITTEN_OUT,
    ("distance", "dist, row by row"): WRITTEN_OUT,
    ("absolute distance", "cdist(p=1)"): WRITTEN_OUT,
    ("linear layer", "plain tensors"): NOT_KEPT,
    ("linear layer", "frozen parameters"): NOT_KEPT,
    ("linear layer", "frozen, computed"): NOT_KEPT,
    ("linear layer", "frozen b"): NOT_KEPT,
    ("convolution", "plain tensors"): NOT_KEPT,
    ("convolution", "frozen parameters"): NOT_KEPT,
}

LIMITS = {DIFFERS: DIFFERENT, REFUSED: REFUSALS}

# The largest shares of all checks that may differ and be refused, known limits included.
MOST_THAT_DIFFER, MOST_THAT_ARE_REFUSED = 0.025, 0.012
