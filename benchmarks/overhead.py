"""What an explanation costs where only overhead counts, at tiny widths: ``python -m benchmarks.overhead``."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    PreTrainedModel,
)

from lrp_domains import compile, ledger, relevance
from lrp_domains.core.planning import kept

from .measure import cpu_seconds, median_ratio, write

WIDTH, TOKENS, WORDS, ROUNDS = 64, 16, 100, 21
SLOW_TO_COMPILE = ("Mamba, 24 layers",)


def bert() -> PreTrainedModel:
    config = BertConfig(hidden_size=WIDTH, num_attention_heads=4, intermediate_size=128, vocab_size=WORDS)
    return BertForSequenceClassification(config)


def llama() -> PreTrainedModel:
    config = LlamaConfig(
        hidden_size=WIDTH, num_attention_heads=4, num_key_value_heads=2, intermediate_size=128, vocab_size=WORDS,
        num_hidden_layers=32,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def gpt2() -> PreTrainedModel:
    return GPT2LMHeadModel(
        GPT2Config(n_embd=WIDTH, n_head=4, n_layer=24, vocab_size=WORDS, bos_token_id=1, eos_token_id=1)
    )


def mamba() -> PreTrainedModel:
    return MambaForCausalLM(MambaConfig(hidden_size=WIDTH, vocab_size=WORDS, num_hidden_layers=24, state_size=8))


SUBJECTS: dict[str, Callable[[], PreTrainedModel]] = {
    "BERT, 12 layers": bert,
    "Llama, 32 layers": llama,
    "GPT-2, 24 layers": gpt2,
    "Mamba, 24 layers": mamba,
}


def runs_of(model: PreTrainedModel, *, with_inductor: bool) -> dict[str, Callable[[], object]]:
    """Return the calls that are timed, each with a forward pass of its own."""
    embedded = model.get_input_embeddings()(torch.randint(3, WORDS, (1, TOKENS))).detach()

    def score(x: Tensor) -> Tensor:
        logits = model(inputs_embeds=x).logits
        return (logits[:, -1, 3] if logits.ndim == 3 else logits[:, 1]).sum()

    def predict() -> None:
        with torch.no_grad():
            score(embedded)

    def gradient() -> None:
        x = embedded.clone().requires_grad_()
        torch.autograd.grad(score(x), x)[0] * x

    def explain() -> None:
        x = embedded.clone().requires_grad_()
        relevance(score(x), x)

    def explain_first() -> None:
        kept.forget()
        explain()

    def account() -> None:
        x = embedded.clone().requires_grad_()
        ledger(score(x), x)

    # The first call plans, and the one after it finds its plan.
    runs = {"prediction": predict, "gradient": gradient, "first": explain_first, "later": explain, "ledger": account}
    other = torch.randn_like(embedded)
    for backend in ("eager", "inductor")[: 1 + with_inductor]:
        compiled = compile(score, embedded, backend=backend)
        compiled(other)  # is compared
        runs[backend] = partial(compiled, embedded)
    return runs


def main() -> None:
    rows = []
    for name, build in SUBJECTS.items():
        for trained in (False, True):
            model = build().eval().requires_grad_(trained)
            seconds = cpu_seconds(runs_of(model, with_inductor=name not in SLOW_TO_COMPILE), ROUNDS)
            milliseconds = {run: 1e3 * statistics.median(times) for run, times in seconds.items()}
            rows.append(
                {
                    "subject": name,
                    "parameters": "require grad" if trained else "frozen",
                    "prediction, ms": milliseconds["prediction"],
                    "gradient, ms": milliseconds["gradient"],
                    "relevance, first / gradient": median_ratio(seconds["first"], seconds["gradient"]),
                    "relevance, later / gradient": median_ratio(seconds["later"], seconds["gradient"]),
                    "ledger / gradient": median_ratio(seconds["ledger"], seconds["gradient"]),
                    "recorded / gradient": median_ratio(seconds["eager"], seconds["gradient"]),
                    "compiled / gradient": median_ratio(seconds["inductor"], seconds["gradient"])
                    if "inductor" in seconds
                    else "",
                }
            )
            print(rows[-1], flush=True)

    write(
        "overhead",
        "The overhead of an explanation",
        rows,
        f"Models of width {WIDTH} with random weights, one text of {TOKENS} words, so that nearly all of the time is "
        "overhead. CPU time of a forward pass and what follows; ratios are medians over rounds in which all calls took "
        "turns. A first call plans; a later one takes a kept plan if there is one (there is none for Mamba, whose "
        "planning reads values). Recorded and compiled are explanations of `lrp_domains.compile` by its backends eager "
        "and inductor, which is left out where it takes many minutes.",
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    main()
