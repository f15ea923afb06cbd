#!/bin/sh
# Runs configs/inference.json of the bundle that this file belongs to, from any folder.
bundle=$(cd "$(dirname "$0")/.." && pwd)
exec python -m monai.bundle run --bundle_root "$bundle" --config_file "$bundle/configs/inference.json" "$@"
