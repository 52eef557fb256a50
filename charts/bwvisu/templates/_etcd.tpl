{{/* etcd in this namespace: how its members are called, and how the roles reach them. */}}

{{- define "bwvisu.etcd.member" -}}
{{ include "bwvisu.name" (list (index . 0) "etcd") }}-{{ index . 1 }}.{{ include "bwvisu.name" (list (index . 0) "etcd") }}.{{ (index . 0).Release.Namespace }}.svc
{{- end -}}

{{- define "bwvisu.etcd.endpoints" -}}
{{- $endpoints := list -}}
{{- range until (int .Values.etcd.replicas) -}}
{{-   $endpoints = append $endpoints (printf "%s:2379" (include "bwvisu.etcd.member" (list $ .))) -}}
{{- end -}}
{{ join "," $endpoints }}
{{- end -}}

{{- define "bwvisu.etcd.serverSecret" -}}
{{ default (printf "%s-server" (include "bwvisu.name" (list . "etcd"))) .Values.etcd.tls.serverSecret }}
{{- end -}}

{{- define "bwvisu.etcd.clientSecret" -}}
{{ default (printf "%s-client" (include "bwvisu.name" (list . "etcd"))) .Values.etcd.tls.clientSecret }}
{{- end -}}

{{- define "bwvisu.etcd.settings" -}}
endpoints: {{- splitList "," (include "bwvisu.etcd.endpoints" .) | toYaml | nindent 2 }}
tls:
  ca_file: /etc/bwvisu/files/etcd-client/ca.crt
  cert_file: /etc/bwvisu/files/etcd-client/tls.crt
  key_file: /etc/bwvisu/files/etcd-client/tls.key
{{- end -}}
