# Holds one PostgreSQL server for the process that has the other end of standard input, and obeys
# it line by line; each line is answered by one. When that process is gone, however it ended, so is
# the server with its folder.
#
# sh supervise.sh FOLDER_OF_PROGRAMS USER SETTING...
set -u
programs=$1
user=$2
shift 2

server=
folder=$(mktemp -d /tmp/phasewright-postgres.XXXXXX) || exit 1

start() {
    port=$1
    shift
    "$programs/postgres" -D "$folder/data" -k "$folder" -p "$port" "$@" \
        </dev/null >>"$folder/log" 2>&1 &
    server=$!
    patience=1200
    until "$programs/pg_isready" -q -h "$folder" -p "$port" -U "$user" -d postgres </dev/null; do
        patience=$((patience - 1))
        if [ $patience -eq 0 ] || ! kill -0 "$server" 2>/dev/null; then
            stop QUIT
            return 1
        fi
        sleep 0.05
    done
}

stop() {
    [ -z "$server" ] && return
    kill -s "$1" "$server" 2>/dev/null
    wait "$server"
    server=
}

finish() {
    trap '' TERM INT HUP
    # Nobody needs what it would still write.
    stop QUIT
    rm -rf "$folder"
}

trap finish EXIT
trap exit TERM INT HUP
# Whoever asked may be gone when the answer is ready.
trap '' PIPE

if "$programs/initdb" -D "$folder/data" -A trust -U "$user" --no-sync -E UTF8 --locale=C \
    </dev/null >"$folder/log" 2>&1; then
    echo "made $folder"
else
    echo "failed $folder"
fi

while read -r command value; do
    case $command in
    start) start "$value" "$@" && echo ready || echo failed ;;
    stop) stop "$value" && echo stopped ;;
    esac
done
