#!/bin/sh
# Installs the checkers that we did not write, for tests/test_independent.py, into .bench/checkers/ (or the folder that is
# named): the Nu checker of HTML and caniemail's own linter, by npm. Says what is left out where node or java is missing.
set -eu
cd "$(dirname "$0")/.."
CANIEMAIL=2.0.2
VNU=26.9.27
folder=${1:-.bench/checkers}

missing=""
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
command -v java >/dev/null 2>&1 || missing="$missing default-jre-headless"
if [ -n "$missing" ]; then
    echo "independent checkers are left out for want of Debian's$missing; to have them: apt-get install$missing"
    [ "${CI:-}" = true ] && exit 1
    exit 0
fi

have() { node -p "require('./$folder/node_modules/$1/package.json').version" 2>/dev/null || true; }
if [ "$(have caniemail)" != "$CANIEMAIL" ] || [ "$(have vnu-jar)" != "$VNU" ]; then
    echo "installing caniemail $CANIEMAIL and the Nu checker $VNU into $folder/"
    mkdir -p "$folder"
    # No install scripts: the jar is part of the package.
    npm install --silent --no-save --no-package-lock --no-audit --no-fund --ignore-scripts --prefix "$folder" \
        "caniemail@$CANIEMAIL" "vnu-jar@$VNU"
fi
