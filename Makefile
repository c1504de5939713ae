# Each target sets itself up: a virtual environment in .venv, then the dependencies in pyproject.toml.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
CORES  ?= 2
# Where torch comes from, such as --index-url with PyTorch's index of CPU builds; by default pip decides.
TORCH_OPTIONS ?=
# One thread per process: on small models, more threads only wait for each other.
export OMP_NUM_THREADS ?= 1

.PHONY: demo demo-images demo-sequences test test-slow lint docs bench clean

demo: $(VENV)/.installed
	$(BIN)/snakemake --cores $(CORES) --configfile configs/demo.yaml --quiet rules progress

# The demos of pictures and of sequences in full: longer training, and methods compared with planted motifs.
demo-images: $(VENV)/.installed
	$(BIN)/lrp-domains images demo --out results/demo_images

demo-sequences: $(VENV)/.installed
	$(BIN)/lrp-domains sequences demo --out results/demo_sequences

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n $(CORES) --dist worksteal -m 'not slow'

# What takes long: whole workflows, notebooks, hundreds of rewritten functions.
test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -n $(CORES) --dist worksteal -m slow

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflows
	$(BIN)/snakemake --lint --configfile configs/demo.yaml

# The site, into build/site. It fails on a broken link and on a public name without documentation.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m pytest tests/test_site.py -k documented
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --config-file .mkdocs.yml

# What is on docs/performance.md, about two hours. It resumes with the subject that it was stopped at.
bench: $(VENV)/.installed-bench
	$(VENV)/bench/bin/python -m benchmarks.cost
	$(VENV)/bench/bin/python -m benchmarks.overhead
	$(VENV)/bench/bin/python -m benchmarks.memory
	$(VENV)/bench/bin/python -m benchmarks.genes_million
	$(VENV)/bench/bin/python -m benchmarks.performance

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lrp_domains requires Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(TORCH_OPTIONS) -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[text,genes,images,sequences,evaluation,workflows,dev]'
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(VENV)/models -c constraints.txt --group models
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	touch $@

# Other libraries that the benchmarks compare with, in an environment of their own on top of the other one.
$(VENV)/.installed-bench: $(VENV)/.installed
	$(PYTHON) -m venv $(VENV)/bench
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
	  > $$($(VENV)/bench/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/others.pth
	$(VENV)/bench/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bench/bin/python -m pip install --quiet --no-deps --group bench
	touch $@

clean:
	rm -rf $(VENV) build results .snakemake
