"""Reading ahead in a thread: the same items, errors where they are due, and a clean end."""

import threading
import time

import pytest

from lrp_domains.domain import prefetched


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


@pytest.mark.parametrize("ahead", [1, 2])
@pytest.mark.parametrize("number", [0, 1, 5])
def test_the_same_items_in_order(number, ahead):
    assert list(prefetched(iter(range(number)), ahead)) == list(range(number))
    assert not threads()


def test_the_next_item_is_read_while_the_current_one_is_used_but_no_more():
    read = []
    items = prefetched(iter(read.append(i) or i for i in range(10)))
    assert next(items) == 0
    for _ in range(200):
        if read == [0, 1]:
            break
        time.sleep(0.01)
    time.sleep(0.05)
    assert read == [0, 1]
    items.close()
    assert not threads() and len(read) <= 3


def test_an_error_is_raised_after_the_items_before_it():
    def failing():
        yield 1
        yield 2
        raise OSError("disk")

    read = []
    with pytest.raises(OSError, match="disk"):
        for item in prefetched(failing()):
            read.append(item)
    assert read == [1, 2] and not threads()


def test_the_thread_ends_when_the_caller_fails():
    def consume():
        for item in prefetched(iter(range(100))):
            if item == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert not threads()
