"""What rows are read and written as, compared with InnoDB wherever it has an answer."""

import os
import re

import pytest

COLUMNS = ["TINYINT", "SMALLINT UNSIGNED", "MEDIUMINT", "INT", "BIGINT UNSIGNED", "FLOAT", "DOUBLE", "DECIMAL(12,4)", "DATE", "TIME(3)",
           "DATETIME(6)", "TIMESTAMP NULL", "YEAR", "CHAR(10)", "VARCHAR(100)", "BINARY(4)", "VARBINARY(50)", "TEXT", "BLOB", "BIT(11)",
           "ENUM('1','2','30')", "SET('1','2','30')", "INET6", "UUID"]
VALUES = {"INET6": ["::1", "fe80::2", "10::"], "UUID": [f"00000000-0000-0000-0000-00000000000{i}" for i in (1, 9, 3)],
          "DATE": ["2001-01-01", "1999-12-31", "2020-02-29"], "TIME(3)": ["-10:00:00.5", "00:00:01", "100:00:00"],
          "DATETIME(6)": ["2001-01-01 00:00:00.000001", "1999-12-31 1:2:3", "2020-02-29"],
          "TIMESTAMP NULL": ["2001-01-01 00:00:00", "1999-12-31 1:2:3", "2020-02-29"], "YEAR": ["1999", "2001", "2155"]}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_is_read_and_ordered_as_by_innodb(table, column):
    values = VALUES.get(column, ["1", "30", "2"])
    rows = ", ".join(f"({i}, '{value}')" if column != "BIT(11)" else f"({i}, {value})" for i, value in enumerate(values))
    length = "(20)" if column in ("TEXT", "BLOB") else ""
    for name, engine in ("t", "SLUICE"), ("u", "InnoDB"):
        table.ask(f"CREATE TABLE {name} (id INT PRIMARY KEY, c {column}, KEY (c{length})) ENGINE={engine};"
                  f"INSERT INTO {name} VALUES {rows}, (100, NULL), (101, NULL)")
    for query in ("SELECT id, HEX(c) FROM {} ORDER BY c, id", "SELECT id FROM {} FORCE INDEX (c) WHERE c IS NULL",
                  "SELECT id FROM {} FORCE INDEX (c) WHERE c > (SELECT MIN(c) FROM {}) ORDER BY c DESC",
                  "SELECT HEX(MIN(c)), HEX(MAX(c)), COUNT(DISTINCT c) FROM {}"):
        assert table.ask(query.replace("{}", "t")) == table.ask(query.replace("{}", "u")), query


@pytest.mark.parametrize("collation", ["latin1_swedish_ci", "latin1_nopad_bin", "utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin",
                                       "utf8mb4_nopad_bin", "utf8mb4_unicode_nopad_ci", "utf8mb4_uca1400_as_cs", "latin2_czech_cs",
                                       "utf8mb4_german2_ci", "ucs2_general_ci"])
def test_text_is_ordered_and_unique_as_its_collation_says(table, collation):
    charset = collation.split("_")[0]
    texts = ["", "a", "A", "a ", "a  b", "a\\t", "ab", "b", "B ", "ss", "zzzzzzzzzzzzzzzzzzzzzzzz", "zzzzzzzzzzzz", "zzzzzzzzzzzz\\t", "zzzzzzzzzzzz a"]
    for name, engine in ("t", "SLUICE"), ("u", "InnoDB"):
        table.ask(f"CREATE TABLE {name} (id INT PRIMARY KEY AUTO_INCREMENT, c VARCHAR(40) CHARACTER SET {charset} COLLATE {collation}, UNIQUE (c))"
                  f" ENGINE={engine};" + "".join(f"INSERT IGNORE INTO {name} (c) VALUES ('{text}');" for text in texts))
    for query in ("SELECT CONCAT('<', c, '>') FROM {} FORCE INDEX (c) ORDER BY c", "SELECT COUNT(*) FROM {} FORCE INDEX (c) WHERE c = 'A'",
                  "SELECT HEX(c) FROM {} FORCE INDEX (c) WHERE c LIKE 'a%' ORDER BY c", "SELECT COUNT(*) FROM {} FORCE INDEX (c) WHERE c < 'zzzzzzzzzzzz'"):
        assert table.ask(query.replace("{}", "t")) == table.ask(query.replace("{}", "u")), query


