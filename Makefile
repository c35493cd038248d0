# `make demo`, `make test` and `make bench` set up everything they need in .venv first.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
export VTK_DEFAULT_OPENGL_WINDOW ?= $(shell $(PYTHON) -c "import ctypes; ctypes.CDLL('libOSMesa.so.8'); print('vtkOSOpenGLRenderWindow')" 2>/dev/null)
export QT_QPA_PLATFORM ?= offscreen

.PHONY: setup demo test bench lint clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt Testing/setup/system_libraries.py
	$(PYTHON) Testing/setup/system_libraries.py
	$(PYTHON) -m venv $(VENV) || { $(PYTHON) -m pip install --quiet --target $(VENV)-tool virtualenv && PYTHONPATH=$(VENV)-tool $(PYTHON) -m virtualenv $(VENV); }
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[slicer,test,bench]"
	touch $@

demo: $(READY)
	$(RUN) Testing/demo/demo.py

test: $(READY)
	$(RUN) Testing/setup/run_tests.py

bench: $(READY)
	$(VENV)/bin/lvm bench all

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

clean:
	rm -rf $(VENV) $(VENV)-tool demo report
