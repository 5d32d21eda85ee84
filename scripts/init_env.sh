#!/bin/sh
# Sets a machine up to run trials, from nothing, over ssh: copies a wheel of this checkout there,
# makes a Python environment, installs the wheel, and runs `joulebench testbed init` in it.
# What is there already is left; type it again freely.
set -eu

usage() {
  cat <<'USAGE'
Usage: init_env.sh [OPTION]... USER@HOST [-- OPTION OF joulebench testbed init]...

  --dry-run          print what would be done; ask nobody
  --wheel FILE       install this wheel instead of one built from the checkout
  --from SPEC        install this instead: joulebench==0.1.0, git+https://...
  --python PROGRAM   Python on the machine, 3.11 or later (python3)
  --venv DIR         environment on the machine; absolute
                     (~/.local/share/joulebench/venv, for root /opt/joulebench/venv)
  --env-file FILE    file here with a line HF_TOKEN=... (.env, if it has one)
  -p PORT, -i KEY, -F CONFIG, -o SETTING
                     for ssh
  -h, --help         say this

HF_TOKEN of the environment goes before the file. The token travels on the standard input of ssh,
to be handed to the hub's own tool there; it is written nowhere.

Example: init_env.sh me@gpu1 -- --models meta-llama/Llama-3.2-1B-Instruct
USAGE
}

fail() {
  printf 'init_env.sh: %s\n' "$1" >&2
  exit 2
}

quoted() {
  printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"
}

dry_run='' wheel='' from='' python=python3 venv='' env_file='' host='' ssh_words=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --dry-run) dry_run=yes; shift; continue ;;
    --) shift; break ;;
    --wheel | --from | --python | --venv | --env-file | -[piFo])
      [ $# -gt 1 ] || fail "$1 needs a value; see init_env.sh --help" ;;
    -*) fail "$1 is not known; see init_env.sh --help (options of testbed init come after --)" ;;
    *)
      [ -z "$host" ] || fail "there are two machines, $host and $1; name one"
      host=$1; shift; continue ;;
  esac
  case $1 in
    --wheel) wheel=$2 ;;
    --from) from=$2 ;;
    --python) python=$2 ;;
    --venv) venv=$2 ;;
    --env-file) env_file=$2 ;;
    *) ssh_words="$ssh_words $1 $(quoted "$2")" ;;
  esac
  shift 2
done
[ -n "$host" ] || fail "name a machine: init_env.sh USER@HOST; see init_env.sh --help"
[ -z "$wheel" ] || [ -z "$from" ] || fail "--wheel and --from exclude each other"
[ -z "$wheel" ] || [ -f "$wheel" ] || fail "--wheel $wheel: there is no such file"
case $venv in '' | /*) ;; *) fail "--venv $venv: give an absolute folder of the machine" ;; esac

init_words=''
for word in "$@"; do init_words="$init_words $(quoted "$word")"; done

# The token of the hub: a variable of this shell that no program inherits.

token=${HF_TOKEN:-${HUGGING_FACE_HUB_TOKEN:-}}
token_from=${token:+the environment}
unset HF_TOKEN HUGGING_FACE_HUB_TOKEN

token_in() {
  sed -n 's/^[[:space:]]*\(export[[:space:]][[:space:]]*\)\{0,1\}HF_TOKEN[[:space:]]*=[[:space:]]*//p' \
    "$1" | sed -e 's/[[:space:]]*$//' -e "s/^\\(['\"]\\)\\(.*\\)\\1\$/\\2/" | tail -n 1
}

check_env_file() {
  folder=$(dirname "$1") name=$(basename "$1")
  if [ -n "$(find "$1" -prune \( -perm -040 -o -perm -004 \))" ]; then
    printf 'init_env.sh: %s can be read by others: chmod 600 %s\n' "$1" "$1" >&2
  fi
  git -C "$folder" rev-parse >/dev/null 2>&1 || return 0
  if git -C "$folder" ls-files --error-unmatch -- "$name" >/dev/null 2>&1; then
    fail "$1: git tracks it, so the token would be published with it: git rm --cached $1, add it to .gitignore, and replace the token"
  fi
  git -C "$folder" check-ignore --quiet -- "$name" ||
    printf 'init_env.sh: git does not ignore %s: add it to .gitignore\n' "$1" >&2
}

if [ -z "$token" ]; then
  [ -z "$env_file" ] || [ -f "$env_file" ] || fail "--env-file $env_file: there is no such file"
  if [ -n "$env_file" ] || { [ -f .env ] && [ -n "$(token_in .env)" ]; }; then
    env_file=${env_file:-.env}
    check_env_file "$env_file"
    token=$(token_in "$env_file")
    [ -n "$token" ] || fail "--env-file $env_file: has no line HF_TOKEN=..."
    token_from=$env_file
  fi
fi
case $token in *[!A-Za-z0-9_.~+/=-]*) fail "HF_TOKEN of $token_from is no token: odd characters" ;; esac
# Where printf is a program of its own, its arguments would show the token to other users.
case $(type printf) in *builtin*) ;; *) [ -z "$token" ] || fail "run this with bash or dash" ;; esac

# What runs there. It reads nothing more from its standard input, which is this text.

