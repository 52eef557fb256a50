{{/* bwVisu's settings file: what follows from the other values, and over it `settings`, key by key. */}}

{{- define "bwvisu.settings" -}}
{{- $derived := dict
      "applications" (dict "path" (include "bwvisu.applications" .))
      "api" (dict "port" 4242)
      "keyhole" (dict "port" 4243 "metrics" (dict "host" "0.0.0.0" "port" 9464))
      "leader" (dict "metrics" (dict "host" "0.0.0.0" "port" 9464)) -}}
{{- if .Values.etcd.enabled -}}
{{-   $_ := set $derived "etcd" (include "bwvisu.etcd.settings" . | fromYaml) -}}
{{- end -}}
{{- with .Values.keyhole.ingress -}}
{{-   if .enabled -}}
{{-     $_ := set $derived.keyhole "public_urls" (list (printf "https://%s" .host)) -}}
{{-   end -}}
{{- end -}}
{{- if .Values.settings.portal -}}
{{-   $api := default dict .Values.settings.api -}}
{{-   $scheme := ternary "https" "http" (not (empty $api.tls)) -}}
{{-   $portal := dict "host" "0.0.0.0" "port" 4280
        "api_url" (printf "%s://%s.%s.svc:%d" $scheme (include "bwvisu.name" (list . "api")) .Release.Namespace (int (default 4242 $api.port))) -}}
{{-   if .Values.portal.ingress.enabled -}}
{{-     $_ := set $portal "public_url" (printf "https://%s" .Values.portal.ingress.host) -}}
{{-   end -}}
{{-   $_ := set $derived "portal" $portal -}}
{{- end -}}
{{- mustMergeOverwrite $derived (deepCopy .Values.settings) | toYaml -}}
{{- end -}}

{{/* Where the bundles lie: a volume of the site, its ConfigMaps, or those of the image. */}}
{{- define "bwvisu.applications" -}}
{{- if or .Values.applications.volume .Values.applications.configMaps -}}
/etc/bwvisu/applications
{{- else -}}
/opt/bwvisu/applications
{{- end -}}
{{- end -}}

{{/* The port on which a role serves others: root, role.  The reconciler serves nobody. */}}
{{- define "bwvisu.port" -}}
{{- $settings := include "bwvisu.settings" (index . 0) | fromYaml -}}
{{- with index $settings (index . 1) }}{{ with .port }}{{ int . }}{{ end }}{{ end -}}
{{- end -}}

{{/* The port on which a role is asked how it is where that is another one; nothing for API and portal: root, role. */}}
{{- define "bwvisu.metricsPort" -}}
{{- $settings := include "bwvisu.settings" (index . 0) | fromYaml -}}
{{- with dig (get (dict "keyhole" "keyhole" "reconciler" "leader") (index . 1) | default "none") "metrics" "port" "" $settings }}{{ int . }}{{ end -}}
{{- end -}}

{{- define "bwvisu.scheme" -}}
{{- $settings := include "bwvisu.settings" (index . 0) | fromYaml -}}
{{- $section := default dict (index $settings (index . 1)) -}}
{{ ternary "HTTPS" "HTTP" (not (empty $section.tls)) }}
{{- end -}}

{{/* The files of a role as {name: {secret|configMap}}: root, role.  etcd's client certificate is one of them. */}}
{{- define "bwvisu.files" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
{{- $mine := dict -}}
{{- range $name, $file := $root.Values.files -}}
{{-   if has $role $file.roles -}}
{{-     $_ := set $mine $name $file -}}
{{-   end -}}
{{- end -}}
{{- if and $root.Values.etcd.enabled (has $role (list "api" "keyhole" "reconciler")) -}}
{{-   $_ := set $mine "etcd-client" (dict "secret" (include "bwvisu.etcd.clientSecret" $root)) -}}
{{- end -}}
{{- $mine | toYaml -}}
{{- end -}}

{{/* What can be told before anything is installed; each sentence says what to change. */}}
{{- define "bwvisu.check" -}}
{{- if not .Values.settings.clusters }}{{ fail "settings.clusters names no cluster: see docs/settings.md" }}{{ end -}}
{{- $settings := include "bwvisu.settings" . -}}
{{- range regexFindAll "/etc/bwvisu/files/[a-z0-9.-]+" $settings -1 -}}
{{-   $name := trimPrefix "/etc/bwvisu/files/" . -}}
{{-   if not (or (hasKey $.Values.files $name) (and $.Values.etcd.enabled (eq $name "etcd-client"))) -}}
{{-     fail (printf "the settings name %s, but `files` has no %q" . $name) -}}
{{-   end -}}
{{- end -}}
{{- range $cluster, $it := ($settings | fromYaml).clusters -}}
{{-   $key := (default dict $it.ssh).key_file | default "" -}}
{{-   range $name, $file := $.Values.files -}}
{{-     if and (hasPrefix (printf "/etc/bwvisu/files/%s/" $name) $key) (ne (join " " $file.roles) "reconciler") -}}
{{-       fail (printf "files.%s holds the SSH key of the cluster %s: its roles must be [reconciler]" $name $cluster) -}}
{{-     end -}}
{{-   end -}}
{{- end -}}
{{- with .Values.etcd -}}
{{-   if and .enabled (not .tls.certManager) (not (and .tls.serverSecret .tls.clientSecret)) -}}
{{-     fail "etcd speaks TLS: set etcd.tls.certManager, or name etcd.tls.serverSecret and etcd.tls.clientSecret" -}}
{{-   end -}}
{{- end -}}
{{- range $role := list "api" "keyhole" "portal" -}}
{{-   with (index $.Values $role).ingress -}}
{{-     if and .enabled (not .host) }}{{ fail (printf "%s.ingress.host is empty" $role) }}{{ end -}}
{{-   end -}}
{{- end -}}
{{- end -}}
