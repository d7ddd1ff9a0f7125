# The front door. `make demo` and `make test` install what is missing (as root), build, and run.

BUILD ?= build
MESON_OPTIONS ?=

.PHONY: all demo demo-net test unit system kvm bench bench-net fuzz lint install clean dependencies

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

# Boots two guests on disks of one pool, once without and once with service classes.
demo: dependencies all
	@demo/run

# Three hosts behind a switch, a victim and an aggressor, without and with Gatekeeper; needs root.
demo-net: dependencies all
	@demo/net

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

# Minutes of fuzzing per target; FUZZ_SECONDS says how many seconds.
fuzz: dependencies
	@tests/fuzz/run

# Writes docs/benchmarks.md.
bench: dependencies all
	@bench/run

# Only the section on bandwidth promises; needs root.
bench-net: dependencies all
	@bench/gatekeeper --update

lint: dependencies all
	@tools/lint

install: all
	@ninja -C $(BUILD) install

dependencies:
	@tools/install-dependencies

$(BUILD)/build.ninja:
	@meson setup $(BUILD) $(MESON_OPTIONS)

clean:
	rm -rf $(BUILD) $(BUILD)-*
