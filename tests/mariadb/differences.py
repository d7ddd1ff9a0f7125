"""What two engines answered to the same tests, and which of the differences a reviewer has accepted.

A difference is what a diff without context says, in which both engines have the same name. Its digest is in the list of accepted ones,
so that another difference of the same test is a new one.
"""

import difflib
import hashlib
import re


class Difference:
    def __init__(self, test, lines):
        self.test, self.lines = test, lines
        self.digest = hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:12]


def answers_of(text, *engines):
    """Lines, without the engines' names and without what is never the same twice: who is connected, and for how long."""
    text = re.sub(r"\b(" + "|".join(engines) + r")\b", "<ENGINE>", text)
    text = re.sub(r"(?<=')/[^']*/build/mariadb/oracle/", "<WORK>/", text)
    return [line for line in text.splitlines() if not re.match(r"\d+\troot\tlocalhost\t", line)]


def compare(test, expected, got):
    """Each of the two is a list of lines. Returns a Difference, or None."""
    lines = [line for line in difflib.unified_diff(expected, got, lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))]
    return Difference(test, lines) if lines else None


def read_accepted(path):
    """Lines "TEST : DIGEST : REASON"; returns {test: (digest, reason)}."""
    accepted = {}
    with open(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip() or line.startswith("#"):
                continue
            fields = [field.strip() for field in line.split(":", 2)]
            if len(fields) != 3 or not all(fields):
                raise ValueError(f"{path}:{number}: expected TEST : DIGEST : REASON")
            accepted[fields[0]] = (fields[1], fields[2])
    return accepted


class Verdict:
    """Of all differences: those that are new, that are another than was accepted, that are accepted, and accepted ones that are gone."""

    def __init__(self, differences, accepted, tests):
        self.new = [one for one in differences if one.test not in accepted]
        self.changed = [one for one in differences if one.test in accepted and accepted[one.test][0] != one.digest]
        self.accepted = [one for one in differences if one.test in accepted and accepted[one.test][0] == one.digest]
        differing = {one.test for one in differences}
        self.gone = sorted(test for test in accepted if test in tests and test not in differing)

    def is_good(self):
        return not (self.new or self.changed or self.gone)
