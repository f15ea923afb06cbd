#!/bin/sh
# What both recipes do inside an image, in the folder of the bundle; `python` is the one to install into.
set -eu
python -m pip install --no-cache-dir --disable-pip-version-check -r requirements-register.txt -r requirements-report.txt
# An image is read-only, and compiling at every start would take seconds.
python -m compileall -q scripts
