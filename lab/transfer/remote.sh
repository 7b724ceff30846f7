#!/bin/sh
# A remote shell for programs that expect OpenSSH's: options, host and command.
# It logs in with another client, whose command line is written in below.
subsystem=
while [ $# -gt 0 ]; do
	case "$1" in
	-s) subsystem=-s ;;
	-[lopPi]) shift ;;
	-*) ;;
	*) break ;;
	esac
	shift
done
shift # the host
if [ "$1" = -s ]; then
	subsystem=-s
	shift
fi
exec LOGIN $subsystem TARGET "$@"
