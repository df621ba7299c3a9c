#!/bin/sh
# libmemcached's command line tools as a driver: tools.sh <client> <dialect> <port>; see ../driver.ts
set -u

servers="--servers=127.0.0.1:$3"
dialect=
[ "$2" = text ] || dialect=--binary
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit

# Where the name of a file is the queue's.
mkdir in

set_message() {
  printf %s "$2" | base64 -d >"in/$1"
  if memccp $dialect "$servers" "in/$1" >error 2>&1; then echo stored; else echo not stored; fi
  rm "in/$1"
}

get_message() {
  if memccat $dialect "$servers" "$1" >body 2>error; then
    # It ends in a line end that is memccat's own.
    printf 'body %s\n' "$(head -c -1 body | base64 -w 0)"
  elif [ -s error ] && ! grep -q 'NOT FOUND' error; then
    printf 'error %s\n' "$(tr '\n' ' ' <error)"
  else
    echo none
  fi
}

delete_queue() {
  if memcrm $dialect "$servers" "$1" >error 2>&1; then echo deleted; else echo missing; fi
}

stats() {
  memcstat $dialect "$servers" "$@" >told 2>&1
  printf 'stats%s\n' "$(sed -n 's/^[[:space:]]*\([^: ]*\): \([^ ]\{1,\}\)$/ \1=\2/p' told | tr -d '\n')"
}

memcping "$servers" || exit
printf 'ready %s\n' "$(memccp --version | sed -n 's/.*libmemcached v\([0-9.]*\).*/\1/p')"
while read -r command name word; do
  case $command in
    set) set_message "$name" "$word" ;;
    get) get_message "$name" ;;
    many) echo cannot memccat gets one queue after the other ;;
    give) echo cannot they move files only ;;
    delete) delete_queue "$name" ;;
    stats) stats $name $word ;;
    *) echo "error what is $command?" ;;
  esac
done