def test_a_key_that_the_scan_goes_by_may_be_changed(table):
    table.ask("CREATE TABLE t (a INT PRIMARY KEY, b INT, KEY (b)) ENGINE=SLUICE; INSERT INTO t SELECT seq, seq FROM seq_1_to_1000;"
              "UPDATE t SET a = a + 200 ORDER BY a DESC; UPDATE t FORCE INDEX (b) SET b = b + 10 WHERE b > 0")
    assert table.ask("SELECT COUNT(*), MIN(a), MAX(a), MIN(b), MAX(b) FROM t") == ["1000\t201\t1200\t11\t1010"]


def test_rows_without_a_primary_key_keep_their_order(table):
    table.ask("CREATE TABLE t (a INT) ENGINE=SLUICE; INSERT INTO t VALUES (3), (1), (2); DELETE FROM t WHERE a = 1")
    assert table.ask("SELECT a FROM t") == ["3", "2"]


def test_a_duplicate_is_named_and_undoes_its_statement_alone(table):
    table.ask("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(9), UNIQUE (b)) ENGINE=SLUICE")
    status, _, error = table.run("BEGIN; INSERT INTO t VALUES (1, 'x'); INSERT INTO t VALUES (2, 'y'), (3, 'x')")
    assert status and "Duplicate entry 'x' for key 'b'" in error
    lines = table.ask("SET sql_mode=''; BEGIN; INSERT INTO t VALUES (1, 'x'); INSERT IGNORE INTO t VALUES (2, 'y'), (3, 'x');"
                      "REPLACE INTO t VALUES (4, 'y'); INSERT INTO t VALUES (4, 'z') ON DUPLICATE KEY UPDATE b = 'w'; COMMIT; SELECT * FROM t ORDER BY a")
    assert lines == ["1\tx", "4\tw"]


def test_virtual_columns_are_computed(table):
    table.ask("CREATE TABLE t (a INT PRIMARY KEY, v INT AS (a * 2) VIRTUAL, s INT AS (a * 3) STORED, KEY (s)) ENGINE=SLUICE;"
              "INSERT INTO t (a) VALUES (1), (2), (3); UPDATE t SET a = 10 WHERE v = 4; DELETE FROM t WHERE s = 3")
    assert table.ask("SELECT * FROM t FORCE INDEX (s) WHERE s > 0") == ["3\t6\t9", "10\t20\t30"]


VIRTUAL_COLUMNS = ["v INT AS (b * 2) VIRTUAL, KEY (v)", "v INT AS (b * 2) VIRTUAL, UNIQUE (v)", "v INT AS (b * 2) VIRTUAL, KEY (c, v)",
                   "v VARCHAR(30) AS (CONCAT(c, '-', b)) VIRTUAL, KEY (v)", "v TEXT AS (CONCAT(c, '-', b)) VIRTUAL, UNIQUE (v)",
                   "w INT AS (b + 1) VIRTUAL, v INT AS (w * 2) VIRTUAL, KEY (v, w)", "v INT AS (b * 2) STORED, w INT AS (v) VIRTUAL, UNIQUE (w)"]


