"""How networks are trained: settings, and those that follow from the cohort."""

from dataclasses import dataclass, replace

from ..errors import CohortError
from ..models.built_in import NETWORKS
from ..models.input_spec import check_one_of

BULK_MEMBERS = 10
BULK_INPUT_DROPOUT = 0.9
BULK_ROWS = 1000
COX_BATCH = 512


@dataclass(frozen=True)
class Training:
    """How networks are trained.

    Attributes
    ----------
    folds
        In how many parts the cells are cut; each part is explained by the networks trained on the others. There are
        never more than donors.
    seed
        Fixes folds, initial weights, dropout, bags and the order of cells.
    members
        The number of networks per fold, whose relevance is averaged. Each but a lone one learns from its own bootstrap
        sample. ``"auto"``: 10 for bulk of fewer than 1000 rows, else 1. As bulk counts a cohort in which every row is a
        donor of its own, or whose values are centred.
    network
        ``"mlp"``, ``"linear"`` or ``"transformer"``; see `NETWORKS`.
    hidden
        Hidden neurons of the MLP, width of the transformer's tokens. ``"auto"``: 128 and 32.
    dropout
        The share of hidden values that are dropped at random.
    input_dropout
        The share of genes that are dropped at random. ``"auto"``: 0.9 for bulk, where many genes tell the same and
        relevance else rests on a chance few; 0.2 for single cells.
    tokens
        The most genes of a cell that the transformer reads.
    balanced
        Whether groups weigh alike in the loss, however many cells they have. It finds rare groups; probabilities are
        then those of a cohort with equal groups.
    learning_rate, weight_decay, batch_size
        Of AdamW. A batch size of ``"auto"`` is 64, and 512 for survival, whose loss compares the patients of a batch.
    epochs, patience
        The most epochs, and after how many without a lower validation loss to stop.
    validation_share
        The share of the training cells that early stopping looks at instead.
    """

    folds: int = 5
    seed: int = 0
    members: int | str = "auto"
    network: str = "mlp"
    hidden: int | str = "auto"
    dropout: float = 0.2
    input_dropout: float | str = "auto"
    tokens: int = 256
    balanced: bool = True
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    batch_size: int | str = "auto"
    epochs: int = 200
    patience: int = 10
    validation_share: float = 0.15

    def __post_init__(self) -> None:
        check_one_of("network", self.network, NETWORKS)
        for name, least in (("folds", 2), ("epochs", 1), ("patience", 1), ("tokens", 1), ("seed", 0)):
            _check_whole(name, getattr(self, name), least)
        # A lone cell has no variance, which batch norm needs.
        for name, least in (("members", 1), ("hidden", 1), ("batch_size", 2)):
            if getattr(self, name) != "auto":
                _check_whole(name, getattr(self, name), least, " or 'auto'")
        for name in ("dropout", "input_dropout"):
            given = getattr(self, name)
            automatic = name == "input_dropout" and given == "auto"
            if not automatic and not (_is_number(given) and 0 <= given < 1):
                raise CohortError(f"{name} is {given!r}; it is a share, from 0 to below 1")
        if not (_is_number(self.validation_share) and 0 < self.validation_share <= 0.5):
            raise CohortError(f"validation_share is {self.validation_share!r}; it is a share, above 0 and up to 0.5")
        if not (_is_number(self.learning_rate) and self.learning_rate > 0):
            raise CohortError(f"learning_rate is {self.learning_rate!r}; it is a number above 0")
        if not (_is_number(self.weight_decay) and self.weight_decay >= 0):
            raise CohortError(f"weight_decay is {self.weight_decay!r}; it is 0 or more")
        if self.network == "transformer" and self.hidden != "auto" and self.hidden % 4:
            raise CohortError(f"hidden is {self.hidden}; a transformer of 4 heads needs a multiple of 4")


def resolved(training: Training, *, rows: int, bulk: bool, task: str) -> Training:
    """Put numbers where the settings say ``"auto"``.

    Parameters
    ----------
    rows
        The number of cells or patients.
    bulk
        Whether every row is a donor of its own, or values are centred.
    task
        What is learnt.
    """
    chosen = {
        "members": BULK_MEMBERS if bulk and rows < BULK_ROWS else 1,
        "hidden": 32 if training.network == "transformer" else 128,
        "input_dropout": BULK_INPUT_DROPOUT if bulk else 0.2,
        "batch_size": COX_BATCH if task == "survival" else 64,
    }
    return replace(training, **{name: value for name, value in chosen.items() if getattr(training, name) == "auto"})


def _is_number(given: object) -> bool:
    return isinstance(given, (int, float)) and not isinstance(given, bool)


def _check_whole(name: str, given: object, least: int, also: str = "") -> None:
    if not isinstance(given, int) or isinstance(given, bool) or given < least:
        raise CohortError(f"{name} is {given!r}; it is a whole number from {least} on{also}")
