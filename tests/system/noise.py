"""What noise on the machine may cost a test of bandwidth, beside the slack in its numbers."""

import functools


def second_try(test):
    """A link of 1 Gbit/s takes more than half of a small machine: one run may be disturbed, two in a row are the code's fault."""

    @functools.wraps(test)
    def tried(*arguments, **settings):
        try:
            test(*arguments, **settings)
        except AssertionError as failure:
            print(f"a second try, after: {failure}")
            test(*arguments, **settings)

    return tried
