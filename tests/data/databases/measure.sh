#!/bin/sh
# usage: measure.sh 1|2|3 - fills full1.sqlite, full2.sqlite or full3.sqlite in the current folder, which
# `make.py thin` makes the test databases of. Needs in PATH: sqlite3, and zen-profile of a version with that
# schema; in the current folder: colleague.csv, for 3 block.onnx and odd.onnx (networks.py), for 2 full1.sqlite.
# Takes two or three minutes each. The order counts: make.py knows the runs by their numbers.
set -u
export ZEN_NAS_DB="$PWD/full$1.sqlite"
rm -f "$ZEN_NAS_DB" "$ZEN_NAS_DB-wal" "$ZEN_NAS_DB-shm" own.csv t4.csv
verified="SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)"

profile() {
    zen-profile --device cpu --quiet --resolution 64 "$@"
    echo "exit status $?"
}
interrupted() {
    seconds=$1
    shift
    timeout --signal INT "$seconds" zen-profile --device cpu --quiet --resolution 64 "$@"
    echo "exit status $?"
}
verify() {
    zen-profile verify "$verified" --resolution 32 --classes 10 --quiet
}
own_setting() {
    sqlite3 "$ZEN_NAS_DB" \
        "SELECT text FROM run r JOIN setting s ON s.id = r.setting_id WHERE shipped IS NULL AND text LIKE '%/b1/t1'"
}

case $1 in
1)
    profile --space idw --squeeze-excite --operators 30 --networks 4 --minutes 1
    interrupted 6 --space xxbl --operators 200 --seed 5
    verify
    zen-profile export t4/tensorrt/int8/b1 --out t4.csv
    zen-profile import t4.csv --quiet
    ;;
2)
    # What the version before wrote is there already, as it was for everybody who went on.
    sqlite3 full1.sqlite "VACUUM INTO '$ZEN_NAS_DB'"
    profile --adapt-from v100/tensorrt/fp32/b32 --batch-size 32 --space idw --networks 2 --minutes 1
    profile --space idw --squeeze-excite --networks 3 --minutes 1
    interrupted 12 --space xxbl,idw --networks 3 --seed 5
    profile --space idw --networks 3 --minutes 1 --only-check --seed 1
    verify
    zen-profile export "$(own_setting | head -1)" --max-rows 12 --out own.csv
    zen-profile import own.csv colleague.csv --quiet
    ;;
3)
    profile --adapt-from cpu-amd-epyc --space idw --networks 3 --minutes 1
    profile --space idw --squeeze-excite --networks 3 --minutes 1
    interrupted 12 --space xxbl,idw --networks 3 --seed 5
    profile --space idw --networks 3 --minutes 1 --only-check --seed 1
    # With an operator that is merged, with one that fails, and measured again.
    profile --for block.onnx
    profile --for odd.onnx
    profile --for block.onnx --fresh
    verify
    zen-profile import colleague.csv --quiet
    zen-profile export t4/tensorrt/int8/b1 --max-rows 8 --out t4.csv
    zen-profile import t4.csv --quiet
    zen-profile export "$(own_setting | head -1)" --max-rows 12 --out own.csv
    zen-profile import own.csv --quiet
    ;;
esac
