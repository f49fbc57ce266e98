# The front door: each target calls cargo and the scripts in pipelines/scripts.
#
#   make demo                                   learn and inspect a simulated line, into demo-out/
#   make demo INPUT=clip.mp4 GOOD=0-10s OUT=out  the same with any clip
#   make test                                   everything
#   make lint                                   format, clippy, documentation; licences and known faults of dependencies
#   make docs                                   pages of the elements, from their sources
#   make fuzz [TARGETS="bank pickle"] [RUNS=n]  hostile bytes for every parser, guided by coverage; needs cargo-fuzz
#   make kernels                                PTX of the CUDA kernels, from their sources; needs no GPU
#   make bench [ENCODERS="a.safetensors ..."]   whole-frame times
#   make gpu                                    checks the CUDA path on a GPU; those of training need nvcc, too
#   make install [PREFIX=/usr/local]            plugin and command, for this user or below PREFIX
#   make container                              image of a station, with podman, buildah or docker
#   make deb                                    Debian packages of both, with cargo-deb, and what they are made of

CARGO ?= cargo
SCRIPTS := pipelines/scripts

export INPUT GOOD OUT ENCODER CAPACITY ENCODERS SIZE FRAMES PREFIX DESTDIR TARGETS RUNS SECONDS_EACH SANITIZER

.PHONY: help deps test-deps release demo test lint docs fuzz kernels bench gpu install deb container

help:
	@sed -n 's/^#   //p' Makefile

deps:
	@$(SCRIPTS)/install-deps.sh

test-deps:
	@$(SCRIPTS)/install-deps.sh tests

release: deps
	$(CARGO) build --release --locked -p gst-plugin-snarm -p snarm-player -p snarm-pipelines

demo: release
	@$(SCRIPTS)/demo.sh

# The command and the plugin are built first: tests run them as users do. The kernels are tested at every CPU level. What
# is skipped is counted at the end; with SNARM_NO_SKIP=1 it fails, but for what tests/src/skip.rs allows.
test: export SNARM_SKIPS := $(CURDIR)/target/skips.txt
test: test-deps
	@mkdir -p target && rm -f $(SNARM_SKIPS)
	$(CARGO) build --workspace --locked
	$(SCRIPTS)/test.py
	SNARM_ISA=avx2 $(SCRIPTS)/test.py --only snarm_kernels --skip cuda
	SNARM_ISA=portable $(SCRIPTS)/test.py --only snarm_kernels --skip cuda
	$(CARGO) build --workspace --locked
	$(SCRIPTS)/install-test.sh
	PROFILE=dev $(SCRIPTS)/deb.sh
	PROFILE=dev $(SCRIPTS)/container.sh
	$(SCRIPTS)/meson-test.sh
	$(SCRIPTS)/gpu.sh fake
	@$(SCRIPTS)/skip.sh --count

lint: deps
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked
	@$(SCRIPTS)/deny.sh

# Pages of the elements, and what gst-inspect-1.0 says of them, from their sources.
docs: deps
	SNARM_UPDATE_SNAPSHOTS=1 $(CARGO) test --locked -p snarm-tests --test elements -- snapshot
	SNARM_UPDATE_SNAPSHOTS=1 $(CARGO) test --locked -p snarm-tests --test elements -- pages

fuzz:
	@$(SCRIPTS)/fuzz.sh

# NVRTC 11.8 of PyPI compiles them; nothing of it is needed where the project is built or runs.
kernels:
	@$(SCRIPTS)/kernels.py

bench: release
	@$(SCRIPTS)/bench.sh

gpu: deps
	@$(SCRIPTS)/gpu.sh

install: release
	@$(SCRIPTS)/install.sh

deb: release
	@$(SCRIPTS)/deb.sh

container: release
	@$(SCRIPTS)/container.sh
