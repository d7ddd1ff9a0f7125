"""What noise on the machine may cost a test of bandwidth, beside the slack in its numbers."""

import functools


def second_try(test):
    """Other work on the machine may disturb one run, two in a row are the code's fault."""

    @functools.wraps(test)
    def tried(*arguments, **settings):
        try:
            test(*arguments, **settings)
        except AssertionError as failure:
            print(f"a second try, after: {failure}")
            test(*arguments, **settings)

    return tried
