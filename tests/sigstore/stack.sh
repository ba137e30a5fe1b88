#!/bin/sh
# The private Sigstore instance, from a shell: stack.sh start DIR | stop DIR | run DIR -- COMMAND... (see stack.py)
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
exec "$here/../../.venv/bin/python" -B "$here/stack.py" "$@"
