# The everyday commands. `make` alone says what there is.

# rustup puts cargo here, and a shell that was open before may not know it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin:$(CURDIR)/.tools/bin

# Seconds that each fuzz target runs.
FUZZ_SECONDS ?= 1800
# What `make chaos` plays: mixed, long (five times as much), backlog, cost or drains.
CHAOS ?= mixed
# Passed on to the demo and the benches: make demo ARGS="--for 10s --assert"
ARGS ?=

.PHONY: help demo check test field fmt bench bench-engine instructions oracle simulate chaos soak fuzz clean-kafka

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: ## the daemon on a Kafka inside its own process, fed with realistic lines (ARGS="…")
	@tests/setup build
	@# The build of the tests, so that whoever runs both waits once; its features want a target that is for tests.
	cargo build --locked --bin fingerpost --examples
	@"$${CARGO_TARGET_DIR:-target}/debug/fingerpost" demo $(ARGS)

check: ## format, clippy, units and cases, without a broker: what to run before each commit
	@tests/setup check
	@tests/run check

test: ## the whole check, as CI runs it; says what it installs
	@tests/run

field: ## what needs other people's servers, as CI runs it: a real Alertmanager; says what it installs
	@tests/run field

fmt: ## format the code
	cargo fmt

bench: ## what a line costs, on a real broker, beside bare librdkafka and others; half an hour (ARGS="--quick")
	@tests/setup bench
	cargo bench --locked --bench pipeline -- $(ARGS)

bench-engine: ## how fast the engine is, beside its limits and a plain automaton (ARGS="--phrases 40 --rounds 9")
	@tests/setup build
	cargo bench --locked --bench engine -- $(ARGS)

instructions: ## instructions of fixed pieces of work against benches/instructions.toml (ACCEPT=1 writes it anew)
	@tests/setup test
	CARGO_INCREMENTAL=1 cargo bench --locked --profile dev --bench instructions -- $(if $(ACCEPT),--accept)

oracle: ## ten million lines, held against the plain matcher of the tests
	@tests/setup build
	FINGERPOST_ORACLE_LINES=10000000 cargo test --release --locked --test it oracle -- --nocapture

simulate: ## 100,000 histories of the worker on an in-memory Kafka on which everything goes wrong
	@tests/setup build
	FINGERPOST_SIM_SEEDS=100000 cargo test --release --locked --lib simulation -- --nocapture

chaos: ## faults by the hundred on three brokers, every line accounted for (CHAOS=mixed|long|backlog|cost|drains)
	@tests/setup test
	CHAOS=$(CHAOS) cargo test --release --locked --test chaos \
	  -- --ignored --nocapture --test-threads=1 $(if $(filter mixed long,$(CHAOS)),long_ fault_10,$(CHAOS))

soak: ## an hour of a steady stream, a fault a minute, memory watched, every offset looked at in the end
	@tests/setup test
	@tests/soak

fuzz: ## every fuzz target for FUZZ_SECONDS (1800)
	@tests/setup fuzz
	@# No sanitizer: what is fuzzed holds no unsafe code, and librdkafka's configure does not link against one.
	@set -e; targets=$$(cargo +nightly fuzz list); for target in $$targets; do \
	  echo "fuzz: $$target, $(FUZZ_SECONDS) s"; \
	  cargo +nightly fuzz run -s none "$$target" -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096; \
	done

clean-kafka: ## stop and remove every test broker of this tree, also one that a killed run left
	@for dir in .tools/broker .tools/run.*/broker .tools/run.*/node-*; do tests/kafka/kafka-down --dir "$$dir" --purge; done
	@rm -rf .tools/run.*
