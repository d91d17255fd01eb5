#!/bin/bash
# What the image apache/kafka does with its environment, as far as compose.yaml uses it: KAFKA_X_Y=... is the property
# x.y, a new data folder is formatted for CLUSTER_ID, and the broker runs in the foreground as this very process.
set -euo pipefail
settings=/opt/kafka/config/server.properties
while IFS='=' read -r -d '' name value; do
  case $name in
    KAFKA_HEAP_OPTS) ;;
    KAFKA_*) name=${name#KAFKA_}; name=${name,,}; printf '%s=%s\n' "${name//_/.}" "$value" ;;
  esac
done < <(env --null) >"$settings"
java=(java ${KAFKA_HEAP_OPTS:-} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp '/opt/kafka/libs/*')
"${java[@]}" kafka.tools.StorageTool format --ignore-formatted -t "${CLUSTER_ID:?}" -c "$settings"
exec "${java[@]}" kafka.Kafka "$settings"
