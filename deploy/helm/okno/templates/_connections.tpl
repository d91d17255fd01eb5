{{/*
Where DATABASE_URL of a service is: the service's own secret, else the common one (under the service's own key, if it has
one), else the chart's.
*/}}
{{- define "okno.databaseSecret" -}}
{{- $common := .root.Values.database -}}
{{- $own := index $common.services .service | default dict -}}
{{- $given := mergeOverwrite (deepCopy $common.existingSecret) (deepCopy ($own.existingSecret | default dict)) -}}
{{- if and $own.url (not (($own.existingSecret).name)) -}}{{- $given = dict -}}{{- end -}}
{{- if $given.name }}name: {{ $given.name | quote }}
key: {{ $given.key | default "DATABASE_URL" | quote }}
{{- else }}name: {{ .chartSecret | default (include "okno.valuesSecret" (dict "root" .root "of" "database")) }}
key: {{ .service }}.DATABASE_URL
{{- end -}}
{{- end -}}

{{/* PostgreSQL's ports, separated by commas: of the URLs that are given as values; those in secrets have the usual one. */}}
{{- define "okno.databasePorts" -}}
{{- $urls := include "okno.databaseUrls" . | fromYaml -}}
{{- $ports := ternary (list "5432") list (lt (len $urls) 4) -}}
{{- range $url := $urls -}}
  {{- range $host := regexReplaceAll "^[a-z]+://([^/?#]*@)?([^/?#]*).*$" $url "${2}" | splitList "," -}}
    {{- $ports = append $ports (regexFind ":[0-9]+$" $host | trimPrefix ":" | default "5432") -}}
  {{- end -}}
{{- end -}}
{{- uniq $ports | sortAlpha | join "," -}}
{{- end -}}

{{/* The URLs given as values, by service: what the chart's own secret holds. */}}
{{- define "okno.databaseUrls" -}}
{{- $urls := dict -}}
{{- range $service := list "ingest" "router" "ticketing" "notifier" -}}
  {{- $own := index $.Values.database.services $service | default dict -}}
  {{- $url := "" -}}
  {{- if (($own.existingSecret).name) -}}
  {{- else if $own.url -}}{{- $url = $own.url -}}
  {{- else if not $.Values.database.existingSecret.name -}}{{- $url = $.Values.database.url -}}
  {{- end -}}
  {{- with $url -}}{{- $_ := set $urls (printf "%s.DATABASE_URL" $service) . -}}{{- end -}}
{{- end -}}
{{- toYaml $urls -}}
{{- end -}}