@pytest.mark.parametrize("columns", VIRTUAL_COLUMNS)
def test_an_index_on_a_virtual_column_is_as_by_innodb(table, columns):
    by_v = "v = (SELECT v FROM (SELECT v FROM {} WHERE a = %d) AS one)"
    changes = ["UPDATE {} SET c = 'x' WHERE " + by_v % 3, "UPDATE {} SET b = b + 100 WHERE v > 20 ORDER BY b DESC", "UPDATE {} SET a = a + 1000 WHERE a < 5",
               "DELETE FROM {} WHERE " + by_v % 7, "UPDATE {} SET b = NULL WHERE a = 8", "REPLACE INTO {} (a, b, c) VALUES (9, 500, 'nine')",
               "INSERT INTO {} (a, b, c) VALUES (10, 1, 'y') ON DUPLICATE KEY UPDATE b = 600", "UPDATE {} AS x, u2 SET x.b = x.b + 1000 WHERE x.a = u2.a",
               "DELETE FROM {} WHERE v IS NULL", "UPDATE {} SET b = b + 1 ORDER BY v DESC LIMIT 1", "ALTER TABLE {} ADD d INT DEFAULT 4, ALGORITHM=COPY",
               "ALTER TABLE {} DROP KEY IF EXISTS v", "ALTER TABLE {} ADD KEY v (v, a)", "DELETE FROM {} WHERE v > 1 ORDER BY v LIMIT 2"]
    table.ask("DROP TABLE IF EXISTS u2; CREATE TABLE u2 (a INT) ENGINE=InnoDB; INSERT INTO u2 VALUES (11), (12)")
    for name, engine in ("t", "SLUICE"), ("u", "InnoDB"):
        table.ask(f"CREATE TABLE {name} (a INT PRIMARY KEY, b INT, c VARCHAR(10), {columns}) ENGINE={engine};"
                  f"INSERT INTO {name} (a, b, c) SELECT seq, seq, CONCAT('c', seq % 3) FROM seq_1_to_30")
    for change in changes:
        for name in "t", "u":
            table.run(change.replace("{}", name))
        for query in ("SELECT * FROM {} ORDER BY a", "SELECT a, v FROM {} WHERE v > 10 ORDER BY v, a", "SELECT v FROM {} ORDER BY v DESC",
                      "SELECT COUNT(*), MIN(v), MAX(v) FROM {}", "SELECT x.a FROM {} AS x, u AS y WHERE x.v = y.v ORDER BY x.a"):
            assert table.ask(query.replace("{}", "t")) == table.ask(query.replace("{}", "u")), (change, query)
        assert table.ask("CHECK TABLE t") == ["test.t\tcheck\tstatus\tOK"], change


def test_another_expression_of_a_virtual_column_makes_its_index_anew(table):
    table.ask("CREATE TABLE t (a INT PRIMARY KEY, v INT AS (a * 2) VIRTUAL, KEY (v)) ENGINE=SLUICE; INSERT INTO t (a) VALUES (1), (2), (3);"
              "ALTER TABLE t MODIFY v INT AS (a * 10) VIRTUAL")
    assert table.ask("SELECT a, v FROM t FORCE INDEX (v) WHERE v >= 20; DELETE FROM t WHERE v = 20; SELECT v FROM t FORCE INDEX (v) ORDER BY v") == [
        "2\t20", "3\t30", "10", "30"]


def test_a_long_text_is_unique(table):
    table.ask("CREATE TABLE t (a INT PRIMARY KEY, b TEXT UNIQUE) ENGINE=SLUICE; INSERT INTO t VALUES (1, REPEAT('x', 9000)), (2, REPEAT('y', 9000)), (3, NULL)")
    status, _, error = table.run("INSERT INTO t VALUES (4, 'z'), (5, REPEAT('y', 9000))")
    assert status and "Duplicate entry" in error
    status, _, error = table.run("UPDATE t SET b = REPEAT('x', 9000) WHERE a = 2")
    assert status and "Duplicate entry" in error
    table.ask("REPLACE INTO t VALUES (6, REPEAT('y', 9000)); UPDATE t SET b = 'w' WHERE a = 1; INSERT INTO t VALUES (7, REPEAT('x', 9000))")
    assert table.ask("SELECT a, LENGTH(b) FROM t ORDER BY a; CHECK TABLE t") == ["1\t1", "3\tNULL", "6\t9000", "7\t9000", "test.t\tcheck\tstatus\tOK"]


def test_blobs_survive_a_copy_of_the_table(table):
    table.ask("CREATE TABLE t (a INT PRIMARY KEY, b LONGBLOB) ENGINE=SLUICE; INSERT INTO t SELECT seq, REPEAT(CHAR(seq), 5000 * seq) FROM seq_1_to_50;"
              "ALTER TABLE t ADD COLUMN c INT DEFAULT 7, ADD KEY (b(10)), ALGORITHM=COPY")
    assert table.ask("SELECT COUNT(*), SUM(LENGTH(b)), SUM(c), SUM(b = REPEAT(CHAR(a), 5000 * a)) FROM t") == ["50\t6375000\t350\t50"]


def test_auto_increment_goes_on_behind_explicit_values(table):
    table.ask("CREATE TABLE t (a INT PRIMARY KEY AUTO_INCREMENT) ENGINE=SLUICE; INSERT INTO t VALUES (NULL), (10), (NULL), (NULL)")
    assert table.ask("SELECT * FROM t") == ["1", "10", "11", "12"]
    table.ask("TRUNCATE t; INSERT INTO t VALUES (NULL)")
    assert table.ask("SELECT * FROM t") == ["1"]


