{{/* Parts of the network policies: who may ask a role, and where it may go. */}}

{{- define "bwvisu.askers" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
{{- $policy := $root.Values.networkPolicy -}}
{{- range $asker := list "test" (ternary "portal" "" (eq $role "api")) }}
{{- if $asker }}
- podSelector:
    matchLabels: {{- include "bwvisu.selector" (list $root $asker) | nindent 6 }}
{{- end }}
{{- end }}
{{- if or (ne $role "keyhole") $root.Values.keyhole.ingress.enabled }}
{{- with $policy.clients }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- if eq $role "keyhole" }}
{{- range $_, $cluster := $root.Values.settings.clusters }}
{{- range $cluster.compute_networks }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- end }}
{{- with $policy.computeNodes }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "bwvisu.egress.dns" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- end -}}

{{- define "bwvisu.egress.etcd" -}}
{{- $settings := include "bwvisu.settings" . | fromYaml -}}
{{- $ports := list -}}
{{- range (default dict $settings.etcd).endpoints | default (list "127.0.0.1:2379") -}}
{{-   $ports = append $ports (splitList ":" . | last | int) -}}
{{- end -}}
- ports:
    {{- range $ports | uniq }}
    - port: {{ . }}
    {{- end }}
  {{- if .Values.etcd.enabled }}
  to:
    - podSelector:
        matchLabels: {{- include "bwvisu.selector" (list . "etcd") | nindent 10 }}
  {{- else }}
  {{- with .Values.networkPolicy.etcd }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end -}}

{{/* The API, and where people's passwords are tried. */}}
{{- define "bwvisu.egress.portal" -}}
- ports: [{port: http}]
  to:
    - podSelector:
        matchLabels: {{- include "bwvisu.selector" (list . "api") | nindent 10 }}
{{- $auth := default dict .Values.settings.portal.auth -}}
{{- $url := default "" (ternary $auth.issuer $auth.url (eq (default "" $auth.kind) "oidc")) -}}
{{- if $url }}
- ports: [{port: {{ include "bwvisu.port.of" $url }}}]
  {{- with .Values.networkPolicy.signIn }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The port of a URL, named or usual. */}}
{{- define "bwvisu.port.of" -}}
{{- $parts := urlParse . -}}
{{- $named := regexFind ":[0-9]+$" $parts.host | trimPrefix ":" -}}
{{- default (get (dict "https" "443" "http" "80" "ldaps" "636" "ldap" "389") $parts.scheme) $named | int -}}
{{- end -}}

{{/* SSH to command nodes and gateways, mail, and traces: nobody else's. */}}
{{- define "bwvisu.egress.reconciler" -}}
{{- $ports := list -}}
{{- range $_, $cluster := .Values.settings.clusters -}}
{{-   range concat (default list $cluster.command_nodes) (default list $cluster.gateways) -}}
{{-     $ports = append $ports (default 22 .port | int) -}}
{{-   end -}}
{{- end -}}
- ports:
    {{- range $ports | uniq | sortAlpha }}
    - port: {{ . }}
    {{- end }}
  {{- with .Values.networkPolicy.ssh }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- with .Values.settings.mail }}
- ports: [{port: {{ default 25 .port | int }}}]
{{- end }}
{{- with .Values.settings.tracing }}
- ports: [{port: {{ include "bwvisu.port.of" .url }}}]
{{- end }}
{{- end -}}
