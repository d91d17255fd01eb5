{{/*
What all pods have in common, Jobs included; with `okno.containerSecurity` it is what the `restricted` Pod Security Standard
asks for. Takes root, and own: values of a process that go before the common ones.
*/}}
{{- define "okno.podCommon" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  {{- with .root.Values.runAsUser }}
  runAsUser: {{ . }}
  runAsGroup: {{ . }}
  fsGroup: {{ . }}
  {{- end }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .own.nodeSelector | default .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.tolerations | default .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "okno.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* The one folder that can be written, and certificates. Takes a list of connections. */}}
{{- define "okno.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- range . }}
{{- with (include "okno.certificates" . | fromYaml).volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "okno.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- range . }}
{{- with (include "okno.certificates" . | fromYaml).mounts }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A container for a command of okno. Takes root, name, run (its command or args), env (a map), and its connections. */}}
{{- define "okno.cliContainer" -}}
- name: {{ .name }}
  image: {{ include "okno.image" (dict "root" .root "service" "cli") | quote }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  {{- toYaml .run | nindent 2 }}
  securityContext:
    {{- include "okno.containerSecurity" . | nindent 4 }}
  env:
    {{- $env := .env }}
    {{- range .connections }}{{ $env = merge $env (include "okno.connectionSettings" . | fromYaml) }}{{ end }}
    {{- range $setting, $value := $env }}
    - name: {{ $setting }}
      value: {{ $value | quote }}
    {{- end }}
    {{- range .connections }}
    {{- with include "okno.connectionSecrets" . | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- with .root.Values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  resources:
    {{- toYaml .root.Values.jobs.resources | nindent 4 }}
  volumeMounts:
    {{- include "okno.mounts" .connections | nindent 4 }}
{{- end -}}

{{/* The pod of a process. Takes root, process (its name), facts. */}}
{{- define "okno.podTemplate" -}}
{{- $values := index .root.Values.processes .process -}}
{{- $connection := dict "root" .root "service" .facts.service "uses" .facts.uses -}}
{{- $drain := include "okno.setting" (dict "root" .root "process" .process "name" "DRAIN_SECONDS") | default "20" | float64 | ceil | int -}}
{{- $http := has "http" .facts.uses -}}
{{- $preStop := ternary (int .root.Values.preStopSeconds) 0 $http -}}
metadata:
  annotations:
    checksum/config: {{ include "okno.configData" . | sha256sum }}
    checksum/secrets: {{ include "okno.secretsOf" (merge (dict "secrets" .facts.secrets) $connection) | sha256sum }}
    {{- with .root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- include "okno.podLabels" (dict "root" .root "component" .process) | nindent 4 }}
spec:
  serviceAccountName: {{ include "okno.serviceAccount" .root }}
  {{- include "okno.podCommon" (dict "root" .root "own" $values) | nindent 2 }}
  # The work in hand, then closing connections and sending spans (docs/configuration.md, "How a process ends").
  terminationGracePeriodSeconds: {{ add $drain 15 $preStop }}
  containers:
    - name: {{ .process }}
      image: {{ include "okno.image" (dict "root" .root "service" .facts.service) | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: [run, {{ .process }}]
      securityContext:
        {{- include "okno.containerSecurity" . | nindent 8 }}
      envFrom:
        - configMapRef:
            name: {{ include "okno.fullname" .root }}-{{ .process }}
      env:
        - name: PROCESS_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        {{- with include "okno.connectionSecrets" $connection | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- range .facts.secrets }}
        {{- $platform := splitList "_" . | first | lower }}
        - name: {{ . }}
          valueFrom:
            secretKeyRef:
              name: {{ (index $.root.Values $platform).existingSecret | default (include "okno.valuesSecret" (dict "root" $.root "of" $platform)) | quote }}
              key: {{ . }}
              {{- if hasSuffix "_PREVIOUS" . }}
              optional: true
              {{- end }}
        {{- end }}
        {{- with .root.Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: probes
          containerPort: 9464
        {{- if $http }}
        - name: http
          containerPort: 8080
        {{- end }}
      # Liveness asks for turning loops only, never for Kafka or PostgreSQL: no restart heals those.
      startupProbe:
        httpGet: {path: /livez, port: probes}
        periodSeconds: 2
        timeoutSeconds: 3
        failureThreshold: 45
      livenessProbe:
        httpGet: {path: /livez, port: probes}
        periodSeconds: 15
        timeoutSeconds: 5
        failureThreshold: 4
      readinessProbe:
        httpGet: {path: /readyz, port: probes}
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      {{- if $http }}
      # Endpoints are withdrawn while it sleeps, so that nothing new comes when the listener closes.
      lifecycle:
        preStop:
          sleep:
            seconds: {{ $preStop }}
      {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      volumeMounts:
        {{- include "okno.mounts" (list $connection) | nindent 8 }}
  volumes:
    {{- include "okno.volumes" (list $connection) | nindent 4 }}
  topologySpreadConstraints:
    {{- range $key := .root.Values.topologyKeys }}
    - maxSkew: 1
      topologyKey: {{ $key }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "okno.selector" (dict "root" $.root "component" $.process) | nindent 10 }}
      {{- if eq $.facts.kind "Deployment" }}
      matchLabelKeys: [pod-template-hash]
      {{- end }}
    {{- else }}
    []
    {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* The settings of a process: those that its code reads, and no others. */}}
{{- define "okno.configData" -}}
{{- $values := .root.Values -}}
PROBE_HOST: {{ $values.listenAddress | quote }}
PROBE_PORT: "9464"
{{- if has "http" .facts.uses }}
HTTP_HOST: {{ $values.listenAddress | quote }}
HTTP_PORT: "8080"
{{- end }}
{{- if eq .process "ingest-slack" }}
SLACK_TRANSPORT: {{ $values.slack.transport }}
{{- else if eq .process "ingest-telegram" }}
TELEGRAM_TRANSPORT: {{ $values.telegram.transport }}
{{- with $values.telegram.webhookUrl }}
TELEGRAM_WEBHOOK_URL: {{ . | quote }}
{{- end }}
{{- end }}
{{- include "okno.connectionSettings" (dict "root" .root "service" .facts.service "uses" .facts.uses) }}
{{- range .facts.settings }}
{{- $value := include "okno.setting" (dict "root" $.root "process" $.process "name" .) }}
{{- if $value }}
{{ . }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
What the chart's own secrets hold for a pod, so that a change of it starts the pod anew. Takes root, service and uses as
connections do, and the names of the platforms' secrets.
*/}}
{{- define "okno.secretsOf" -}}
{{- $urls := include "okno.databaseUrls" .root | fromYaml -}}
{{- $passwords := include "okno.kafkaPasswords" (dict "root" .root "services" (list .service)) | fromYaml -}}
{{- if has "database" .uses }}{{ index $urls (printf "%s.DATABASE_URL" .service) | default "" }}{{ end -}}
{{- if has "kafka" .uses }}|{{ toJson $passwords }}{{ end -}}
{{- range .secrets -}}
  {{- $platform := splitList "_" . | first | lower -}}
  |{{ index (include "okno.platformSecrets" (dict "root" $.root "platform" $platform) | fromYaml) . | default "" }}
{{- end -}}
{{- end -}}

{{/* A platform's secrets given as values, under the names of their variables. */}}
{{- define "okno.platformSecrets" -}}
{{- $given := index .root.Values .platform -}}
{{- $names := dict "slack" (dict "signingSecret" "SLACK_SIGNING_SECRET" "signingSecretPrevious" "SLACK_SIGNING_SECRET_PREVIOUS" "appToken" "SLACK_APP_TOKEN" "botToken" "SLACK_BOT_TOKEN")
  "telegram" (dict "botToken" "TELEGRAM_BOT_TOKEN" "secretToken" "TELEGRAM_SECRET_TOKEN" "secretTokenPrevious" "TELEGRAM_SECRET_TOKEN_PREVIOUS") -}}
{{- $found := dict -}}
{{- range $key, $variable := index $names .platform -}}
  {{- with index $given $key -}}{{- $_ := set $found $variable . -}}{{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}
