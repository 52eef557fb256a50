{{/* What all pods have in common, as the Pod Security Standard "restricted" wants it. */}}

{{- define "bwvisu.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "bwvisu.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Spread over nodes where there are several, and what the site says: root, component, its values. */}}
{{- define "bwvisu.placement" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "bwvisu.selector" . | nindent 8 }}
{{- with (index . 2).affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with (index . 2).nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with (index . 2).tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with (index . 2).priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* The head of a pod: root, component. */}}
{{- define "bwvisu.podHead" -}}
serviceAccountName: {{ include "bwvisu.name" . }}
automountServiceAccountToken: false
enableServiceLinks: false # a Service's BWVISU_... variables are no settings
securityContext: {{- include "bwvisu.podSecurity" . | nindent 2 }}
{{- with (index . 0).Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Settings and files as volumes, and where they are mounted: root, role. */}}
{{- define "bwvisu.volumes" -}}
- name: settings
  configMap: {name: {{ include "bwvisu.name" (list (index . 0) "settings") }}}
{{- range $name, $file := include "bwvisu.files" . | fromYaml }}
- name: file-{{ $name }}
  {{- if $file.secret }}
  secret: {secretName: {{ $file.secret }}, defaultMode: 0440}
  {{- else }}
  configMap: {name: {{ $file.configMap }}}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "bwvisu.mounts" -}}
- {name: settings, mountPath: /etc/bwvisu/settings, readOnly: true}
{{- range $name, $_ := include "bwvisu.files" . | fromYaml }}
- {name: file-{{ $name }}, mountPath: /etc/bwvisu/files/{{ $name }}, readOnly: true}
{{- end }}
{{- end -}}

{{/* The bundles, which only the API reads: the jobs' own copies lie in etcd. */}}
{{- define "bwvisu.bundleVolumes" -}}
{{- with .Values.applications }}
{{- if .volume }}
- name: applications
  {{- toYaml .volume | nindent 2 }}
{{- else }}
{{- range $name, $configMap := .configMaps }}
- name: application-{{ $name }}
  configMap: {name: {{ $configMap }}}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "bwvisu.bundleMounts" -}}
{{- with .Values.applications }}
{{- if .volume }}
- {name: applications, mountPath: /etc/bwvisu/applications, readOnly: true}
{{- else }}
{{- range $name, $_ := .configMaps }}
- {name: application-{{ $name }}, mountPath: /etc/bwvisu/applications/{{ $name }}, readOnly: true}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