remote_text() {
  printf 'python=%s\nvenv=%s\n' "$(quoted "$python")" "$(quoted "$venv")"
  printf 'place=%s\nspec=%s\n' "$(quoted "$place")" "$(quoted "$from")"
  printf 'set --%s\n' "$init_words"
  cat <<'REMOTE'
set -eu
say() { printf '%s\n' "$1"; }
main() {
  if [ -z "$venv" ] && [ "$(id -u)" -eq 0 ]; then venv=/opt/joulebench/venv; fi
  venv=${venv:-$HOME/.local/share/joulebench/venv}
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "Python: failed: 3.11 or later is needed and $python is none"
    say "  do: install one and name it with --python"
    exit 1
  }
  if "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    say "Python environment: skipped: $venv is there"
  else
    say "Python environment: ..."
    before=$(ls -d "$venv" 2>/dev/null || :)
    "$python" -m venv "$venv" || {
      say "Python environment: failed: $python cannot make $venv"
      say "  do: on Debian and Ubuntu: sudo apt-get install python3-venv"
      [ -n "$before" ] || rm -rf "$venv"
      exit 1
    }
    say "Python environment: done"
  fi
  file=${place:+$HOME/$place}
  wanted=${file:-$spec}
  if [ "$(cat "$venv/.joulebench-from" 2>/dev/null)" = "$wanted" ]; then
    say "Joulebench: skipped: it was installed from $wanted"
  else
    say "Joulebench: ..."
    again=''
    ! "$venv/bin/python" -c 'import joulebench' 2>/dev/null || again=yes
    case $wanted in
      *://*) package="joulebench[testbed] @ $wanted" ;;
      *==*) package="${wanted%%==*}[testbed]==${wanted#*==}" ;;
      *) package="$wanted[testbed]" ;;
    esac
    install "$package"
    # pip takes another build of the same version for the one that is there.
    [ -z "$again" ] || install --force-reinstall --no-deps "${file:-$package}"
    say "$wanted" >"$venv/.joulebench-from"
    say "Joulebench: done"
  fi
  if [ -n "$token" ]; then HF_TOKEN=$token && export HF_TOKEN; fi
  exec "$venv/bin/joulebench" testbed init --venv "$venv" "$@"
}
install() {
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --progress-bar off "$@" || {
    say "Joulebench: failed: pip cannot install it; see the lines above"
    exit 1
  }
}
main "$@" </dev/null
REMOTE
}

# The wheel goes to a folder that is named after its content.

sum_of() {
  { sha256sum "$1" 2>/dev/null || shasum -a 256 "$1"; } | cut -d ' ' -f 1
}

root=$(cd "$(dirname "$0")/.." && pwd)
build='' place=''
if [ -z "$from" ] && [ -z "$wheel" ]; then
  grep -q '^name = "joulebench"' "$root/pyproject.toml" 2>/dev/null ||
    fail "this is no checkout: name what to install with --wheel FILE or --from SPEC"
  build="${PYTHON:-python3} -m pip wheel --quiet --no-deps --wheel-dir WORK $(quoted "$root")"
fi

if [ -n "$dry_run" ]; then
  printf '# Nothing is run. Here:\n%s\n' "${build:-# nothing is built}"
  [ -n "$from" ] || place=.cache/joulebench/wheels/SHA256/$(basename "${wheel:-joulebench.whl}")
  [ -n "$from" ] || printf 'ssh%s %s "cat > ~/%s" < WHEEL\n' "$ssh_words" "$host" "$place"
  printf 'ssh%s %s sh -s < TEXT\n\n# TEXT:\n' "$ssh_words" "$host"
  printf 'token=%s\n' "${token_from:+(from $token_from; never shown)}"
  remote_text
  exit 0
fi

work=$(mktemp -d /tmp/joulebench.XXXXXX)
# One connection for all, so that a password is asked for once.
shared="-o ControlMaster=auto -o ControlPersist=60 -o ControlPath=$work/%C"
there() {
  eval "ssh $shared$ssh_words \"\$host\" \"\$@\""
}
leave() {
  eval "ssh $shared$ssh_words -O exit \"\$host\"" >/dev/null 2>&1 || :
  rm -rf "$work"
}
trap leave EXIT
trap 'exit 130' INT TERM HUP

if [ -z "$from" ]; then
  if [ -z "$wheel" ]; then
    printf 'Wheel: ...\n'
    "${PYTHON:-python3}" -m pip wheel --quiet --no-deps --wheel-dir "$work" "$root" ||
      fail "no wheel could be built of $root; see the lines above, or give one with --wheel"
    wheel=$(echo "$work"/joulebench-*.whl)
  fi
  case $(basename "$wheel") in
    *[!A-Za-z0-9._+-]* | -*) fail "--wheel $wheel: is no name that a wheel can have" ;;
  esac
  folder=.cache/joulebench/wheels/$(sum_of "$wheel")
  place=$folder/$(basename "$wheel")
  status=0
  there "cd && test -s $place" </dev/null || status=$?
  [ "$status" -ne 255 ] || exit 255 # ssh has said why
  if [ "$status" -eq 0 ]; then
    printf 'Wheel: skipped: %s has it\n' "$host"
  else
    there "cd && mkdir -p $folder && cat > $place.part && mv $place.part $place" <"$wheel"
    printf 'Wheel: done\n'
  fi
fi
{
  printf 'token=%s\n' "$token"
  remote_text
} | there 'sh -s'
