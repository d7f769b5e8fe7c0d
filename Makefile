# make run    the demo: a report, an archive and a mailbox on http://127.0.0.1:8000
# make test   lint and tests, but for the slow ones: those run in `make campaigns`, and both must be green
# Both make their own environment first; all they need is git, make and Python >= 3.11.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.run-ready
TEST_READY := $(VENV)/.test-ready
SEED ?= 1
KILLS ?= 30
YEARS ?= 20
EXAMPLES ?= 300

.PHONY: run test slow coverage check lint campaigns kills faults headers signatures mutations flood years machine bench picture lock clean

run: $(RUN_READY)
	$(BIN)/newsletter demo

test: $(TEST_READY)
	@sh scripts/debian-packages.sh
	@sh scripts/checkers.sh
	$(MAKE) lint
	$(BIN)/pytest -n 4 --dist loadfile -m "not slow"
	@echo "make test: green"

lint: $(TEST_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The tests that take seconds each, more than ten minutes in all.
slow: $(TEST_READY)
	@sh scripts/debian-packages.sh
	@sh scripts/checkers.sh
	$(BIN)/pytest -n 4 --dist loadfile -m slow

# All tests with every line counted: that doubles their time, so it is no part of `make test`, nor of the campaigns.
coverage: $(TEST_READY)
	@sh scripts/debian-packages.sh
	$(BIN)/pytest -n 4 --dist loadfile --cov --cov-report=term

# Long fault runs, each reproducible by its seed; and the slow tests.
campaigns: $(TEST_READY)
	@sh scripts/debian-packages.sh
	$(MAKE) slow
	$(MAKE) kills KILLS=30 SEED=$(SEED)
	$(MAKE) faults KILLS=40 SEED=$(SEED)
	$(MAKE) headers SEED=$(SEED)
	$(MAKE) signatures SEED=$(SEED)
	$(MAKE) mutations
	$(MAKE) flood SEED=$(SEED)
	$(MAKE) years YEARS=4 SEED=$(SEED)
	$(MAKE) machine SEED=$(SEED)

kills: $(TEST_READY)
	$(BIN)/python -m tests.campaigns.kills --kills $(KILLS) --seed $(SEED)

# Deliveries that are killed, cut off, lied to and put off: nobody twice, nobody forgotten. About six minutes. The long
# campaign has its own default; KILLS on the command line wins.
FAULT_KILLS := $(if $(filter file,$(origin KILLS)),200,$(KILLS))

faults: $(TEST_READY)
	@sh scripts/debian-packages.sh
	$(BIN)/python -m tests.faults.campaign --rule ask --kills $(FAULT_KILLS) --subscribers 20000 --seed $(SEED)
	$(BIN)/python -m tests.faults.campaign --rule ask --kills 25 --subscribers 3000 --seed $(SEED) --relay postfix
	$(BIN)/python -m tests.faults.campaign --rule hold --kills $(FAULT_KILLS) --subscribers 20000 --seed $(SEED)
	$(BIN)/python -m tests.faults.campaign --rule again --kills 60 --subscribers 12000 --seed $(SEED)

# A hundred thousand hostile names, subjects and addresses, judged by parsers that are not ours.
headers: $(TEST_READY)
	@sh scripts/debian-packages.sh
	$(BIN)/python -m tests.campaigns.headers --count 100000 --seed $(SEED)

# Ten thousand signed letters, verified by OpenDKIM, dkimpy and openssl; mutated ones must fail.
signatures: $(TEST_READY)
	@sh scripts/debian-packages.sh
	$(BIN)/python -m tests.campaigns.signatures --letters 10000 --seed $(SEED)

# Every rule of the preflight taken out, turned round, weighed wrongly: its tests must notice.
mutations: $(TEST_READY)
	$(BIN)/python -m tests.campaigns.mutations

# Robots send the form for strangers' addresses by the thousand: nobody gets more than one mail a day.
flood: $(TEST_READY)
	$(BIN)/python -m tests.campaigns.flood --posts 10000 --addresses 1000 --networks 50 --seed $(SEED)

years: $(TEST_READY)
	$(BIN)/python -m tests.campaigns.years --years $(YEARS) --seed $(SEED)

# Hundreds of sequences of import, sync, portals, invitations, leaving, erasing, mails that fail, old links: nobody
# unwilling is active. A quarter of them again on PostgreSQL. About two minutes.
machine: $(TEST_READY)
	@sh scripts/debian-packages.sh
	$(BIN)/python -m tests.campaigns.machine --examples $(EXAMPLES) --seed $(SEED)
	$(BIN)/python -m tests.campaigns.machine --examples $$(($(EXAMPLES) / 4)) --seed $(SEED) --database postgresql

bench: $(TEST_READY)
	@sh scripts/bench-peers.sh
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/delivery.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/check.py
	$(BIN)/python benchmarks/preview.py
	$(BIN)/python benchmarks/subscribers.py

# The picture in README.md, made from a real render of the demo's report.
picture: $(TEST_READY)
	$(BIN)/python scripts/picture.py docs/edition.png

lock:
	uv pip compile -q --universal --generate-hashes --no-strip-extras --python-version 3.11 --no-emit-index-url \
	  --custom-compile-command "make lock" --extra postgresql --group build pyproject.toml \
	  -o requirements.lock
	uv pip compile -q --universal --generate-hashes --no-strip-extras --python-version 3.11 --no-emit-index-url \
	  --custom-compile-command "make lock" --extra postgresql --group dev -c requirements.lock pyproject.toml \
	  -o requirements-dev.lock

clean:
	rm -rf $(VENV) build dist out .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "newsletter needs Python 3.11 or newer; try: make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "cannot make a virtual environment; on Debian: apt-get install python3-venv"; exit 2; }

$(RUN_READY): requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(TEST_READY): requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(RUN_READY)
