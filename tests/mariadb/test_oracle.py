"""The oracle's comparison: what is a difference, and which is accepted."""

import pytest
from differences import Verdict, answers_of, compare, read_accepted


def difference(test, got):
    return compare(test, ["1", "2", "3"], got)


def test_equal_answers_are_no_difference_whatever_the_engines_are_called():
    assert compare("one", answers_of("ENGINE=InnoDB\n7\troot\tlocalhost\ttest\tSleep\t3", "InnoDB", "SLUICE"),
                   answers_of("ENGINE=SLUICE\n9\troot\tlocalhost\ttest\tSleep\t4", "InnoDB", "SLUICE")) is None


def test_names_that_only_contain_an_engines_stay():
    assert answers_of("innodb_index_stats\nInnoDB_x", "InnoDB", "SLUICE") == ["innodb_index_stats", "InnoDB_x"]


def test_an_accepted_difference_is_told_from_another_one_of_the_same_test():
    known = difference("one", ["1", "3"])
    accepted = {"one": (known.digest, "because")}
    assert Verdict([difference("one", ["1", "3"])], accepted, {"one"}).is_good()
    assert not Verdict([difference("one", ["1", "2"])], accepted, {"one"}).is_good()


def test_what_is_new_and_what_is_gone_is_told():
    verdict = Verdict([difference("two", ["1"])], {"one": ("0", "because")}, {"one", "two"})
    assert [one.test for one in verdict.new] == ["two"] and verdict.gone == ["one"]


def test_a_list_without_reasons_is_refused(tmp_path):
    (tmp_path / "list").write_text("one : 0 :\n")
    with pytest.raises(ValueError):
        read_accepted(tmp_path / "list")
