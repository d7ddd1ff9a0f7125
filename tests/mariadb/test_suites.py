"""MariaDB's own tests for engines, unmodified, with SLUICE as the default engine: what fails is what accepted-failures says, and nothing else.

They take many minutes, so only a few are run unless SLUICE_SOAK is set; `make mariadb-suites` does so. Those of replication are left out: the
replica would need a module of its own, and mariadb-test-run gives all servers of a test the same options.
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
RESULT = re.compile(r"^(engines/\w+\.\w+) '.*\[ (pass|fail|skipped|disabled) \]")
needs_patience = pytest.mark.skipif(not os.environ.get("SLUICE_SOAK"), reason="takes many minutes: `make mariadb-suites`")


def accepted_failures():
    with open(os.path.join(FOLDER, "accepted-failures")) as file:
        return {line.split()[0] for line in file if line.strip() and not line.startswith("#")}


def names_in(suite):
    names = sorted(os.path.basename(path)[:-len(".test")] for path in glob.glob(os.path.join(SUITES, suite, "t", "*.test")))
    return [f"{suite}.{name}" for name in names if not name.startswith("rpl_")]


def results_of(tests, module, folder):
    """The results of each, and what was said. A suite has its tests twice, for two engines by name; here, both are the same one."""
    environment = dict(os.environ, SLUICE_BUILD=mariadb.BUILD, SLUICE_SUITE_DIRECTORY=str(folder))
    run = subprocess.run([os.path.join(FOLDER, "suite"), f"unix:{module.channel}", *(f"{test},innodb" for test in tests)], env=environment,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    results = {}
    for line in run.stdout.splitlines():
        if found := RESULT.match(line):
            results.setdefault(found[1], set()).add(found[2])
    return results, run.stdout


def check(tests, module, folder):
    results, output = results_of(tests, module, folder)
    passed = {test for test, what in results.items() if what == {"pass"}}
    failed = {test for test, what in results.items() if "fail" in what}
    accepted = accepted_failures() & set(tests)
    assert passed, output[-3000:]
    assert failed <= accepted, "\n".join([*sorted(failed - accepted), output])
    assert accepted <= failed, f"these pass, or are no tests: {sorted(accepted - failed)}"


def test_a_few_of_mariadbs_own_tests_pass(module, tmp_path):
    check(A_FEW, module, tmp_path)


@needs_patience
@pytest.mark.parametrize("suite", ["engines/iuds", "engines/funcs"])
def test_a_suite_of_mariadbs_own_passes(module, tmp_path, suite):
    check(names_in(suite), module, tmp_path)
