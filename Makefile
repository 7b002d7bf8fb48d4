# One line each over cargo and scripts. `make help` lists what there is.

SUITE ?= trixie
SECONDS ?= 60

.DEFAULT_GOAL := help
# One at a time, whatever -j says: two of them may install packages.
.NOTPARALLEL:
.PHONY: help setup deb demo test simulate mutants install clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what building and testing needs (Debian 12 or 13, as root)
	@tests/scripts/setup

deb: ## Build the package: target/deb/*.deb (Debian 12 or 13, as root where tools are missing)
	@tests/scripts/setup build
	@packaging/scripts/build-deb

demo: setup deb ## See a session end on a throw-away machine [SUITE=bookworm|trixie] (as root)
	@cargo run --quiet -p session-timeout-tests --bin demo -- $(SUITE)

test: setup ## Run every test, those on booted Debian machines included (as root)
	@tests/scripts/run-tests

simulate: setup ## Live through simulated days and check every invariant [SECONDS=60]
	@cargo run --quiet --profile simulation -p session-timeout-simulation --bin simulate -- \
		--seconds $(SECONDS)

mutants: setup ## Plant bugs in the engine and see the tests catch each
	@cargo run --quiet -p session-timeout-tests --bin mutants

install: deb ## Install the package on this computer (as root)
	apt-get install --yes ./target/deb/session-timeout_*.deb

clean: ## Remove everything that was built, the machines' root trees included
	rm -rf target
