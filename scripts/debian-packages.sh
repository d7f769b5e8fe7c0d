#!/bin/sh
# Installs the Debian packages that the tests use, when it may; otherwise says what is left out.
# Bounded: one look, one install. What is there already is left alone, and no mail server is configured or started.
set -eu
missing=""
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -x /usr/sbin/postfix ] || missing="$missing postfix"
[ -x /usr/sbin/opendkim ] || missing="$missing opendkim"
command -v opendkim-testmsg >/dev/null 2>&1 || missing="$missing opendkim-tools"
perl -MEmail::MIME -e 1 >/dev/null 2>&1 || missing="$missing libemail-mime-perl"
command -v openssl >/dev/null 2>&1 || missing="$missing openssl"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ]; then
    echo "installing Debian's$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # Unless told so, the package postfix sets up a mail server for this host and starts it.
    case "$missing" in
        *postfix*) echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections ;;
    esac
    # shellcheck disable=SC2086  # several words on purpose
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "left out for want of Debian's$missing: the browser tests need chromium, the second half of the store's" \
         "tests postgresql, those of letters after a crash postfix, those of signatures opendkim, opendkim-tools" \
         "and openssl, a second reader of mail libemail-mime-perl. To have them: apt-get install$missing"
fi
