{{/* At most 34 characters: a StatefulSet's name and a hash of eleven must fit a label of its pods, which has 63. */}}
{{- define "okno.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 34 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 34 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/*
The name of a Secret that the chart makes of values. None that people give their own: when `existingSecret` takes the
values' place, Helm deletes the chart's. Takes root, and of: what is in it.
*/}}
{{- define "okno.valuesSecret" -}}
{{ include "okno.fullname" .root }}-values-{{ .of }}
{{- end -}}

{{/* Labels that never change: selectors. With a component's name: one process; without: everything of the release. */}}
{{- define "okno.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 40 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/* The version as a label takes it: at most 63 characters, a letter or digit at both ends. */}}
{{- define "okno.version" -}}
{{- .Values.image.tag | default .Chart.AppVersion | trunc 63 | regexFind "[A-Za-z0-9](.*[A-Za-z0-9])?" -}}
{{- end -}}

{{- define "okno.labels" -}}
{{ include "okno.selector" . }}
app.kubernetes.io/version: {{ include "okno.version" .root | quote }}
app.kubernetes.io/part-of: okno
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A pod's: no version of the chart, which would start all pods anew for nothing. */}}
{{- define "okno.podLabels" -}}
{{ include "okno.selector" . }}
app.kubernetes.io/version: {{ include "okno.version" .root | quote }}
app.kubernetes.io/part-of: okno
{{- with merge (deepCopy .root.Values.podLabels) .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "okno.image" -}}
{{- with .root.Values.image.repository }}{{ trimSuffix "/" . }}/{{ end -}}
okno-{{ .service }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end -}}

{{- define "okno.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "okno.fullname" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end -}}
{{- end -}}

{{/*
The processes of this release, from files/processes.yaml and the values: `kind` of workload, `uses` (what it really
connects to and serves with the chosen transports), `scaled` (something else sets the replicas), `single`.
*/}}
{{- define "okno.processes" -}}
{{- $found := dict -}}
{{- range $name, $facts := .Files.Get "files/processes.yaml" | fromYaml -}}
  {{- $uses := $facts.uses -}}
  {{- $secrets := list -}}
  {{- $on := true -}}
  {{- $single := false -}}
  {{- range $platform := list "slack" "telegram" -}}
    {{- if not (index $.Values $platform).enabled -}}
      {{- $uses = without $uses $platform -}}
    {{- end -}}
  {{- end -}}
  {{- if eq $name "ingest-slack" -}}
    {{- $on = $.Values.slack.enabled -}}
    {{- $uses = without $uses (ternary "http" "slack" (eq $.Values.slack.transport "socket")) -}}
  {{- else if eq $name "ingest-telegram" -}}
    {{- $on = $.Values.telegram.enabled -}}
    {{- if eq $.Values.telegram.transport "polling" -}}
      {{- $uses = without $uses "http" -}}
      {{- $single = true -}}
    {{- end -}}
  {{- end -}}
  {{- range $secret := $facts.secrets -}}
    {{- $platform := splitList "_" $secret | first | lower -}}
    {{- $transport := (index $.Values $platform).transport -}}
    {{- $unused := or (not (index $.Values $platform).enabled)
      (and (eq $secret "SLACK_APP_TOKEN") (ne $transport "socket"))
      (and (hasPrefix "SLACK_SIGNING_SECRET" $secret) (ne $transport "http"))
      (and (hasPrefix "TELEGRAM_SECRET_TOKEN" $secret) (ne $transport "webhook")) -}}
    {{- if not $unused -}}{{- $secrets = append $secrets $secret -}}{{- end -}}
  {{- end -}}
  {{- if $on -}}
    {{- $values := index $.Values.processes $name -}}
    {{- $kind := ternary "StatefulSet" "Deployment" (gt (len $facts.groups) 0) -}}
    {{- $scaled := and $values.autoscaling.enabled (not $single) -}}
    {{- $_ := set $found $name (mergeOverwrite (deepCopy $facts) (dict "uses" $uses "secrets" $secrets "kind" $kind "single" $single "scaled" $scaled)) -}}
  {{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{/* A number of values.yaml is a float to templates, and would be written as 5e+07. */}}
{{- define "okno.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{/* A setting of a process: its own value, else that of all; empty where neither is given. */}}
{{- define "okno.setting" -}}
{{- $own := (index .root.Values.processes .process).settings | default dict -}}
{{- $all := .root.Values.settings | default dict -}}
{{- if hasKey $own .name }}{{ include "okno.text" (index $own .name) }}{{ else if hasKey $all .name }}{{ include "okno.text" (index $all .name) }}{{ end -}}
{{- end -}}

{{/* The port of a URL, or that of its scheme. */}}
{{- define "okno.portOf" -}}
{{- $host := regexReplaceAll "^https?://([^/?#]*).*$" . "${1}" -}}
{{- regexFind ":[0-9]+$" $host | trimPrefix ":" | default (ternary "443" "80" (hasPrefix "https:" .)) -}}
{{- end -}}
