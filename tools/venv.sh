#!/bin/sh
# Make .venv hold exactly what constraints.txt names, and cost nothing when it already does.
#
# usage: tools/venv.sh            (PYTHON=python3.12 tools/venv.sh chooses the interpreter)
#
# Works with what a fresh machine may have: uv, else python3 with venv, virtualenv, or pip alone.
# The stamp .venv/.installed names the checkout and the digest of everything that decides the content.
set -eu
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE  # without bytecode every start compiles its imports again
venv=.venv
stamp=$venv/.installed

say() { echo "nacre: $*" >&2; }

want="$(cat pyproject.toml constraints.txt tools/venv.sh | cksum) $(pwd)"
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
version() { "$1" --version 2>/dev/null || true; }

# An environment of another interpreter than the one asked for, or of a checkout that has moved, is made anew.
if [ -n "${PYTHON:-}" ] && [ -e "$venv" ] && [ "$(version "$PYTHON")" != "$(version "$venv/bin/python")" ]; then
    stale="of another interpreter"
elif [ -f "$stamp" ] && [ "$(cut -d' ' -f3- "$stamp")" != "$(pwd)" ]; then
    stale="of another checkout"
elif [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
    exit 0
elif [ -e "$venv" ] && ! new_enough "$venv/bin/python"; then
    stale="broken, or older than Python 3.11"
fi

python=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if new_enough "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    found=$(version "${PYTHON:-python3}")
    say "Python 3.11 or newer is needed; ${PYTHON:-python3} is ${found:-not there}."
    say "Install one, or name one that is there: make PYTHON=python3.12 …"
    exit 1
fi
if [ -n "${stale:-}" ]; then
    say "$venv is $stale and is made anew"
    rm -rf "$venv"
fi

has() { "$1" -c "import $2" 2>/dev/null; }

create() {
    say "creating $venv with $("$python" --version)"
    if command -v uv >/dev/null && uv venv --quiet --python "$python" "$venv"; then return; fi
    rm -rf "$venv"
    if has "$python" ensurepip && "$python" -m venv "$venv"; then return; fi
    rm -rf "$venv"
    if command -v virtualenv >/dev/null && virtualenv --quiet --python "$python" "$venv"; then return; fi
    rm -rf "$venv"
    # Debian's python3 without python3-venv lacks only ensurepip: its pip can still install into the environment.
    if has "$python" pip && "$python" -m venv --without-pip "$venv"; then return; fi
    rm -rf "$venv"
    say "$python can make no virtual environment: it lacks ensurepip, and there is neither uv nor virtualenv."
    say "Install one of them: apt install python3-venv, pip install uv, or pip install virtualenv."
    exit 1
}

install() {
    if command -v uv >/dev/null && uv pip install --quiet --python "$venv/bin/python" "$@"; then return; fi
    if has "$venv/bin/python" pip; then
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
    else
        "$python" -m pip --python "$venv/bin/python" install --quiet --disable-pip-version-check "$@"
    fi
}

[ -e "$venv" ] || create
say "installing what constraints.txt names (once)"
# The build backend first, so that building nacre itself uses the constrained one.
install -c constraints.txt hatchling editables
install -c constraints.txt --no-build-isolation -e '.[bluesky,dev]'
echo "$want" >"$stamp"