@pytest.mark.parametrize("column", ["TINYINT", "MEDIUMINT UNSIGNED", "INT", "BIGINT", "BIGINT UNSIGNED"])
def test_auto_increment_ends_as_by_innodb(table, column):
    last = {"TINYINT": 2 ** 7, "MEDIUMINT UNSIGNED": 2 ** 24, "INT": 2 ** 31, "BIGINT": 2 ** 63, "BIGINT UNSIGNED": 2 ** 64}[column] - 1
    statements = [f"INSERT INTO {{}} VALUES ({last - 3})", "INSERT INTO {} VALUES (NULL)", "INSERT INTO {} VALUES (NULL), (NULL), (NULL)",
                  "INSERT INTO {} VALUES (NULL)", f"INSERT INTO {{}} VALUES ({last})", "INSERT INTO {} VALUES (NULL)", "TRUNCATE {}",
                  "INSERT INTO {} VALUES (NULL)", f"UPDATE {{}} SET a = {last}", "INSERT INTO {} VALUES (NULL)"]
    for name, engine in ("t", "SLUICE"), ("u", "InnoDB"):
        table.ask(f"CREATE TABLE {name} (a {column} AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT=7 ENGINE={engine}")
    for statement in statements:
        errors = [re.findall(r"ERROR (\d+)", table.run(statement.replace("{}", name))[2]) for name in ("t", "u")]
        assert errors[0] == errors[1], statement
        assert table.ask("SELECT * FROM t ORDER BY a") == table.ask("SELECT * FROM u ORDER BY a"), statement


def test_auto_increment_changes_its_step_as_by_innodb(table):
    for name, engine in ("t", "SLUICE"), ("u", "InnoDB"):
        table.ask(f"CREATE TABLE {name} (a INT AUTO_INCREMENT PRIMARY KEY) ENGINE={engine}; SET auto_increment_increment = 300, auto_increment_offset = 200;"
                  f"INSERT INTO {name} VALUES (NULL), (NULL), (NULL); SET auto_increment_increment = 50; INSERT INTO {name} VALUES (NULL), (NULL);"
                  f"SET auto_increment_increment = 1; INSERT INTO {name} VALUES (NULL)")
    assert table.ask("SELECT * FROM t") == table.ask("SELECT * FROM u") == ["200", "500", "800", "1100", "1150", "1200"]
    made = [table.ask(f"SHOW CREATE TABLE {name}")[0].partition(" ENGINE=")[2].partition(" DEFAULT")[0] for name in ("t", "u")]
    assert made == ["SLUICE AUTO_INCREMENT=1201", "InnoDB AUTO_INCREMENT=1201"]


def test_bits_that_are_a_key_can_be_changed(table):
    table.ask("CREATE TABLE t (a BIT(8) PRIMARY KEY, b BIT(3), KEY (b)) ENGINE=SLUICE; INSERT INTO t VALUES (0, 1), (10, 2), (20, 3);"
              "UPDATE IGNORE t SET a = 0 WHERE a = 10; UPDATE t SET a = 30, b = 4 WHERE a = 20")
    assert table.ask("SELECT HEX(a), HEX(b) FROM t ORDER BY a") == ["0\t1", "A\t2", "1E\t4"]
    assert table.ask("SELECT HEX(a), HEX(b) FROM t FORCE INDEX (b) WHERE b >= 3; CHECK TABLE t") == ["1E\t4", "test.t\tcheck\tstatus\tOK"]


def test_tables_that_the_server_has_lost_go_with_their_database(server):
    server.ask("CREATE DATABASE lost; CREATE DATABASE lost2")
    server.ask("CREATE TABLE lost.t (a INT) ENGINE=SLUICE; CREATE TABLE lost2.t (a INT) ENGINE=SLUICE; INSERT INTO lost2.t VALUES (7); FLUSH TABLES")
    os.unlink(os.path.join(server.data, "lost", "t.frm"))
    server.ask("DROP DATABASE lost; CREATE DATABASE lost; CREATE TABLE lost.t (a INT) ENGINE=SLUICE")
    assert server.ask("SELECT * FROM lost.t; SELECT * FROM lost2.t; DROP DATABASE lost; DROP DATABASE lost2") == ["7"]
