# The front door. `make demo` and `make test` install what is missing (as root), build, and run.

BUILD ?= build
MESON_OPTIONS ?=

.PHONY: all dependencies lint clean

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD) $(MESON_OPTIONS)

lint:
	clang-format --dry-run --Werror $$(git ls-files '*.c' '*.h')

clean:
	rm -rf $(BUILD)
