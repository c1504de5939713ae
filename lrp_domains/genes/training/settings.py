"""The settings of training, and those that follow from the cohort."""

from dataclasses import dataclass, replace
from math import ceil

from ...domain import check_choice
from ..errors import CohortError
from ..models.built_in import NETWORKS

BULK_MEMBERS = 10
BULK_INPUT_DROPOUT = 0.9
BULK_ROWS = 1000
BULK_WEIGHT_DECAY = 30.0
COX_BATCH = 512
EPOCHS, CENTRED_EPOCHS = 200, 40
PATIENCE, PATIENCE_IN_BATCHES = 10, 20


@dataclass(frozen=True)
class Training:
    """How networks are trained. None leaves a setting to the cohort, the task or the network.

    Attributes
    ----------
    folds
        Number of folds; each is explained by the networks trained on the others. There are never more folds than
        donors.
    seed
        Fixes folds, initial weights, dropout, bags and the order of cells.
    members
        Number of networks per fold, whose relevance is averaged. With more than one, each learns from its bootstrap
        sample. If None, 10 for bulk of fewer than 1000 rows, else 1. A cohort counts as bulk if every row is a
        different donor, or if its values are centred.
    network
        ``"mlp"``, ``"linear"`` or ``"transformer"``; see `NETWORKS`.
    hidden
        Hidden neurons of the MLP, or the width of the transformer's tokens. If None, 128 and 32.
    dropout
        The share of hidden values that are dropped at random. If None, 0.5 for the MLP, 0.2 for the transformer.
    input_dropout
        The share of genes that are dropped at random. If None, 0.9 for bulk, where many genes carry the same
        information and relevance would otherwise rest on a few of them by chance; 0.2 for single cells.
    tokens
        The largest number of genes per cell that the transformer reads.
    balanced
        Whether groups have equal weight in the loss, whatever their number of cells. It finds rare groups;
        probabilities are then those of a cohort with equal groups.
    learning_rate, weight_decay, batch_size
        Of AdamW. If None, the weight decay is 0.01, and 30 for an MLP that learns classes of bulk, whose rankings then
        agree better across cohorts, at the same accuracy; the batch size is 64, and 512 for survival, whose loss
        compares the patients of a batch.
    epochs, patience
        The largest number of epochs, and the number of epochs without a lower validation loss after which training
        stops. If None, 200 and 10; an MLP or a linear network that learns from centred genes (see `train`) takes 40
        epochs. Small cohorts have one or two batches per epoch: if None, the patience is never less than 20 batches.
    decoys
        Number of draws of decoys, if a false discovery rate is asked for (`train`, ``fdr``). More draws make selection
        depend less on chance, and p-values finer.
    validation_share
        The share of the training cells that are used only for early stopping.
    """

    folds: int = 5
    seed: int = 0
    members: int | None = None
    network: str = "mlp"
    hidden: int | None = None
    dropout: float | None = None
    input_dropout: float | None = None
    tokens: int = 256
    balanced: bool = True
    learning_rate: float = 1e-3
    weight_decay: float | None = None
    batch_size: int | None = None
    epochs: int | None = None
    patience: int | None = None
    decoys: int = 3
    validation_share: float = 0.15

    def __post_init__(self) -> None:
        check_choice("network", self.network, NETWORKS)
        for name, least in (("folds", 2), ("tokens", 1), ("decoys", 1), ("seed", 0)):
            _check_whole(name, getattr(self, name), least)
        # A batch of one cell has no variance, which batch norm needs.
        for name, least in (("members", 1), ("hidden", 1), ("batch_size", 2), ("epochs", 1), ("patience", 1)):
            if getattr(self, name) is not None:
                _check_whole(name, getattr(self, name), least, also=" or None")

        for name in ("dropout", "input_dropout"):
            share = getattr(self, name)
            if share is not None and not (_is_number(share) and 0 <= share < 1):
                raise CohortError(f"{name} is {share!r}; expected a share, from 0 to below 1")
        if not (_is_number(self.validation_share) and 0 < self.validation_share <= 0.5):
            raise CohortError(f"validation_share is {self.validation_share!r}; expected a share, above 0 and up to 0.5")
        if not (_is_number(self.learning_rate) and self.learning_rate > 0):
            raise CohortError(f"learning_rate is {self.learning_rate!r}; expected a number above 0")
        if self.weight_decay is not None and not (_is_number(self.weight_decay) and self.weight_decay >= 0):
            raise CohortError(f"weight_decay is {self.weight_decay!r}; expected 0 or more, or None")
        if self.network == "transformer" and self.hidden is not None and self.hidden % 4:
            raise CohortError(f"hidden is {self.hidden}; a transformer of 4 heads requires a multiple of 4")


def resolved(training: Training, *, rows: int, bulk: bool, task: str, centred: bool = False) -> Training:
    """Replace every None by a number.

    Parameters
    ----------
    training
        The settings.
    rows
        Number of cells or patients.
    bulk
        Whether every row is a different donor, or values are centred.
    task
        What is learnt.
    centred
        Whether networks learn from centred genes, which takes fewer epochs.
    """
    batch_size = training.batch_size or (COX_BATCH if task == "survival" else 64)
    learning = rows * (1 - 1 / training.folds) * (1 - training.validation_share)
    batches = max(1, int(learning / batch_size))  # of an epoch
    chosen = {
        "members": BULK_MEMBERS if bulk and rows < BULK_ROWS else 1,
        "hidden": 32 if training.network == "transformer" else 128,
        "dropout": 0.2 if training.network == "transformer" else 0.5,
        "input_dropout": BULK_INPUT_DROPOUT if bulk else 0.2,
        "weight_decay": BULK_WEIGHT_DECAY if bulk and training.network == "mlp" and task == "classes" else 1e-2,
        "batch_size": batch_size,
        "epochs": CENTRED_EPOCHS if centred else EPOCHS,
        "patience": max(PATIENCE, ceil(PATIENCE_IN_BATCHES / batches)),
    }
    return replace(training, **{name: value for name, value in chosen.items() if getattr(training, name) is None})


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_whole(name: str, value: object, least: int, *, also: str = "") -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise CohortError(f"{name} is {value!r}; expected a whole number from {least} on{also}")
