# make demo | make test | make build | make bench. Each installs what it lacks; none asks anything.

CARGO ?= cargo
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
VENV := $(TARGET)/venv
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/sbin

.PHONY: demo test build bench soak memory scan fuzz certs deny clean help

help:
	@echo "make demo                   three mock providers and tidegate, with lines to paste; Ctrl-C ends it"
	@echo "make demo DEMO_SECONDS=20   the same, driving sample traffic by itself through a provider's death"
	@echo "make test                   formatting, lints, all tests (the official OpenAI SDK among them)"
	@echo "make build                  the binary to ship: $(TARGET)/release/tidegate"
	@echo "make bench                  CPU time and throughput beside HAProxy"
	@echo "make soak                   five minutes of mixed and hostile traffic (SOAK_SECONDS=300); nothing may grow"
	@echo "make memory                 what thousands of connections and streams cost, beside HAProxy"
	@echo "make scan                   what testssl.sh finds in the TLS of a default configuration"
	@echo "make fuzz FUZZ=chunk        libFuzzer on one target, or all of them, FUZZ_SECONDS=600 each (needs a nightly toolchain)"
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

soak:
	@scripts/install-tools.sh build bench
	$(CARGO) build --release --bin tidegate
	TIDEGATE=$(TARGET)/release/tidegate SECONDS=$(or $(SOAK_SECONDS),300) python3 benches/soak.py

memory:
	@scripts/install-tools.sh build bench
	$(CARGO) build --release --bin tidegate
	TIDEGATE=$(TARGET)/release/tidegate python3 benches/memory.py

scan:
	@scripts/install-tools.sh build
	$(CARGO) build --profile demo --bin tidegate
	TIDEGATE=$(TARGET)/demo/tidegate scripts/scan-tls.sh

fuzz:
	@CARGO_TARGET_DIR=$(TARGET) scripts/fuzz.sh $(or $(FUZZ),all) $(or $(FUZZ_SECONDS),600)

certs:
	@scripts/install-tools.sh demo
	@certs/make.sh

deny:
	$(CARGO) deny check

clean:
	$(CARGO) clean
	rm -rf state certs/*.pem
