# make demo | make test | make build | make bench. Each installs what it lacks; none asks anything.

CARGO ?= cargo
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
VENV := $(TARGET)/venv
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/sbin

.PHONY: demo test build bench certs deny clean help

help:
	@echo "make demo                   three mock providers and tidegate, with lines to paste; Ctrl-C ends it"
	@echo "make demo DEMO_SECONDS=20   the same, driving sample traffic by itself through a provider's death"
	@echo "make test                   formatting, lints, all tests (the official OpenAI SDK among them)"
	@echo "make build                  the binary to ship: $(TARGET)/release/tidegate"
	@echo "make bench                  CPU time and throughput beside HAProxy"
	@echo "make certs                  development certificates in certs/"
	@echo "make deny                   licences and advisories of the dependencies (needs cargo-deny)"

demo:
	@scripts/install-tools.sh build demo
	@certs/make.sh
	$(CARGO) build --profile demo --bin tidegate
	@$(TARGET)/demo/tidegate demo $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS))

test:
	@scripts/install-tools.sh build python test
	@certs/make.sh
	@scripts/make-venv.sh $(VENV)
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	TIDEGATE_TEST_PYTHON=$(VENV)/bin/python $(CARGO) test

build:
	@scripts/install-tools.sh build
	$(CARGO) build --release --bin tidegate
	@echo "built $(TARGET)/release/tidegate"

bench:
	@scripts/install-tools.sh build bench
	$(CARGO) build --release --bin tidegate
	TIDEGATE=$(TARGET)/release/tidegate benches/run.sh $(BENCH_ARGS)

certs:
	@scripts/install-tools.sh demo
	@certs/make.sh

deny:
	$(CARGO) deny check

clean:
	$(CARGO) clean
	rm -rf state certs/*.pem
