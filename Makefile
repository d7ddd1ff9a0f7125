# The front door. `make demo` and `make test` install what is missing (as root), build, and run.

BUILD ?= build
MESON_OPTIONS ?=

.PHONY: all demo demo-net demo-db test unit system kvm soak soak-db mariadb-suites mariadb-oracle bench bench-net bench-exits bench-db fuzz lint install guest-package clean dependencies

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

# Boots two guests on disks of one pool, once without and once with service classes.
demo: dependencies all
	@demo/run

# Three hosts behind a switch, a victim and an aggressor, without and with Gatekeeper; needs root.
demo-net: dependencies all
	@demo/net

# The same transactions on two engines of one MariaDB: InnoDB on a disk, and one that runs on the host. Counts what leaves the guest.
demo-db: dependencies all
	@demo/db

# Everything: unit tests, the same under ASan, UBSan and TSan, clang-format and clang-tidy, guests in QEMU, and the split
# VMM in a machine with KVM, which QEMU emulates where there is no /dev/kvm.
# Ends with "N passed, N failed".
test: dependencies
	@tests/run

unit: dependencies
	@tests/run unit sanitized threads

system: dependencies
	@tests/run system

kvm: dependencies
	@tests/run kvm

# MariaDB's tests of storage engines, compared with what InnoDB answers; takes minutes, needs root.
mariadb-oracle: dependencies all
	@tests/mariadb/oracle

# Guests of the split VMM from boot to poweroff, ten and one times in a row, in the nested machine.
soak: dependencies all
	@SLUICE_SOAK=5 /usr/bin/python3 -m pytest -s -q -p no:cacheprovider tests/kvm/test_split_vm.py -k "many_times or hostile"

# MariaDB's own suites for engines, whole, on the engine SLUICE; needs root.
mariadb-suites: dependencies all
	@SLUICE_SOAK=1 /usr/bin/python3 -m pytest -s -q -p no:cacheprovider tests/mariadb/test_suites.py

# A hundred kills of MariaDB, the storage module and sluiced while transactions run, MariaDB's death at each step of a statement
# about tables, and twenty of a guest with MariaDB; needs root.
soak-db: dependencies all
	@SLUICE_SOAK=100 /usr/bin/python3 -m pytest -s -q -p no:cacheprovider tests/mariadb/test_kills.py tests/mariadb/test_ddl_kills.py tests/mariadb/test_guest_kills.py

# Minutes of fuzzing per target; FUZZ_SECONDS says how many seconds.
fuzz: dependencies
	@tests/fuzz/run

# Writes docs/benchmarks.md.
bench: dependencies all
	@bench/run

# Only the section on bandwidth promises; needs root.
bench-net: dependencies all
	@bench/gatekeeper --update

# Only the section on exits per I/O; emulates a machine with KVM, which takes minutes.
bench-exits: dependencies all
	@bench/exits_per_io --update

# Only the section on databases: sysbench on InnoDB, MyRocks and SLUICE; needs root. With the counts of demo-db, which takes minutes.
bench-db: dependencies all
	@bench/database --guest --update

lint: dependencies all
	@tools/lint

install: all
	@ninja -C $(BUILD) install

# The engine of a MariaDB in a guest, as a Debian package in $(BUILD)/packages.
guest-package: dependencies
	@guest/mariadb/build $(BUILD)/mariadb
	@packaging/mariadb-engine/build $(BUILD)/packages $(BUILD)/mariadb

dependencies:
	@tools/install-dependencies

$(BUILD)/build.ninja:
	@meson setup $(BUILD) $(MESON_OPTIONS)

clean:
	rm -rf $(BUILD) $(BUILD)-*
