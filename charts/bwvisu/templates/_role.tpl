{{/* The objects of a role: root, role.  What differs between roles is decided here and by their values, nowhere else. */}}

{{- define "bwvisu.deployment" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
{{- $values := index $root.Values $role -}}
{{- $listens := ne $role "reconciler" -}}
apiVersion: apps/v1
kind: Deployment
metadata: {{- include "bwvisu.metadata" (append . "") | nindent 2 }}
spec:
  {{- if not (dig "autoscaling" "enabled" false $values) }}
  replicas: {{ $values.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels: {{- include "bwvisu.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "bwvisu.labels" . | nindent 8 }}
      annotations:
        checksum/settings: {{ include "bwvisu.settings" $root | sha256sum }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "bwvisu.podHead" . | nindent 6 }}
      {{- include "bwvisu.placement" (append . $values) | nindent 6 }}
      terminationGracePeriodSeconds: 30
      containers:
        - name: {{ $role }}
          image: {{ include "bwvisu.image" (list $root.Values.image $root.Chart.AppVersion) }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: [serve, {{ $role }}, --config, /etc/bwvisu/settings/bwvisu.yaml]
          {{- with $values.env }}
          env: {{- toYaml . | nindent 12 }}
          {{- end }}
          securityContext: {{- include "bwvisu.containerSecurity" $root | nindent 12 }}
          resources: {{- toYaml $values.resources | nindent 12 }}
          ports:
            {{- if $listens }}
            - {name: http, containerPort: {{ include "bwvisu.port" . }}}
            {{- end }}
            {{- with include "bwvisu.metricsPort" . }}
            - {name: metrics, containerPort: {{ . }}}
            {{- end }}
          {{- include "bwvisu.probes" . | nindent 10 }}
          {{- if $listens }}
          lifecycle: # until every node knows that this pod takes nothing new
            preStop: {exec: {command: [sleep, "5"]}}
          {{- end }}
          volumeMounts:
            {{- include "bwvisu.mounts" . | nindent 12 }}
            {{- if eq $role "api" }}
            {{- include "bwvisu.bundleMounts" $root | nindent 12 }}
            {{- end }}
      volumes:
        {{- include "bwvisu.volumes" . | nindent 8 }}
        {{- if eq $role "api" }}
        {{- include "bwvisu.bundleVolumes" $root | nindent 8 }}
        {{- end }}
{{- end -}}

{{/*
A pod of the API or the portal starts when /readyz says 200, and stays while /livez does: when etcd, which all share,
does not answer, they go on showing what they know, and say so themselves.  Keyhole and reconciler can do nothing without.
*/}}
{{- define "bwvisu.probes" -}}
{{- $scheme := include "bwvisu.scheme" . -}}
{{- $port := ternary "metrics" "http" (eq (index . 1) "reconciler") -}}
startupProbe:
  httpGet: {path: /readyz, port: {{ $port }}, scheme: {{ $scheme }}}
  periodSeconds: 3
  timeoutSeconds: 4
  failureThreshold: 100
readinessProbe:
  httpGet: {path: {{ ternary "/readyz" "/livez" (has (index . 1) (list "keyhole" "reconciler")) }}, port: {{ $port }}, scheme: {{ $scheme }}}
  periodSeconds: 5
  timeoutSeconds: 4
livenessProbe:
  httpGet: {path: /livez, port: {{ $port }}, scheme: {{ $scheme }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end -}}

{{- define "bwvisu.service" -}}
{{- $values := (index (index . 0).Values (index . 1)).service -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "bwvisu.metadata" (append . "") | nindent 2 }}
  {{- with $values.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ $values.type }}
  {{- if ne $values.type "ClusterIP" }}
  externalTrafficPolicy: Local # else nobody sees from where a request comes
  {{- end }}
  selector: {{- include "bwvisu.selector" . | nindent 4 }}
  ports:
    - {name: http, port: {{ include "bwvisu.port" . }}, targetPort: http, appProtocol: {{ include "bwvisu.scheme" . | lower }}}
{{- end -}}

{{- define "bwvisu.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata: {{- include "bwvisu.metadata" (append . "") | nindent 2 }}
automountServiceAccountToken: false
{{- end -}}

{{- define "bwvisu.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{- include "bwvisu.metadata" (append . "") | nindent 2 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "bwvisu.selector" . | nindent 6 }}
{{- end -}}

{{- define "bwvisu.autoscaler" -}}
{{- $values := (index (index . 0).Values (index . 1)).autoscaling -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{- include "bwvisu.metadata" (append . "") | nindent 2 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "bwvisu.name" . }}}
  minReplicas: {{ $values.minReplicas }}
  maxReplicas: {{ $values.maxReplicas }}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ $values.cpu }}}}
  behavior: # each pod that goes ends event streams, which begin anew elsewhere
    scaleDown: {stabilizationWindowSeconds: 600, policies: [{type: Pods, value: 1, periodSeconds: 120}]}
{{- end -}}

{{/* root, role, paths of the role that are for outside. */}}
{{- define "bwvisu.ingress" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
{{- $values := (index $root.Values $role).ingress -}}
{{- $service := include "bwvisu.name" (list $root $role) -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "bwvisu.metadata" (list $root $role "") | nindent 2 }}
  annotations:
    # For ingress-nginx: an event stream is one long answer that must not be held back.  Others: say the like in `annotations`.
    nginx.ingress.kubernetes.io/proxy-buffering: "off"
    nginx.ingress.kubernetes.io/proxy-read-timeout: "3600"
    nginx.ingress.kubernetes.io/proxy-send-timeout: "3600"
    nginx.ingress.kubernetes.io/backend-protocol: {{ include "bwvisu.scheme" (list $root $role) }}
    {{- with $values.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- with $values.className }}
  ingressClassName: {{ . }}
  {{- end }}
  tls:
    - hosts: [{{ $values.host }}]
      {{- with $values.tlsSecret }}
      secretName: {{ . }}
      {{- end }}
  rules:
    - host: {{ $values.host }}
      http:
        paths:
          {{- range index . 2 }}
          - path: {{ . }}
            pathType: Prefix
            backend: {service: {name: {{ $service }}, port: {name: http}}}
          {{- end }}
          {{- if has "/" (index . 2) }}
          - path: /metrics # for inside; a Service without pods answers 503
            pathType: Exact
            backend: {service: {name: {{ include "bwvisu.name" (list $root "nowhere") }}, port: {name: http}}}
          {{- end }}
{{- end -}}
