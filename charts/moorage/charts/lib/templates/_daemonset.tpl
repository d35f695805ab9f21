{{/* A DaemonSet of agents: one on each node, in the network of the node. */}}
{{- define "moorage.daemonSet" -}}
apiVersion: apps/v1
kind: DaemonSet
metadata:
  {{- include "moorage.metadata" (list . "") | nindent 2 }}
spec:
  updateStrategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: {{ .Values.maxUnavailable }}}
  selector:
    matchLabels:
      {{- include "moorage.controllerSelector" . | nindent 6 }}
  template:
    metadata:
      {{- include "moorage.podMetadata" (list . "controller") | nindent 6 }}
    spec:
      {{- include "moorage.podSpec" . | nindent 6 }}
      hostNetwork: true
      terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
      containers:
        {{- include "moorage.container" (dict "context" .) | nindent 8 }}
          {{- include "moorage.probes" . | nindent 10 }}
      {{- include "moorage.volumes" . | nindent 6 }}
{{- end -}}
