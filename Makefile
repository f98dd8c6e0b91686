# Needs Python 3.11 or newer and make. Everything runs in .venv, made from requirements.lock.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
SKEWKIT := $(BIN)/skewkit
RUNS ?= runs/drill

.PHONY: setup drill incidents matrix parity test feast bench bench-promise diagnose-bench lab data lint size lock clean
.DELETE_ON_ERROR:

setup: .venv/.ready

.venv/.ready: requirements.lock
.venv-feast/.ready: requirements-feast.lock
.venv/.ready .venv-feast/.ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "skewkit needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --quiet --disable-pip-version-check --requirement $(filter %.lock,$^)
	$(@D)/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# The main job: four skews at five severities on real flights, then the same checks on files, clean and with a fault.
drill: setup
	@begun=$$(date +%s); \
	$(SKEWKIT) run drill -f notebooks/params/drill.yaml --runs $(RUNS); test $$? -eq 4 || exit 1; \
	$(BIN)/python -m skewkit.scenarios flights data/flights > /dev/null || exit 1; \
	echo; echo "check of the clean log:"; \
	$(SKEWKIT) run check -f notebooks/params/flights.yaml --runs $(RUNS); code=$$?; test $$code -eq 0 -o $$code -eq 3 || exit 1; \
	echo "exit code $$code"; \
	echo; echo "check of the log with clocks read in UTC for a quarter of the requests:"; \
	$(SKEWKIT) run check -f notebooks/params/flights.yaml -p served data/flights/served_time_zone.parquet --runs $(RUNS); code=$$?; test $$code -eq 4 || exit 1; \
	echo "exit code $$code"; \
	echo; $(SKEWKIT) status --runs $(RUNS); \
	echo; echo "drill and both checks: $$(( $$(date +%s) - begun )) s"

# Every reported failure played over five seeds, two at a time, and the table of what was reported and measured.
incidents: setup
	@begun=$$(date +%s); mkdir -p runs/incidents; export OMP_NUM_THREADS=1; \
	ls notebooks/params/incidents/*.yaml | xargs -P 2 -I FILE sh -c \
	  'name=$$(basename FILE .yaml); rm -f runs/incidents/$$name/latest; $(SKEWKIT) run drill -f FILE --runs runs/incidents/$$name > runs/incidents/$$name.log 2>&1; \
	   code=$$?; case $$code in 0|3|4|5) ;; *) echo "$$name failed with exit code $$code: runs/incidents/$$name.log" >&2;; esac'; \
	$(BIN)/python -m skewkit.results.incidents runs/incidents && echo "in $$(( $$(date +%s) - begun )) s"

# Every skew on both worlds, side by side, one core each: what is noticed without a replay, with one, and with the events.
matrix: RUNS = runs/matrix
matrix: setup
	@begun=$$(date +%s); mkdir -p $(RUNS); export OMP_NUM_THREADS=1; \
	$(SKEWKIT) run drill -f notebooks/params/matrix/flights.yaml --runs $(RUNS)/flights > $(RUNS)/flights.log 2>&1 & one=$$!; \
	$(SKEWKIT) run drill -f notebooks/params/matrix/payments.yaml --runs $(RUNS)/payments > $(RUNS)/payments.log 2>&1 & two=$$!; \
	echo "two drills at once; what they say as they go is in $(RUNS)/flights.log and $(RUNS)/payments.log"; \
	wait $$one; test $$? -eq 4 || { tail -n 2 $(RUNS)/flights.log; kill $$two; exit 1; }; \
	wait $$two; test $$? -eq 4 || { tail -n 2 $(RUNS)/payments.log; exit 1; }; \
	for world in flights payments; do echo; $(SKEWKIT) status --runs $(RUNS)/$$world; done; \
	echo; echo "both drills: $$(( $$(date +%s) - begun )) s; their pages: $(RUNS)/flights/latest/report.html and $(RUNS)/payments/latest/report.html"

# The offline and the online path of both worlds over 10,000 synthetic requests each: equal, or a breach.
parity: RUNS = runs/parity
parity: setup
	@begun=$$(date +%s); for world in flights payments; do \
	  $(SKEWKIT) run parity -f notebooks/params/parity_$$world.yaml --runs $(RUNS) || exit $$?; done; \
	echo "both paths of both worlds: $$(( $$(date +%s) - begun )) s"

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal

# Feast holds pandas below 3, so that its tests have an environment of their own; a few others run there, with that pandas.
feast: .venv-feast/.ready
	OMP_NUM_THREADS=1 .venv-feast/bin/python -m pytest tests/feast tests/test_online.py tests/test_engines.py

# How long a check takes at each size, beside sorting the same columns, and how much memory; PEERS=/folder for others beside it.
bench: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.speed

# How often clean tables alarm, and what is found, at each size, beside scipy: hours; BENCH=20 runs fewer.
BENCH ?= 1000
bench-promise: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.false_alarms $(BENCH)
	@echo
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.dependent $$(( $(BENCH) < 100 ? $(BENCH) : 100 ))
	@echo
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.power $$(( $(BENCH) < 100 ? $(BENCH) : 100 ))

# How often the cause is named right: 1,040 cases as files, skewkit's answers in each regime, and the score.
DIAGNOSE := runs/diagnose
diagnose-bench: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.diagnosis make $(DIAGNOSE)/cases
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m tests.bench.diagnosis run $(DIAGNOSE)/cases $(DIAGNOSE)/answers
	@$(BIN)/python -m tests.bench.diagnosis score $(DIAGNOSE)/cases $(DIAGNOSE)/answers | tee $(DIAGNOSE)/score.md
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.diagnosis datadiff make $(DIAGNOSE)/datadiff
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m tests.bench.diagnosis datadiff run $(DIAGNOSE)/datadiff $(DIAGNOSE)/datadiff-answers
	@$(BIN)/python -m tests.bench.diagnosis datadiff score $(DIAGNOSE)/datadiff $(DIAGNOSE)/datadiff-answers
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.diagnosis_speed

lab: setup
	$(BIN)/jupyter lab notebooks/0_tour.ipynb

# Tables of the flights scenario as files, for notebooks/params/flights.yaml.
data: setup
	$(BIN)/python -m skewkit.scenarios flights data/flights

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/nbstripout --verify --keep-id notebooks/*.ipynb

# Code lines, without blanks, comments and docstrings, by file.
size: setup
	@$(BIN)/python -m tests.size

# Exact versions for every supported Python, from pyproject.toml.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --extra test --extra cloud --extra delta --extra fast --extra onnx --extra spark pyproject.toml --output-file requirements.lock
	echo "pytest>=8.2" | uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --extra feast --extra parity pyproject.toml - --output-file requirements-feast.lock

clean:
	rm -rf .venv .venv-feast data runs
