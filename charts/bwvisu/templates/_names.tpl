{{/* How things are called.  Templates take a list: the root, then what they are about. */}}

{{- define "bwvisu.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Of a component: root, component. */}}
{{- define "bwvisu.name" -}}
{{ include "bwvisu.fullname" (index . 0) }}-{{ index . 1 }}
{{- end -}}

{{- define "bwvisu.selector" -}}
app.kubernetes.io/name: {{ default (index . 0).Chart.Name (index . 0).Values.nameOverride }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "bwvisu.labels" -}}
{{ include "bwvisu.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ (index . 0).Chart.Name }}-{{ (index . 0).Chart.Version }}
{{- end -}}

{{/* name, namespace and labels of an object: root, component, and a suffix of its name where it has one. */}}
{{- define "bwvisu.metadata" -}}
name: {{ include "bwvisu.name" . }}{{ with index . 2 }}-{{ . }}{{ end }}
namespace: {{ (index . 0).Release.Namespace }}
labels: {{- include "bwvisu.labels" . | nindent 2 }}
{{- end -}}

{{/* An image reference: its values, and the tag where they name none. */}}
{{- define "bwvisu.image" -}}
{{- $image := index . 0 -}}
{{ $image.repository }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default (index . 1) $image.tag }}{{ end }}
{{- end -}}

{{/* The roles that run: the portal does where the settings have one. */}}
{{- define "bwvisu.roles" -}}
api keyhole {{ if .Values.settings.portal }}portal {{ end }}reconciler
{{- end -}}
