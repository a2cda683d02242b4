#!/bin/bash
# Builds every payload, here or into the directory given. Needs gcc, ld, strip, readelf.
set -e
OUT=$(realpath "${1:-$(dirname "$0")}")
cd "$(dirname "$0")"; WORK=$(mktemp -d); trap 'rm -rf "$WORK"' EXIT
MINI=92dd05a61556c554155b1508c9cf67d993336d28
DEBIAN=151b373fd64b321593bf987fd923cd10dabadac4
CF="-O2 -m64 -std=gnu11 -ffreestanding -fno-builtin -fPIC -fvisibility=hidden -fno-asynchronous-unwind-tables
 -fno-stack-protector -fcf-protection=none -mno-red-zone -mno-sse -mno-mmx -msoft-float -fno-strict-aliasing
 -fno-common -ffunction-sections -fdata-sections -fno-toplevel-reorder -fmerge-constants -Wall -Wextra -Werror"
bytes() { echo "$1" | sed 's/../0x&,/g; s/,$//'; }
id_of() { readelf -n $OUT/$1.livepatch 2>/dev/null | sed -n '/note.gnu.build-id/,/Build ID/s/.*Build ID: //p' | head -1; }
# built XEN DEPENDS OUT SRC [flags...]
built() {
    local xen=$1 dep=$2 out=$3 src=$4; shift 4
    gcc $CF "$@" -c $src.c -o $WORK/$out.o
    gcc -DDEP_BYTES="$(bytes $dep)" -DXEN_BYTES="$(bytes $xen)" -c ../../oracle/src/notes.S -o $WORK/notes.o
    ld -r --build-id=sha1 -o $OUT/$out.livepatch $WORK/$out.o $WORK/notes.o
    strip --strip-debug -R .comment -R .note.GNU-stack $OUT/$out.livepatch
}
made() { built $1 "$@"; }
one() { made $MINI "$@"; }
on() { local below=$1; shift; built $MINI $(id_of $below) "$@"; }
for p in inlined pointer counter code copy run_fn; do one $p $p; done
one pointer_taken_back pointer -DTAKE_BACK
one counter_put_back counter -DPUT_BACK
one code_put_back code -DPUT_BACK
one copy_shared copy -DSHARED
for kind in preapply apply postapply prerevert revert postrevert; do one crash_$kind crash -DKIND=$kind; done
for kind in load unload; do one crash_$kind crash -DKIND=$kind -DCODE; done
one hang_apply crash -DKIND=apply -DHANG
one lies_apply crash -DKIND=apply -DLIES
one lies_revert crash -DKIND=revert -DLIES
for kind in preapply apply prerevert revert; do
    one value_${kind}_5 value -DKIND=$kind -DRC=5
    one value_${kind}_eagain value -DKIND=$kind -DRC=-11
done
one value_apply_2 value -DKIND=apply -DRC=2
one value_postapply_rc value -DKIND=postapply -DRC=3 -DOWN_RC=-5
one value_preapply_0 value -DKIND=preapply -DRC=0
on copy_shared value_above_copy value -DKIND=preapply -DRC=0
on copy_shared inlined_above_copy inlined
on inlined_above_copy value_above_inlined value -DKIND=preapply -DRC=0
made $DEBIAN nested nested
made $DEBIAN nested_bare nested -DBARE
