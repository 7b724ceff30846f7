#!/bin/bash
# The login shell of an account: it runs what a login asks for and tells when.
# An SFTP server also tells of each file.
tell() { echo "$$ $1 $EPOCHREALTIME ${2//$'\n'/ }" >>/run/lab-sessions; }
tell open "${2-login}"
case "$2" in
*/sftp-server) "$2" -e -l VERBOSE 2> >(while read -r line; do tell sftp "$line"; done) ;;
*) /bin/bash "$@" ;;
esac
status=$?
tell close $status
exit $status
