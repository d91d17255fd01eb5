#!/bin/sh
# Installs exactly the wheels of a lock into /tree/okno/packages and seals them. pip stays behind, in /pip.
set -eu
/pip/bin/pip install --quiet --no-cache-dir --no-compile --no-deps --disable-pip-version-check --root-user-action ignore \
  --require-hashes --only-binary :all: --target /tree/okno/packages --requirement "/image/$1.txt"
rm -rf /tree/okno/packages/bin /tree/okno/packages/share
python3 -m deploy.image.seal /tree/okno/packages /okno/packages
