#!/bin/sh
# Installs what `make bench` measures us against, when it may; otherwise says what is left out.
# Debian's postfix (smtp-source, smtp-sink; no mail system is started) and Nodemailer by npm into .bench/.
set -eu
cd "$(dirname "$0")/.."
NODEMAILER=10.6.1

missing=""
PATH="$PATH:/usr/sbin"
command -v smtp-source >/dev/null 2>&1 || missing="$missing postfix"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ]; then
        echo "installing Debian's$missing"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
        # shellcheck disable=SC2086  # words on purpose
        apt-get install -y -qq --no-install-recommends $missing >/dev/null
    else
        echo "left out for want of Debian's$missing; to have them: apt-get install$missing"
    fi
fi

installed=$(node -p "require('./.bench/node_modules/nodemailer/package.json').version" 2>/dev/null || true)
if [ "$installed" != "$NODEMAILER" ] && command -v npm >/dev/null 2>&1; then
    echo "installing Nodemailer $NODEMAILER into .bench/"
    npm install --silent --no-save --no-package-lock --no-audit --no-fund --prefix .bench "nodemailer@$NODEMAILER"
fi
