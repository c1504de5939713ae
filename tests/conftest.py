import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread_one_seed():
    """Small models are many times slower on several threads than on one; every test draws the same numbers."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
