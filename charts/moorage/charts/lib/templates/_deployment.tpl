{{/* A Deployment of replicas of which one leads. */}}
{{- define "moorage.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "moorage.metadata" (list . "") | nindent 2 }}
spec:
  replicas: {{ .Values.replicas }}
  # With both, an upgrade ends where there is room for no other pod, and with one replica.
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 1}
  selector:
    matchLabels:
      {{- include "moorage.controllerSelector" . | nindent 6 }}
  template:
    metadata:
      {{- include "moorage.podMetadata" (list . "controller") | nindent 6 }}
    spec:
      {{- include "moorage.podSpec" . | nindent 6 }}
      terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
      {{- include "moorage.spread" . | nindent 6 }}
      containers:
        {{- include "moorage.container" (dict "context" .) | nindent 8 }}
          {{- include "moorage.probes" . | nindent 10 }}
      {{- include "moorage.volumes" . | nindent 6 }}
{{- end -}}

{{/* Replicas are spread where possible: those of an older revision do not count. */}}
{{- define "moorage.spread" -}}
{{- if .Values.spreadOver -}}
topologySpreadConstraints:
  {{- range .Values.spreadOver }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "moorage.controllerSelector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end -}}
{{- end -}}
