#!/bin/sh
# make-venv.sh DIR: a Python environment with the official SDKs of OpenAI and Anthropic, as pinned in tests/requirements.txt.
set -eu
dir=$1
here=$(dirname "$0")
wanted=$here/../tests/requirements.txt

if cmp -s "$wanted" "$dir/requirements.txt" && "$dir/bin/python" -c "import openai, anthropic" 2>/dev/null; then
    exit 0
fi
"$here/install-tools.sh" python
echo "making $dir: $(grep -iE "^(openai|anthropic)==" "$wanted" | tr "\n" " ")"
rm -rf "$dir"
python3 -m venv "$dir"
"$dir/bin/python" -m pip install -q --disable-pip-version-check -r "$wanted"
cp "$wanted" "$dir/requirements.txt"
