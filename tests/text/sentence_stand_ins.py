"""Stand-ins of objects of sentence-transformers and SetFit, with the names and attributes that are read of them."""

import torch
from torch import nn

from .small_models import bert
from .small_tokenizers import tokenizer_of


def of_package(name, package, base=nn.Module, **attributes):
    """Return an object of a class with a name, in a package."""
    item = type(name, (base,), {"__module__": f"{package}.models"})()
    for attribute, value in attributes.items():
        setattr(item, attribute, value)
    return item


def sentence_transformer(*layers, pooling="mean", prompt=None, tokenizer=None, **settings):
    """Return a stand-in of a SentenceTransformer, and its transformer; `settings` are attributes beside this."""
    tokenizer = tokenizer or tokenizer_of("wordpiece")
    transformer = bert(tokenizer, "Model").float()
    parts = {"auto_model": transformer, "tokenizer": tokenizer} | settings
    model = of_package("SentenceTransformer", "sentence_transformers", nn.Sequential)
    model.append(of_package("Transformer", "sentence_transformers", **parts))
    model.append(of_package("Pooling", "sentence_transformers", get_config_dict=lambda: {"pooling_mode": pooling}))
    for layer in layers:
        model.append(layer)
    model.prompts, model.default_prompt_name = {"query": "query: "}, prompt
    return model.eval(), transformer


def dense(into=5, **attributes):
    torch.manual_seed(into)
    attributes = {"linear": nn.Linear(16, into), "activation_function": nn.Tanh(), "use_residual": False} | attributes
    return of_package("Dense", "sentence_transformers", module_input_name="sentence_embedding", **attributes)


def vector(transformer, text):
    """Return the mean of the states of a text."""
    with torch.no_grad():
        return transformer(**tokenizer_of("wordpiece")(text, return_tensors="pt")).last_hidden_state[0].mean(0)


def setfit(head, labels, **attributes):
    """Return a stand-in of a SetFitModel, and the transformer of its body."""
    body, transformer = sentence_transformer()
    settings = {"model_body": body, "model_head": head, "labels": labels} | attributes
    return of_package("SetFitModel", "setfit", object, **settings), transformer