{{/*
How a service (or `cli`: the topics Job) logs in to Kafka: `username` and `password`, each as what stands under an
environment variable's name, and `client`, the secret with its certificate. Its own user, else Strimzi's, else the common.
Its own password never goes with the common secret, nor its own secret with the common username.
*/}}
{{- define "okno.kafkaUser" -}}
{{- $kafka := .root.Values.kafka -}}
{{- $fullname := include "okno.fullname" .root -}}
{{- $own := index $kafka.users .service | default dict -}}
{{- $common := deepCopy $kafka.auth -}}
{{- if (($own.existingSecret).name) -}}{{- $_ := unset $common "username" -}}
{{- else if $own.password -}}{{- $_ := set $common "existingSecret" (omit $common.existingSecret "name") -}}
{{- end -}}
{{- $auth := mergeOverwrite $common (deepCopy $own) -}}
{{- $found := dict -}}
{{- $strimzi := and .root.Values.strimzi.users.enabled (not $own) -}}
{{- if hasPrefix "SASL_" $kafka.securityProtocol -}}
  {{- if $strimzi -}}
    {{- $user := printf "%s-%s" $fullname .service -}}
    {{- $_ := set $found "username" (dict "value" $user) -}}
    {{- $_ := set $found "password" (dict "valueFrom" (dict "secretKeyRef" (dict "name" $user "key" "password"))) -}}
  {{- else if $auth.existingSecret.name -}}
    {{- $name := $auth.existingSecret.name -}}
    {{- if $auth.username -}}
      {{- $_ := set $found "username" (dict "value" $auth.username) -}}
    {{- else -}}
      {{- $_ := set $found "username" (dict "valueFrom" (dict "secretKeyRef" (dict "name" $name "key" $auth.existingSecret.usernameKey))) -}}
    {{- end -}}
    {{- $_ := set $found "password" (dict "valueFrom" (dict "secretKeyRef" (dict "name" $name "key" $auth.existingSecret.passwordKey))) -}}
  {{- else -}}
    {{- $name := .chartSecret | default (include "okno.valuesSecret" (dict "root" .root "of" "kafka")) -}}
    {{- $_ := set $found "username" (dict "value" $auth.username) -}}
    {{- $_ := set $found "password" (dict "valueFrom" (dict "secretKeyRef" (dict "name" $name "key" (printf "%s.KAFKA_SASL_PASSWORD" .service)))) -}}
    {{- $_ := set $found "inline" $auth.password -}}
  {{- end -}}
{{- end -}}
{{- if hasSuffix "SSL" $kafka.securityProtocol -}}
  {{- if and $strimzi (eq .root.Values.strimzi.users.authentication "tls") -}}
    {{- $_ := set $found "client" (dict "name" (printf "%s-%s" $fullname .service) "certKey" "user.crt" "keyKey" "user.key") -}}
  {{- else if $auth.clientSecret.name -}}
    {{- $_ := set $found "client" $auth.clientSecret -}}
  {{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{/* The Kafka passwords given as values, by service. `services`: of whom. */}}
{{- define "okno.kafkaPasswords" -}}
{{- $passwords := dict -}}
{{- range $service := .services -}}
  {{- $user := include "okno.kafkaUser" (dict "root" $.root "service" $service) | fromYaml -}}
  {{- with $user.inline -}}{{- $_ := set $passwords (printf "%s.KAFKA_SASL_PASSWORD" $service) . -}}{{- end -}}
{{- end -}}
{{- toYaml $passwords -}}
{{- end -}}

{{/* Settings of the connections that aren't secret, as a map. */}}
{{- define "okno.connectionSettings" -}}
{{- $values := .root.Values -}}
{{- if has "kafka" .uses }}
KAFKA_BOOTSTRAP_SERVERS: {{ $values.kafka.bootstrapServers | quote }}
KAFKA_SECURITY_PROTOCOL: {{ $values.kafka.securityProtocol }}
{{- if hasPrefix "SASL_" $values.kafka.securityProtocol }}
KAFKA_SASL_MECHANISM: {{ $values.kafka.saslMechanism }}
{{- end }}
{{- if hasSuffix "SSL" $values.kafka.securityProtocol }}
{{- if $values.kafka.caSecret.name }}
KAFKA_SSL_CAFILE: /etc/okno/kafka-ca/ca.crt
{{- end }}
{{- if (include "okno.kafkaUser" (dict "root" .root "service" .service) | fromYaml).client }}
KAFKA_SSL_CERTFILE: /etc/okno/kafka-client/tls.crt
KAFKA_SSL_KEYFILE: /etc/okno/kafka-client/tls.key
{{- end }}
{{- end }}
{{- end }}
{{- if has "database" .uses }}
{{- with $values.database.tls.mode }}
PGSSLMODE: {{ . }}
{{- end }}
{{- if $values.database.tls.caSecret.name }}
PGSSLROOTCERT: /etc/okno/postgres-ca/ca.crt
{{- end }}
{{- if $values.database.tls.clientSecret.name }}
PGSSLCERT: /etc/okno/postgres-client/tls.crt
PGSSLKEY: /etc/okno/postgres-client/tls.key
{{- end }}
{{- end }}
{{- end -}}

{{/* The secret part of the connections, as a list of environment variables. */}}
{{- define "okno.connectionSecrets" -}}
{{- if has "database" .uses }}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      {{- include "okno.databaseSecret" . | nindent 6 }}
{{- end }}
{{- if has "kafka" .uses }}
{{- $user := include "okno.kafkaUser" . | fromYaml }}
{{- with $user.username }}
- name: KAFKA_SASL_USERNAME
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $user.password }}
- name: KAFKA_SASL_PASSWORD
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Certificates, as `volumes` and `mounts`; only the keys that are named are visible to the process. */}}
{{- define "okno.certificates" -}}
{{- $values := .root.Values -}}
{{- $wanted := list -}}
{{- if and (has "kafka" .uses) (hasSuffix "SSL" $values.kafka.securityProtocol) -}}
  {{- with $values.kafka.caSecret -}}{{- if .name -}}
    {{- $wanted = append $wanted (dict "volume" "kafka-ca" "secret" .name "items" (list (dict "key" .key "path" "ca.crt"))) -}}
  {{- end -}}{{- end -}}
  {{- with (include "okno.kafkaUser" . | fromYaml).client -}}
    {{- $wanted = append $wanted (dict "volume" "kafka-client" "secret" .name "items" (list (dict "key" .certKey "path" "tls.crt") (dict "key" .keyKey "path" "tls.key"))) -}}
  {{- end -}}
{{- end -}}
{{- if has "database" .uses -}}
  {{- with $values.database.tls.caSecret -}}{{- if .name -}}
    {{- $wanted = append $wanted (dict "volume" "postgres-ca" "secret" .name "items" (list (dict "key" .key "path" "ca.crt"))) -}}
  {{- end -}}{{- end -}}
  {{- with $values.database.tls.clientSecret -}}{{- if .name -}}
    {{- $wanted = append $wanted (dict "volume" "postgres-client" "secret" .name "items" (list (dict "key" .certKey "path" "tls.crt") (dict "key" .keyKey "path" "tls.key"))) -}}
  {{- end -}}{{- end -}}
{{- end -}}
{{- $volumes := list -}}
{{- $mounts := list -}}
{{- range $wanted -}}
  {{- $volumes = append $volumes (dict "name" .volume "secret" (dict "secretName" .secret "defaultMode" 288 "items" .items)) -}}
  {{- $mounts = append $mounts (dict "name" .volume "mountPath" (printf "/etc/okno/%s" .volume) "readOnly" true) -}}
{{- end -}}
{{- toYaml (dict "volumes" $volumes "mounts" $mounts) -}}
{{- end -}}
