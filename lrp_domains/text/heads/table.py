"""Which head a task has.

A head knows what to run for a text (``read``), and what number to read from the outputs (``scores``).
"""

from typing import Any

from torch import nn

from ..models.network import Network
from .classification import Classification
from .fill_mask import FillMask
from .labels import labels_of
from .question_answering import QuestionAnswering
from .sentence_similarity import SentenceSimilarity
from .text2text_generation import Text2TextGeneration
from .text_generation import TextGeneration
from .token_classification import TokenClassification


def head_of(task: str, model: nn.Module, tokenizer, network: Network, score: str, pooling: str) -> Any:
    """Give the head for a task."""
    config = model.config
    match task:
        case "text-classification":
            return Classification(labels_of(config, config.num_labels), score, network.two_sides)
        case "token-classification":
            return TokenClassification(labels_of(config, config.num_labels), score)
        case "question-answering":
            return QuestionAnswering(score)
        case "fill-mask":
            return FillMask(tokenizer, score)
        case "text-generation":
            return TextGeneration(model, tokenizer, score)
        case "text2text-generation":
            return Text2TextGeneration(model, tokenizer, score)
        case "sentence-similarity":
            return SentenceSimilarity(pooling)
