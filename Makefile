# The front door. Behind it: tools/setup.sh finds or gets what is needed, tools/build.sh
# runs CMake and Ninja, tools/lint.sh checks the sources. `make help` lists what there is.
#
# TORCH chooses the libtorch: a folder that holds one, `debian`, `cpu`, `cuda`, or nothing
# for the first that is found. Each libtorch has build folders of its own.

TORCH ?= auto
PRESET ?= release
PREFIX ?= /usr/local
ARGS ?=

run = TORCH='$(TORCH)'

all: build

help:
	@echo 'make              build (PRESET=release, debug, asan, tsan)'
	@echo 'make setup        get what is missing: compilers, CMake, Ninja, libtorch'
	@echo 'make demo         set up, build, train on Fashion-MNIST, show the result'
	@echo 'make test         set up, build, lint, run all tests (ARGS="-R name" for CTest)'
	@echo 'make lint         check layout, include direction, banned calls, comments'
	@echo 'make torture      kill trainings at 200 moments, resume them, compare the bits'
	@echo 'make bench        measure speed; prints a table, writes build/bench.json'
	@echo 'make asan         build with address and undefined behaviour sanitizers, run tests'
	@echo 'make tsan         build with the thread sanitizer, run the threaded tests'
	@echo 'make doctor       what was found on this machine and what is missing'
	@echo 'make install      install below PREFIX=/usr/local; DESTDIR is honoured'
	@echo 'make clean        remove the build folders, keep the set-up'
	@echo 'make distclean    remove everything under build/'
	@echo
	@echo 'TORCH=<folder>|debian|cpu|cuda chooses the libtorch (now: $(TORCH))'

build:
	@$(run) tools/setup.sh --if-needed --no-install
	@$(run) tools/build.sh $(PRESET)

setup:
	@$(run) tools/setup.sh --demo

demo:
	@$(run) tools/setup.sh --if-needed --demo
	@$(run) tools/build.sh release
	@$(run) tools/demo.sh

test:
	@$(run) tools/setup.sh --if-needed
	@$(run) tools/build.sh $(PRESET)
	@$(run) tools/lint.sh
	@$(run) tools/build.sh --test $(PRESET) $(ARGS)

lint:
	@$(run) tools/lint.sh $(ARGS)

torture:
	@$(run) tools/setup.sh --if-needed
	@$(run) tools/build.sh $(PRESET)
	@$(run) tools/build.sh $(PRESET) torture

bench:
	@$(run) tools/setup.sh --if-needed --demo
	@$(run) tools/build.sh release
	@$(run) tools/bench.sh $(ARGS)

asan:
	@$(run) tools/setup.sh --if-needed
	@$(run) tools/build.sh asan
	@$(run) tools/build.sh --test asan $(ARGS)

tsan:
	@$(run) tools/setup.sh --if-needed
	@$(run) tools/build.sh tsan
	@$(run) tools/build.sh --test tsan -E '^(torch|lint|install|setup|demo|readme|cli|torture)' $(ARGS)

doctor:
	@$(run) tools/doctor.sh

install: build
	@$(run) tools/build.sh --install $(PRESET) --prefix '$(PREFIX)'

clean:
	rm -rf build/release* build/debug* build/asan* build/tsan* build/lint build/tidy

distclean:
	rm -rf build

.PHONY: all help build setup demo test lint torture bench asan tsan doctor install clean distclean
