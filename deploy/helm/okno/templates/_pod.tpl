{{/* What the `restricted` Pod Security Standard asks of a pod, Jobs included. */}}
{{- define "okno.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "okno.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* What all pods have in common, Jobs included. */}}
{{- define "okno.podCommon" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "okno.podSecurity" . | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* The pod of a process. Takes root, process (its name), facts. */}}
{{- define "okno.podTemplate" -}}
{{- $values := index .root.Values.processes .process -}}
{{- $connection := dict "root" .root "service" .facts.service "uses" .facts.uses -}}
{{- $certificates := include "okno.certificates" $connection | fromYaml -}}
{{- $drain := include "okno.setting" (dict "root" .root "process" .process "name" "DRAIN_SECONDS") | default "20" | float64 | ceil | int -}}
{{- $http := has "http" .facts.uses -}}
{{- $preStop := ternary (int .root.Values.preStopSeconds) 0 $http -}}
metadata:
  annotations:
    checksum/config: {{ include "okno.configData" . | sha256sum }}
    checksum/secrets: {{ include "okno.secretsOf" . | sha256sum }}
    {{- with .root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- include "okno.podLabels" (dict "root" .root "component" .process) | nindent 4 }}
spec:
  serviceAccountName: {{ include "okno.serviceAccount" .root }}
  {{- include "okno.podCommon" .root | nindent 2 }}
  # The work in hand, then closing connections and sending spans (docs/configuration.md, "How a process ends").
  terminationGracePeriodSeconds: {{ add $drain 15 $preStop }}
  containers:
    - name: {{ .process }}
      image: {{ include "okno.image" (dict "root" .root "service" .facts.service) | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: [run, {{ .process }}]
      securityContext:
        {{- include "okno.containerSecurity" .root | nindent 8 }}
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
              name: {{ (index $.root.Values $platform).existingSecret | default (printf "%s-%s" (include "okno.fullname" $.root) $platform) | quote }}
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
        - name: tmp
          mountPath: /tmp
        {{- with $certificates.mounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: 64Mi
    {{- with $certificates.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
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
  {{- with $values.nodeSelector | default .root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations | default .root.Values.tolerations }}
  tolerations:
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

{{/* What the chart's own secrets hold for a process, so that a change of it starts the process anew. */}}
{{- define "okno.secretsOf" -}}
{{- $values := .root.Values -}}
{{- $urls := include "okno.databaseUrls" .root | fromYaml -}}
{{- $passwords := include "okno.kafkaPasswords" (dict "root" .root "services" (list .facts.service)) | fromYaml -}}
{{- if has "database" .facts.uses }}{{ index $urls (printf "%s.DATABASE_URL" .facts.service) | default "" }}{{ end -}}
{{- if has "kafka" .facts.uses }}|{{ toJson $passwords }}{{ end -}}
{{- range .facts.secrets -}}
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
