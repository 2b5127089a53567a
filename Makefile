# Two commands do everything: `make demo` and `make test`.
.PHONY: demo test build-tests fuzz experiments build setup format lint clean

BUILD := .build-release
TESTS := .build-tests
TESTABLE := -c release -Xswiftc -enable-testing --scratch-path $(TESTS)
# As root, Open MPI wants to be told that this is meant; with fewer cores than ranks, idle ranks must yield.
MPI_ENV := OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1
RANKS ?= 4
SEED ?= 1
CASES ?= 2900

demo: build
	$(MPI_ENV) mpirun --oversubscribe --bind-to none -n $(RANKS) $(BUILD)/release/rdo run

# Release, because debug builds of numerical Swift are a hundred times slower; -enable-testing needs a build of its own.
test: build-tests
	$(MPI_ENV) ./Tests/scripts/run_tests.sh $(TESTABLE)
	./Tests/scripts/test_pipeline_sbatch.sh

# What `test` builds first, the program among it.
build-tests: setup
	swift build --build-tests $(TESTABLE)

# Long: mutations of every kind of input.
fuzz: build
	python3 Tests/scripts/fuzz.py $(BUILD)/release/rdo --cases $(CASES) --seed $(SEED)

# Long. What is complete is not run again.
experiments: build
	python3 scripts/experiments.py $(BUILD)/release/rdo --page docs/results.md

build: setup
	swift build -c release --product rdo --scratch-path $(BUILD)

setup:
	@./scripts/setup.sh

format:
	swift format -i -r Package.swift Sources Tests

lint:
	swift format lint --strict -r Package.swift Sources Tests

clean:
	rm -rf $(BUILD) $(TESTS)
