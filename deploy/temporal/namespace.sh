#!/bin/sh
# Waits until Temporal serves, then makes sure that the namespace is there. TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE say
# which. Closed runs are kept for 30 days to be looked at; the event log keeps what happened for ever.
set -eu

tries=0
until temporal operator cluster health >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { echo "Temporal at $TEMPORAL_ADDRESS does not serve" >&2; exit 1; }
    sleep 2
done
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
    temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 720h
