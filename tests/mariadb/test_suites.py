"""MariaDB's own tests for engines, unmodified, with SLUICE as the default engine: what fails is what accepted-failures says, and nothing else.

They take many minutes, so only a few are run unless SLUICE_SOAK is set; `make mariadb-suites` does so. Those of replication have two modules,
one for each server.
"""

import glob
import os
import re
import subprocess

import pytest

import server as mariadb

FOLDER = os.path.dirname(os.path.abspath(__file__))
SUITES = os.path.join(mariadb.SERVER, "share", "mysql", "mysql-test", "suite")
A_FEW = ["engines/funcs.ai_overflow_error", "engines/funcs.ai_reset_by_truncate", "engines/funcs.de_multi_db_table_using", "engines/funcs.ix_using_order",
         "engines/funcs.ld_unique_error1", "engines/funcs.tc_partition_hash", "engines/funcs.ta_add_unique_index", "engines/iuds.insert_number",
         "engines/iuds.update_time"]
A_FEW_REPLICATED = ["engines/funcs.rpl_alter", "engines/funcs.rpl_row_func001", "engines/funcs.rpl_temporary"]
RESULT = re.compile(r"^(engines/\w+)(?:-sluice)?(\.\w+)\s.*\[ (pass|fail|skipped|disabled) \]")
needs_patience = pytest.mark.skipif(not os.environ.get("SLUICE_SOAK"), reason="takes many minutes: `make mariadb-suites`")


def accepted_failures():
    with open(os.path.join(FOLDER, "accepted-failures")) as file:
        return {line.split()[0] for line in file if line.strip() and not line.startswith("#")}


def names_in(suite):
    return [f"{suite}.{os.path.basename(path)[:-len('.test')]}" for path in sorted(glob.glob(os.path.join(SUITES, suite, "t", "*.test")))]


def is_replicated(test):
    return ".rpl_" in test


def results_of(tests, module, folder, replica=None):
    """The results of each, and what was said. A suite has its tests twice, for two engines by name; here, both are the same one."""
    environment = dict(os.environ, SLUICE_BUILD=mariadb.BUILD, SLUICE_SUITE_DIRECTORY=str(folder))
    if replica:
        environment["SLUICE_SUITE_REPLICA"] = f"unix:{replica.channel}"
        tests = [test.replace(".", "-sluice.") for test in tests]
    run = subprocess.run([os.path.join(FOLDER, "suite"), f"unix:{module.channel}", *(f"{test},innodb" for test in tests)], env=environment,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    results = {}
    for line in run.stdout.splitlines():
        if found := RESULT.match(line):
            results.setdefault(found[1] + found[2], set()).add(found[3])
    return results, run.stdout


def check(tests, *where):
    results, output = results_of(tests, *where)
    failed = {test for test, what in results.items() if "fail" in what}
    idle = {test for test in tests if results.get(test, {"skipped"}) == {"skipped"}}  # one may be for some of a log's formats only
    accepted = accepted_failures() & set(tests)
    assert not idle, "\n".join(["not run:", *sorted(idle), output[-3000:]])
    assert failed <= accepted, "\n".join([*sorted(failed - accepted), output])
    assert accepted <= failed, f"these pass, or are no tests: {sorted(accepted - failed)}"


@pytest.fixture(scope="module")
def replica(engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("replica")
    mariadb.let_others_in(folder, tmp_path_factory)
    module = mariadb.Module(folder, is_pinned=False).start()
    yield module
    module.stop()


def test_a_few_of_mariadbs_own_tests_pass(module, tmp_path):
    check(A_FEW, module, tmp_path)


def test_a_few_of_those_of_replication_pass(module, replica, tmp_path):
    check(A_FEW_REPLICATED, module, tmp_path, replica)


@needs_patience
@pytest.mark.parametrize("suite", ["engines/iuds", "engines/funcs"])
def test_a_suite_of_mariadbs_own_passes(module, tmp_path, suite):
    tests = [test for test in names_in(suite) if not is_replicated(test)]
    check(tests, module, tmp_path)


@needs_patience
def test_a_replica_follows_in_mariadbs_own_tests(module, replica, tmp_path):
    tests = list(filter(is_replicated, names_in("engines/funcs")))
    check(tests, module, tmp_path, replica)
