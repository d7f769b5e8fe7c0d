#!/bin/sh
# Installs the two Debian packages that the tests use, when it may; otherwise says what is left out.
# Bounded: one look, one install. A browser or database that is there already is left alone.
set -eu
missing=""
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ]; then
    echo "installing Debian's$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086  # two words on purpose
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "left out for want of Debian's$missing: the browser tests need chromium, the second half of the store's" \
         "tests needs postgresql. To have them: apt-get install$missing"
fi
