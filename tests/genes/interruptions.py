"""Progress that interrupts a run, or records what a run still explains."""


def interrupt_after(chunks):
    """Show progress, and be interrupted as by Ctrl-C."""

    def progress(items, description):
        for number, item in enumerate(items):
            if number == chunks:
                raise KeyboardInterrupt
            yield item

    return progress


def counting(seen):
    """Show progress, and append each item to a list."""

    def progress(items, description):
        for item in items:
            seen.append(item)
            yield item

    return progress
