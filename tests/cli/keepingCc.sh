#!/bin/sh
# cc, but an object whose arguments, source and headers are those of an earlier one is copied. Objects lie in $KEPT_OBJECTS.
# $KEPT_PATH: where its own tools are, which the one who calls it need not have.
PATH=${KEPT_PATH:-$PATH}
object='' source='' kind=link next=''
for word; do
    [ "$next" = -o ] && object=$word
    next=$word
    case $word in
    -c) kind=compile ;;
    *.c) source=$word ;;
    esac
done
[ "$kind" = compile ] || exec cc "$@"
key=$({ echo "$@"; cc --version; cat "$source" ./*.h engine/*.h kernels/*.h; } | sha256sum | cut -c1-64)
kept=$KEPT_OBJECTS/$key.o
if [ -e "$kept" ]; then exec cp "$kept" "$object"; fi
cc "$@" || exit
mkdir -p "$KEPT_OBJECTS" && cp "$object" "$kept.$$" && mv "$kept.$$" "$kept"
